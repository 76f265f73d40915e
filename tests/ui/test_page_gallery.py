"""Pairs to try, and the two sides exchanged."""

import gradio as gr

from attncompare.models.embedded import TUNED, shipped
from attncompare.models.hub import split_id
from attncompare.ui.files import examples
from attncompare.ui.gallery import HALF, UNSWAPPABLE, choose, pair_label, pairs, swap

KEPT = gr.skip()


def test_the_embedded_pair_comes_first_and_every_kind_is_there() -> None:
    first, *others = pairs()
    assert (first["base"], first["tuned"]) == ("", "")
    assert shipped(TUNED) is not None
    assert {pair["kind"] for pair in others} == {"encoder", "decoder", "LoRA", "encoder-decoder"}
    assert len({pair_label(pair) for pair in pairs()}) == len(pairs())
    for pair in others:
        for side in (pair["base"], pair["tuned"]):
            name, revision = split_id(side)
            assert name.count("/") == 1
            assert revision is None
        assert pair["size"].endswith(" MB")
        assert pair["text"].strip()


def test_choosing_fills_the_form_and_keeps_a_text_that_somebody_typed() -> None:
    pair = pairs()[1]
    for untouched in ("", "  ", examples()[0]["text"], examples()[-1]["text"], pairs()[4]["text"]):
        assert choose(1, untouched) == (pair["base"], pair["tuned"], pair["text"])
    assert choose(1, "My own text.") == (pair["base"], pair["tuned"], KEPT)
    assert choose(0, "My own text.") == ("", "", KEPT)


def test_swapping_exchanges_or_says_why_not() -> None:
    assert swap(" org/a ", "org/b@v2")[:2] == ("org/b@v2", "org/a")
    for base, tuned, why in (("", "", UNSWAPPABLE), ("org/a", " ", HALF), ("", "org/b", HALF)):
        *ids, said = swap(base, tuned)
        assert ids == [KEPT, KEPT]
        assert why.replace("'", "&#x27;") in said
