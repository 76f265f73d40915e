"""The bias probe of many texts on the page and through its endpoint: it says what Python says, or one sentence."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from attncompare import Pair, compare
from attncompare.analyses.bias_many import bias_of_many
from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.word_groups import DEFAULT, hits
from attncompare.attention import unheard
from attncompare.models.checkpoint import any_folder
from attncompare.models.generation import Generation
from attncompare.report import bias_numbers
from attncompare.ui import bias_many
from attncompare.ui.bias_asking import EXAMPLES, MOST_TEXTS, about_each, ask_bias_of_many, typed_texts
from attncompare.ui.probe_endpoints import probe_endpoints
from attncompare.ui.questions import Answer, Question
from attncompare.ui.reading import MAX_CHARACTERS
from attncompare.ui.sought import Sought
from attncompare.ui.states import States
from attncompare.ui.theme import launch_options
from attncompare.ui.work import turn

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = str(gr.skip())
TEXTS = ["She led a team.", "He managed a budget.", "It <i>rained</i>."]
GROUPS = "female: she\nmale: he"
LISTS = {"female": ["she"], "male": ["he"]}


@pytest.fixture(scope="module")
def short(embedded_pair: Pair) -> Answer:
    """A comparison whose own second text is of no other."""
    reading: Any = {"text_pair": "More of it."}
    return Answer(Question("", "", TEXTS[0], reading), compare(embedded_pair, TEXTS[0], **reading), 0.01)


@pytest.fixture(scope="module")
def found(embedded_pair: Pair) -> BiasOfMany:
    """What Python finds."""
    return bias_of_many(embedded_pair, TEXTS, groups=LISTS, answer="positive")


def same(found: Any, python: Any) -> bool:
    """Whether two records hold the same numbers."""
    return json.dumps(found.to_dict()) == json.dumps(python.to_dict())


def plain(html: str) -> str:
    return unescape(re.sub("<[^>]+>", "", html))


def test_the_part_shows_work_then_what_python_says(short: Answer, found: BiasOfMany) -> None:
    first, *_, last = list(
        bias_many.probe(any_folder, short, "\n".join(["", *TEXTS, " "]), None, GROUPS, "positive", "")
    )
    *kept, go, stop, _ = first
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (False, True)
    record, said, picture, table, results, go, stop, status = last
    assert same(record, found)
    assert record.sought
    assert "<strong>Read with female words, " in said
    assert all(answer in plain(said) for answer in found.answers if not answer.startswith("To try next"))
    assert "1 of 3 texts have no word of any group" in said
    assert f'<p class="aside">{found.answers[-1]}</p></section>' in said
    assert said.count("<li>On ") == 3
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert "mean share of attention to content over 3 texts" in picture["alt_text"]
    assert table.count("<table>") == 3
    assert (results["visible"], go["interactive"], stop["interactive"], status) == (True, True, False, "")


@pytest.mark.parametrize("name", ["texts.txt", "texts.csv"])
def test_a_file_is_read_in_place_of_the_box(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("\n".join(TEXTS) if name.endswith("txt") else "\n".join(["text", *TEXTS]))
    assert typed_texts("Something else.\nAnd more.", str(path)) == tuple(TEXTS)


def test_others_may_ask_between_texts(short: Answer, found: BiasOfMany) -> None:
    steps: list[str] = []

    def tell(step: str, *_: int) -> None:
        steps.append(step)

    about = about_each(short.question)
    record = ask_bias_of_many(about, TEXTS, any_folder, tell, Sought("positive"), {"female": ("she",), "male": ("he",)})
    assert same(record, found)
    assert [step for step in steps if step.startswith("text ") and ":" not in step] == [
        f"text {number} of 3" for number in (1, 2, 3)
    ]
    with turn(unheard):  # the models were given back
        pass


def test_what_belongs_to_the_compared_text_alone_is_left_out() -> None:
    reading: Any = {"text_pair": "Two.", "generate": Generation(), "level": "token", "chat": True}
    assert about_each(Question("a", "b", "One.", reading)) == Question("a", "b", "One.", {"chat": True})


def test_nothing_runs_before_there_is_an_answer(short: Answer) -> None:
    assert set(map(str, bias_many.start(None))) == {SKIPPED}
    said, results, *buttons, status = bias_many.start(short)
    assert "for 10 texts as long as the compared one: about 80 forward passes" in said
    assert (results["visible"], *(button["interactive"] for button in buttons), status) == (False, True, False, "")


@pytest.mark.parametrize(
    ("lines", "name", "content", "groups", "expected"),
    [
        ("", None, "", GROUPS, "Expected 2 to 200 texts, got 0"),
        (None, None, "", GROUPS, "Expected 2 to 200 texts, got 0"),
        ("She led.", None, "", GROUPS, "Expected 2 to 200 texts, got 1"),
        ("She led.\n" * (MOST_TEXTS + 1), None, "", GROUPS, "got 201: .* Python and the command line take up to 1,000"),
        ("She led.\n" + "x" * MAX_CHARACTERS, None, "", GROUPS, "characters together and at most 200,000 are read"),
        ("He led.\n" + "she " * 600, None, "", GROUPS, r"Text 2 \(‘she .*’\) can't be probed: .* at most 512"),
        ("She led.\nHe led.", None, "", "female she", "Line 1 of the groups is no group"),
        ("She led.\nHe led.", None, "", "female: she\nmale: he, she", "‘she’ is in two groups"),
        ("It is.\nIt was.", None, "", GROUPS, "No word of any group"),
        ("", "a.csv", "id,body\n1,x\n2,y\n", GROUPS, "Line 1 of a.csv: expected the names of the columns"),
        ("", "a.csv", "text\nOne\nTwo, or three\n", GROUPS, "Line 3 of a.csv: expected 1 cells"),
        ("", "a.txt", "One\n", GROUPS, "a.txt has 1 text"),
        ("", "gone.txt", None, GROUPS, "gone.txt can't be read: .* choose it once more"),
    ],
)
def test_bad_input_is_one_sentence_and_keeps_what_was_found(
    short: Answer, tmp_path: Path, lines: Any, name: str | None, content: Any, groups: str, expected: str
) -> None:
    path = None if name is None else tmp_path / name
    if path is not None and content is not None:
        path.write_text(content)
    shown: list[tuple[Any, ...]] = []
    file = None if path is None else str(path)
    with pytest.raises(gr.Error, match=expected) as raised:
        shown.extend(bias_many.probe(any_folder, short, lines, file, groups, "", ""))
    assert "\n" not in raised.value.message
    assert str(tmp_path) not in raised.value.message
    assert shown
    assert all(set(map(str, step[:5])) == {SKIPPED} for step in shown)


def test_what_strangers_type_is_escaped(found: BiasOfMany) -> None:
    said, _, table = bias_many.show(found)
    assert "<i>" not in said + table
    assert "&lt;i&gt;rained" in table


def test_tables_hold_the_numbers_of_the_record(found: BiasOfMany) -> None:
    table = plain(bias_numbers.bias_of_many(found).replace("</th>", " ").replace("</td>", " ").replace("<tr>", "\n"))
    lines = {line.split()[0]: line for line in table.splitlines() if line.split()}
    of_text = found.shares["tuned"][0, found.parts.index("female")].astype(float)
    assert f"{np.nanmean(of_text):.1%}" in lines["female"]
    change = np.nanmean(found.leakage["tuned"].astype(float) - found.leakage["base"], 0)
    row, head = np.unravel_index(np.abs(change).argmax(), change.shape)
    name = f"L{found.layers[row]}.H{head}"
    assert next(iter(line for line in lines if re.fullmatch(r"L\d+\.H\d+", line))) == name
    assert f"{100 * change[row, head]:+.2f}".replace("-", "−") in lines[name]
    assert lines["3."].endswith("– ")  # nothing was swapped there
    moved = float(found.swapped["tuned"][0]) - float(found.outputs["tuned"][0])
    assert f"{abs(moved):.3g}" in lines["1."]


def test_the_examples_hold_groups_on_both_sides() -> None:
    hit = hits(EXAMPLES, DEFAULT)
    gendered = [{one.group for one in hit if one.segment == at} & {"female", "male"} for at in range(len(EXAMPLES))]
    assert gendered == [{"female"}, {"male"}] * 5


def test_the_part_is_built_with_labels_for_all_it_asks() -> None:
    with gr.Blocks() as page:
        groups, *fields = (gr.Textbox() for _ in range(3))
        bias_many.bias_many_part(States(), groups, (fields[0], fields[1]), any_folder)
    labels = {
        block.label for block in page.blocks.values() if getattr(block, "elem_id", "") and hasattr(block, "label")
    }
    assert {"Texts", "Or a file of texts"} <= labels


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a page that has the endpoints of probes."""
    with gr.Blocks(analytics_enabled=False) as demo:
        probe_endpoints(any_folder)
    demo.queue(api_open=False)
    demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, **launch_options())
    yield Client(demo.local_url, download_files=str(tmp_path_factory.mktemp("downloads")), verbose=False)
    demo.close()


