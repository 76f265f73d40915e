"""The part on both models' answers, and the verdict's links, as plain functions."""

import io
import json
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pandas as pd

import attncompare
from attncompare import Pair
from attncompare.analyses.outputs import Outputs
from attncompare.ui.claims import PLACES, linked
from attncompare.ui.outputs import draw, offer
from attncompare.ui.questions import Answer
from attncompare.ui.verdict import verdict_html
from tests.ui.conftest import NEGATION


def test_the_picture_and_its_files_hold_both_answers(answer: Answer) -> None:
    part, shown = draw(answer)
    assert part["visible"] is True
    assert Path(shown["picture"]["path"]).read_bytes().startswith(b"\x89PNG")
    assert "negative" in shown["alt"]
    take = offer(answer, "")
    assert take is not None
    frame = pd.read_csv(io.BytesIO(take.made("csv")))
    assert dict(zip(frame["answer"], frame["tuned"], strict=True)) == dict(answer.comparison.outputs.tuned)
    assert json.loads(take.made("json"))["base_head"] == "borrowed"
    assert take.made("svg").lstrip().startswith(b"<?xml")


def test_nothing_is_shown_of_models_that_answer_nothing(answer: Answer) -> None:
    silent = Outputs("none", (), (), "own", None, None)
    nothing = replace(answer, comparison=replace(answer.comparison, outputs=silent))
    part, shown = draw(nothing)
    assert part["visible"] is False
    assert shown is None
    assert draw(None) == (gr.skip(), gr.skip())
    assert offer(None, "") is None
    assert 'data-go-to="swap">test' not in verdict_html(nothing.comparison)


def test_every_claim_ends_in_a_link_and_heads_open(answer: Answer) -> None:
    shown = verdict_html(answer.comparison)
    for claim in answer.comparison.claims[:-1]:
        tab, element, text = PLACES[claim.view]
        where = f'data-open="{claim.head}"' if claim.head else f'data-go-tab="{tab}" data-go-to="{element}"'
        assert f'<a class="see" href="#{element}" {where}>{text}</a>' in shown
    assert linked("L3.H9 <b>L1.H2") == (
        '<a class="head" href="#one-head" data-open="L3.H9">L3.H9</a> '
        '&lt;b&gt;<a class="head" href="#one-head" data-open="L1.H2">L1.H2</a>'
    )


def test_the_verdict_goes_on_with_what_swapped_heads_showed(answer: Answer, embedded_pair: Pair) -> None:
    open_question = 'Not tested yet: <a class="see" href="#swap"'
    assert open_question in verdict_html(answer.comparison)
    found = attncompare.patching(embedded_pair, NEGATION)
    shown = verdict_html(answer.comparison, found)
    assert open_question not in shown
    assert "Changed and matters: " in shown
    elsewhere = attncompare.patching(embedded_pair, "Another text.")
    assert verdict_html(answer.comparison, elsewhere) == verdict_html(answer.comparison)
