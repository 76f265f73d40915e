"""The bias probe of one text on the page and through its endpoint: it says what Python says, or one sentence."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from attncompare import Pair, compare
from attncompare.analyses.bias import bias as bias_of
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.word_groups import DEFAULT, lines_of
from attncompare.models.checkpoint import any_folder
from attncompare.models.generation import Generation
from attncompare.report import bias_numbers
from attncompare.ui import bias
from attncompare.ui.bias_asking import LONGEST_GROUPS, about_text, sent_groups, typed_groups
from attncompare.ui.probe_endpoints import probe_endpoints
from attncompare.ui.questions import Answer, Question
from attncompare.ui.reading import MAX_CHARACTERS
from attncompare.ui.states import States
from attncompare.ui.theme import launch_options

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = str(gr.skip())
TEXT = "She led her team for six years."
GROUPS = "female: she, her\nwork: led, team"


@pytest.fixture(scope="module")
def short(embedded_pair: Pair) -> Answer:
    """A comparison of a short text."""
    return Answer(Question("", "", TEXT), compare(embedded_pair, TEXT), 0.01)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a page that has the part and the endpoint of this probe."""
    with gr.Blocks(analytics_enabled=False) as demo:
        bias.bias_part(States(), any_folder)
        probe_endpoints(any_folder)
    demo.queue(api_open=False)
    demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, **launch_options())
    yield Client(demo.local_url, download_files=str(tmp_path_factory.mktemp("downloads")), verbose=False)
    demo.close()


@pytest.fixture(scope="module")
def found(embedded_pair: Pair) -> Bias:
    """What Python finds on the short text with the usual groups."""
    return bias_of(embedded_pair, TEXT)


def same(found: Any, python: Any) -> bool:
    """Whether two records hold the same numbers."""
    return json.dumps(found.to_dict()) == json.dumps(python.to_dict())


def test_the_part_shows_work_then_what_python_says(short: Answer, embedded_pair: Pair) -> None:
    first, *_, last = list(bias.probe(any_folder, short, "  ", GROUPS, "", ""))
    *kept, go, stop, _ = first
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (False, True)
    found, said, picture, table, results, go, stop, status = last
    python = bias_of(embedded_pair, TEXT, groups={"female": ["she", "her"], "work": ["led", "team"]})
    assert same(found, python)
    assert "not a verdict" in said
    assert "Asked about: " in said
    assert "<strong>With 2 words swapped (‘<bdi>She</bdi>’ to ‘<bdi>He</bdi>’" in said
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert python.name(*python.leakage.moved) in picture["alt_text"]
    assert table.count("<table>") == 3
    assert (results["visible"], go["interactive"], stop["interactive"], status) == (True, True, False, "")


def test_another_text_is_probed_in_place_of_the_compared_one(short: Answer, embedded_pair: Pair) -> None:
    other = "His career began in sales."
    *_, last = bias.probe(any_folder, short, other, lines_of(DEFAULT), " negative ", "")
    python = bias_of(embedded_pair, other, answer="negative")
    assert same(last[0], python)
    assert (last[0].sought, python.readout.answer) == (True, "negative")


def test_nothing_runs_before_there_is_an_answer(short: Answer) -> None:
    assert set(map(str, bias.fill(None))) == {SKIPPED}
    assert [one["placeholder"] for one in bias.fill(short)] == ["empty: the likeliest", "empty: the next likeliest"]
    assert set(map(str, bias.start(None))) == {SKIPPED}
    said, results, *buttons, status = bias.start(short)
    assert "forward passes" in said
    assert (results["visible"], *(button["interactive"] for button in buttons), status) == (False, True, False, "")


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        (TEXT, "female: she\nmale he", "Line 2 of the groups is no group"),
        (TEXT, "a: she\nb: SHE", "‘SHE’ is in two groups, ‘a’ and ‘b’"),
        (TEXT, "", "There are no groups"),
        (TEXT, None, "There are no groups"),
        ("Sie führte ein Team.", "female: elle", "lists that come with this are English"),
        ("x" * (MAX_CHARACTERS + 1), GROUPS, "shorten it"),
        ("she " * 600, GROUPS, "512"),
        (TEXT, "a: " + "x" * LONGEST_GROUPS, "characters"),
    ],
)
def test_bad_input_is_one_sentence_and_keeps_what_was_found(
    short: Answer, text: str, lines: str | None, expected: str
) -> None:
    shown: list[tuple[Any, ...]] = []
    with pytest.raises(gr.Error, match=expected) as raised:
        shown.extend(bias.probe(any_folder, short, text, lines, "", ""))
    assert "\n" not in raised.value.message
    assert shown
    assert all(set(map(str, step[:4])) == {SKIPPED} for step in shown)