def test_the_endpoint_gives_what_python_gives(client: Client, found: BiasOfMany) -> None:
    told, picture = client.predict(texts=TEXTS, groups=LISTS, answer="positive", api_name="/bias_of_many")
    assert told == json.loads(json.dumps(found.to_dict()))
    assert told["schema_version"] == 1
    assert Path(picture).read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"texts": None}, "Expected texts to be a list of 2 to 200 strings, got None"),
        ({"texts": "She led."}, "Expected texts to be a list"),
        ({"texts": ["She led.", 3]}, "Expected texts to be a list"),
        ({"texts": ["She led."]}, "Expected 2 to 200 texts, got 1"),
        ({"texts": ["She led.", " "]}, "Text 2 is empty"),
        ({"texts": ["a", "b"] * 101}, "Expected 2 to 200 texts, got 202"),
        ({"groups": {"a": ["she"], "b": ["she"]}}, "‘she’ is in two groups"),
        ({"answer": 3}, "Expected answer to be a string or null"),
        ({"answer": "spam"}, "no class 'spam'"),
        ({"base": 3}, "Expected base to be a string"),
        ({"reading": {"text_pair": "more"}}, "leave text_pair and target out"),
        ({"reading": {"generate": {}}}, "leave generate out"),
        ({"reading": {"spam": 1}}, "There is no 'spam' in reading"),
    ],
)
def test_the_endpoint_refuses_in_one_sentence(client: Client, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(AppError, match=expected) as raised:
        client.predict(**{"texts": TEXTS, **options}, api_name="/bias_of_many")
    assert "\n" not in str(raised.value)
