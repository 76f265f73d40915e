"""Whom a pronoun looks at, on the page and through its endpoint: what Python says, or one sentence for bad input."""

import json
import re
import socket
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from attncompare import Pair, compare
from attncompare.analyses.coreference import coreference as coreference_of
from attncompare.analyses.coreference_items import read_items
from attncompare.analyses.coreference_many import built_in, coreference_of_many
from attncompare.analyses.coreference_written import items_of
from attncompare.analyses.winograd import SENTENCES
from attncompare.attention import unheard
from attncompare.models.checkpoint import any_folder
from attncompare.ui import coreference, probing
from attncompare.ui.probe_endpoints import probe_endpoints
from attncompare.ui.questions import Answer, Question
from attncompare.ui.states import States
from attncompare.ui.theme import launch_options
from attncompare.ui.work import turn
from tests.conftest import save_tiny

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = str(gr.skip())
TEXT = "The critic thanked the director because she had been invited."
TROPHY = SENTENCES[0]


@pytest.fixture(scope="module")
def short(embedded_pair: Pair) -> Answer:
    return Answer(Question("", "", TEXT), compare(embedded_pair, TEXT), 0.01)


def last_of(steps: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    return list(steps)[-1]


def same(found: Any, python: Any) -> bool:
    return json.dumps(found.to_dict()) == json.dumps(python.to_dict())


def plain(html: str) -> str:
    return unescape(re.sub("<[^>]+>", "", html))


def test_a_built_in_sentence_fills_the_fields_and_brings_its_answer(short: Answer, embedded_pair: Pair) -> None:
    fields = coreference.pick(1)
    assert fields == (SENTENCES[1].text, "it", "trophy, suitcase")
    first, *_, last = coreference.look(any_folder, short, *fields)
    assert "starting" in first[-1]
    found, said, picture, table, results, go, stop, status = last
    python = coreference_of(embedded_pair, SENTENCES[1].text, "it", ["trophy", "suitcase"], correct="suitcase")
    assert same(found, python)
    assert all(sentence in plain(said) for sentence in python.answers)
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert "trophy" in picture["alt_text"]
    assert table.count("<table>") == 2
    assert f"{python.mean('tuned')[0]:.1%}" in table
    assert (results["visible"], go["interactive"], stop["interactive"], status) == (True, True, False, "")
    assert coreference.pick(None) == (gr.skip(),) * 3


def test_an_empty_sentence_is_the_text_that_was_compared(short: Answer, embedded_pair: Pair) -> None:
    found, *_ = last_of(coreference.look(any_folder, short, " ", "she", "critic , director"))
    assert same(found, coreference_of(embedded_pair, TEXT, "she", ["critic", "director"]))


def test_a_typed_sentence_is_read_by_the_same_level_and_alone(embedded_pair: Pair) -> None:
    reading: Any = {"level": "word", "text_pair": "More of it."}
    asked = Question("", "", TEXT, reading)
    found, *_ = last_of(
        coreference.look(any_folder, Answer(asked, compare(embedded_pair, TEXT)), TROPHY.text, "it", "trophy, suitcase")
    )
    assert found.about.level == "word"
    assert found.source.text == TROPHY.text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((TROPHY.text, "", "trophy, suitcase"), "The pronoun is empty"),
        ((TROPHY.text, "it", "trophy"), "Expected 2 to 10 candidates"),
        ((TROPHY.text, "it", "trophy, box"), "The candidate 'box' is not in the text"),
        ((TROPHY.text, "x" * 201, "trophy, suitcase"), "Expected the pronoun to be a few words, got 201 characters"),
        (("it " * 600, "it", "trophy, suitcase"), "at most 512"),
        (("", None, None), "Expected 2 to 10 candidates"),
    ],
)
def test_bad_input_is_one_sentence_and_keeps_what_was_found(short: Answer, fields: Any, expected: str) -> None:
    shown: list[tuple[Any, ...]] = []
    with pytest.raises(gr.Error, match=expected) as raised:
        shown.extend(coreference.look(any_folder, short, *fields))
    assert "\n" not in raised.value.message
    *kept, go, stop, status = shown[-1]
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (True, False)
    assert 'role="alert"' in status