def test_an_answer_that_there_is_not_is_refused(short: Answer) -> None:
    with pytest.raises(gr.Error, match="no class 'spam'"):
        list(bias.probe(any_folder, short, TEXT, GROUPS, "spam", ""))


def test_what_to_try_next_is_folded_and_the_caution_is_not(found: Bias) -> None:
    said = bias.show(found)[0]
    before, _, folded = said.partition('<details class="next"><summary>What you might try next</summary>')
    steps, _, after = folded.partition("</details>")
    tried = [answer for answer in found.answers if answer.startswith("To try next")]
    assert len(tried) == steps.count("<li>") == 4
    assert "<li>On the swap: swap a list of texts" in steps
    assert "To try next" not in said
    assert before.count("<p>") == len(found.answers) - len(tried) - 2  # the first is set off, the last is the caution
    assert f'<p class="aside">{found.answers[-1]}</p>' in after


def test_what_strangers_type_is_escaped(embedded_pair: Pair) -> None:
    found = bias_of(embedded_pair, "She said <b>bold</b> & left.", groups={"<i>": ["she"], "male": ["<b>bold</b>"]})
    said, _, table = bias.show(found)
    assert '<p class="aside">This is the outcome of a probe' in said
    for html in (said, table):
        assert "<i>" not in html
        assert "<b>bold" not in html
    assert "&lt;i&gt;" in table


def test_tables_hold_the_numbers_of_the_record(found: Bias) -> None:
    table = bias_numbers.bias(found)
    row, head = found.leakage.moved
    assert f"<bdi>{found.name(row, head)}</bdi>" in table
    assert f"{found.mean('tuned', 'female'):.1%}" in table
    assert table.count("became") == 1


def test_what_belongs_to_the_compared_text_alone_is_not_asked_of_another() -> None:
    compared = Question("a", "b", "One.", {"text_pair": "Two.", "generate": Generation(), "level": "token"})
    assert about_text(compared, "") == Question("a", "b", "One.", {"text_pair": "Two.", "level": "token"})
    assert about_text(compared, "Three.") == Question("a", "b", "Three.", {"level": "token"})


def test_groups_as_they_are_typed_and_sent() -> None:
    assert typed_groups(lines_of(DEFAULT)) == sent_groups(None) == DEFAULT
    assert sent_groups({"a": ["x"]}) == {"a": ("x",)}


def test_the_prefilled_text_has_words_of_the_groups(embedded_pair: Pair) -> None:
    assert bias_of(embedded_pair, bias.example()).present == ("female", "experience")


def test_the_endpoint_gives_what_python_gives(client: Client, embedded_pair: Pair) -> None:
    options = {"groups": {"female": ["she"], "male": ["he"]}, "answer": "positive"}
    told, picture = client.predict(text=TEXT, **options, api_name="/bias")
    assert told == json.loads(json.dumps(bias_of(embedded_pair, TEXT, **options).to_dict()))
    assert told["schema_version"] == 1
    assert Path(picture).read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"text": ""}, "The text is empty"),
        ({"groups": {"a": ["she"], "b": ["she"]}}, "‘she’ is in two groups, ‘a’ and ‘b’"),
        ({"groups": {"a": "she"}}, "‘a’ to be a list of words"),
        ({"groups": ["she"]}, "Expected groups to be words"),
        ({"text": "Nothing here."}, "lists that come with this are English"),
        ({"answer": 3}, "Expected answer to be a string or null, got int"),
        ({"answer": "spam"}, "no class 'spam'"),
        ({"reading": {"spam": 1}}, "There is no 'spam' in reading"),
    ],
)
def test_the_endpoint_refuses_in_one_sentence(client: Client, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(AppError, match=expected):
        client.predict(**{"text": TEXT, **options}, api_name="/bias")