def test_nothing_runs_before_there_is_an_answer(short: Answer) -> None:
    assert set(map(str, coreference.start(None))) == {SKIPPED}
    said, results, go, stop, status = coreference.start(short)
    assert "Roughly" in said
    assert (results["visible"], go["interactive"], stop["interactive"], status) == (False, True, False, "")


def test_the_built_in_sentences_are_counted(short: Answer, embedded_pair: Pair) -> None:
    found, said, picture, table, results, *_, status = last_of(coreference.count(any_folder, short, "built-in", None))
    python = built_in(embedded_pair)
    assert same(found, python)
    assert all(sentence in plain(said) for sentence in python.answers)
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    score = python.score("mas", "tuned")
    assert f"{score.low:.0%} to {score.high:.0%}" in table
    assert (results["visible"], status) == (True, "")


LINES = (
    "[The developer] argued with the designer because [he] did not like the plan.",
    "The developer argued with [the designer] because [her] plan was poor.",
    "The cook gave [the writer] a soup and [he] ate it.",
    "[The cook] gave the writer a soup and [his] pot was empty.",
)


def test_files_are_read_and_others_may_ask_in_between(short: Answer, embedded_pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "pro_type1.txt"
    path.write_text("\n".join(LINES))
    found, *_ = last_of(coreference.count(any_folder, short, "winobias", [str(path)]))
    assert same(found, coreference_of_many(embedded_pair, read_items([path], "winobias")))
    steps: list[str] = []

    def tell(step: str, *_: int) -> None:
        steps.append(step)

    probing.ask_coreference_of_many(short.question, any_folder, tell, "winobias", [str(path)])
    assert "sentence 4 of 4" in steps
    with turn(unheard):  # the models were given back
        pass


@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("winobias", "No brackets.", "Line 1 of .* is not in this format"),
        ("gap", LINES[0], "is not what gap begins with"),
        ("winobias", None, "No file was given"),
        ("wsc", LINES[0], "Expected format to be one of"),
        ("winobias", "\n".join(LINES * 251), "hold 1,004 sentences and the page asks about at most 1,000"),
        ("winobias", LINES[0] + " and" * 1500, r"Sentence 1 \(‘The developer .* has 6,\d+ characters"),
    ],
)
def test_a_file_that_can_t_be_asked_about_is_refused(
    short: Answer, tmp_path: Path, format: str, content: Any, expected: str
) -> None:
    (tmp_path / "list").write_text(content or "")
    files = None if content is None else [str(tmp_path / "list")]
    with pytest.raises(gr.Error, match=expected):
        list(coreference.count(any_folder, short, format, files))


def test_what_strangers_wrote_is_escaped(short: Answer) -> None:
    hostile = "The <img src=x onerror=alert(1)> saw the dog because it was new."
    _, said, _, table, *_ = last_of(
        coreference.look(any_folder, short, hostile, "it", "<img src=x onerror=alert(1)>, dog")
    )
    assert "<img" not in said + table
    assert "&lt;img" in said


def test_a_causal_pair_says_what_its_pronoun_can_t_see(tmp_path: Path) -> None:
    base, tuned = save_tiny(tmp_path / "b", "gpt2", 1), save_tiny(tmp_path / "t", "gpt2", 1, tune=0.2)
    asked = Question(str(base), str(tuned), "w3 w10 w17 w24")
    answer: Any = Answer(asked, None)  # type: ignore[arg-type]
    _, said, picture, table, *_ = last_of(coreference.look(any_folder, answer, "", "w17", "w10, w24"))
    assert "is not visible to" in plain(said)
    assert "–" in table
    assert Path(picture["value"]).read_bytes().startswith(PNG)


def test_the_part_is_built_with_labels_for_all_it_asks() -> None:
    with gr.Blocks() as page:
        coreference.coreference_part(States(), any_folder)
    labels = {
        block.label for block in page.blocks.values() if getattr(block, "elem_id", "") and getattr(block, "label", "")
    }
    assert {"Sentence", "Pronoun", "Candidates", "Which sentences", "Files of that format"} <= labels


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with gr.Blocks() as page:
        probe_endpoints(any_folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, **launch_options())
    yield Client(page.local_url, download_files=str(tmp_path_factory.mktemp("downloads")), verbose=False)
    page.close()


def test_the_endpoint_gives_what_python_gives(client: Client, embedded_pair: Pair) -> None:
    start = TROPHY.text.index("trophy")
    told, picture = client.predict(
        text=TROPHY.text,
        pronoun="it",
        candidates=[[start, start + 6], "suitcase"],
        correct="trophy",
        api_name="/coreference",
    )
    python = coreference_of(embedded_pair, TROPHY.text, "it", ["trophy", "suitcase"], correct="trophy")
    assert told == json.loads(json.dumps(python.to_dict()))
    assert Path(picture).read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"text": ""}, "The text is empty"),
        ({"pronoun": 3}, "Expected the pronoun to be words of the text, or their characters"),
        ({"pronoun": "she"}, "The pronoun 'she' is not in the text"),
        ({"candidates": None}, "Expected candidates to be a list"),
        ({"candidates": ["trophy", {}]}, "Expected the candidate to be words"),
        ({"candidates": ["trophy"]}, "Expected 2 to 10 candidates"),
        ({"correct": "brown"}, "is none of ‘trophy’ and ‘suitcase’"),
        ({"reading": {"attention": "cross"}}, "leave attention at 'self'"),
    ],
)
def test_the_endpoint_refuses_in_one_sentence(client: Client, options: dict[str, Any], expected: str) -> None:
    asked = {"text": TROPHY.text, "pronoun": "it", "candidates": ["trophy", "suitcase"], **options}
    with pytest.raises(AppError, match=expected) as raised:
        client.predict(**asked, api_name="/coreference")
    assert "\n" not in str(raised.value)


ITEMS: list[dict[str, Any]] = [
    {
        "text": TROPHY.text,
        "pronoun": "it",
        "candidates": ["trophy", "suitcase"],
        "correct": "trophy",
        "labels": {"<b>": "x"},
    },
    {"text": TEXT, "pronoun": "she", "candidates": ["critic", [23, 31]], "correct": "critic", "group": "critics"},
]


@pytest.mark.parametrize("items", [None, ITEMS])
def test_the_endpoint_of_many_gives_what_python_gives(client: Client, embedded_pair: Pair, items: Any) -> None:
    told, picture = client.predict(items=items, api_name="/coreference_of_many")
    python = built_in(embedded_pair) if items is None else coreference_of_many(embedded_pair, items_of(items))
    assert told == json.loads(json.dumps(python.to_dict()))
    assert told["items"] == len(items or SENTENCES)
    assert Path(picture).read_bytes().startswith(PNG)


def test_the_endpoint_of_many_reads_as_it_is_told(client: Client, embedded_pair: Pair) -> None:
    told, _ = client.predict(items=ITEMS, reading={"level": "word"}, api_name="/coreference_of_many")
    assert told["level"] == "word"
    assert told == json.loads(json.dumps(coreference_of_many(embedded_pair, items_of(ITEMS), level="word").to_dict()))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"items": []}, "Expected items to be a list of objects"),
        ({"items": {}}, "Expected items to be a list of objects"),
        ({"items": [{**ITEMS[0], "pronoun": "they"}]}, "Item 1: The pronoun 'they' is not in the text"),
        ({"items": [*ITEMS, "It is."]}, "Item 3: Expected an object"),
        ({"items": ITEMS[:1] * 1001}, "There are 1,001 sentences and the page asks about at most 1,000"),
        ({"items": [{**ITEMS[0], "text": TROPHY.text + " and" * 1500}]}, "Sentence 1 .* at most 5,000"),
        ({"tuned": ["x"]}, "Expected tuned to be a string"),
        ({"reading": {"text_pair": "more"}}, "reading may have level and chat, got 'text_pair'"),
        ({"reading": {"attention": "cross"}}, "reading may have level and chat, got 'attention'"),
    ],
)
def test_the_endpoint_of_many_refuses_in_one_sentence(client: Client, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(AppError, match=expected) as raised:
        client.predict(**{"items": ITEMS, **options}, api_name="/coreference_of_many")
    assert "\n" not in str(raised.value)
