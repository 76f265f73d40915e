"""Use from code: every piece is run as it stands, and hostile texts come back as they were."""

import contextlib
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

import attncompare
from attncompare import Pair, probes
from attncompare.analyses.winograd import SENTENCES
from attncompare.models.generation import Generation
from attncompare.ui.bias_asking import EXAMPLES
from attncompare.ui.calls import RECORDS, call_of
from attncompare.ui.code import address, codes, show
from attncompare.ui.questions import Answer, question
from attncompare.ui.snippets import ANALYSES, ASKED, LONGEST_ARGUMENT, Call, client, curl, javascript, python
from tests.ui.conftest import NEGATION, Served

HOSTILE = (
    "It's \"so\" `dull` $(touch pwned) ${y} \\ </script> {{x}} % \u202eabc\u202c \u2028 \x00 \ud800 😀\n'''\nEOF\nfilm"
)
READING: dict[str, Any] = {
    "text_pair": HOSTILE,
    "level": "word",
    "generate": Generation("tuned", 8, 0.7, 3),
    "chat": True,
}
NOTHING = dict.fromkeys(RECORDS)


def run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], str]:
    """The names that a piece of Python leaves behind, and what it prints."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "snippet.py", "exec"), names)
    return names, printed.getvalue()


def payload_of(code: str) -> tuple[str, dict[str, Any]]:
    """Endpoint and arguments of a piece of JavaScript; a JSON value is a JavaScript value."""
    found = re.search(r"client\.predict\((\"/\w+\"), (.*?)\)\nconst \[", code, re.DOTALL)
    assert found
    return json.loads(found[1]), json.loads(found[2])


@pytest.mark.parametrize(
    "analysis",
    [
        *(
            "compare",
            "head",
            "rollout",
            "reach",
            "patterns",
            "coreference",
            "coreference_of_many",
            "bias",
            "bias_of_many",
        )
    ],
)
def test_python_runs_as_it_stands(
    analysis: str, answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = call_of(analysis, answer, "L2.H5", NOTHING)
    if analysis == "bias":  # the example has none of the usual words
        call = Call(call.asked, analysis, {"groups": {"judging": ["good", "dull"]}})
    names, printed = run(python(call), tmp_path, monkeypatch)
    if analysis in ASKED:
        many: Any = {"items": [sentence.item for sentence in SENTENCES], "texts": list(EXAMPLES)}
        assert names[ASKED[analysis]] == many[ASKED[analysis]]
    else:
        assert names["text"] == (SENTENCES[0].text if analysis == "coreference" else NEGATION)
    assert printed.strip() == str(names["found"].frame()).strip()
    (picture,) = tmp_path.glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    if analysis == "compare":
        assert names["found"].verdict == answer.comparison.verdict
    if analysis == "head":
        assert names["found"].name == "L2.H5"


@pytest.mark.parametrize("analysis", ANALYSES)
def test_python_names_functions_and_pictures_that_exist(analysis: str) -> None:
    _, function, picture = ANALYSES[analysis]
    assert callable(attrgetter(function)(attncompare))
    assert callable(getattr(attncompare.plots, picture))


@pytest.mark.parametrize("analysis", ["compare", "head"])
def test_the_client_runs_as_it_stands(
    analysis: str, answer: Answer, page: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call(answer.question, analysis, call_of(analysis, answer, "", NOTHING).options)
    names, _ = run(client(call, page.url), tmp_path, monkeypatch)
    assert all(Path(picture).suffix == ".png" for picture in names["pictures"])
    found = names["numbers"]
    assert found["verdict"] == answer.comparison.verdict if analysis == "compare" else found["layer"] == answer.first[0]


def test_the_payload_of_javascript_is_answered(answer: Answer, page: Served) -> None:
    code = javascript(Call(answer.question, "compare"), page.url)
    assert f'Client.connect("{page.url}")' in code
    endpoint, payload = payload_of(code)
    numbers, *_ = Client(page.url, verbose=False).predict(**payload, api_name=endpoint)
    assert numbers["verdict"] == answer.comparison.verdict


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("text", [NEGATION, 'It\'s "so" `dull` $(touch pwned) \\ 😀\nfilm'])
def test_curl_runs_as_it_stands(text: str, page: Served, tmp_path: Path) -> None:
    code = curl(Call(question("", "", text), "compare"), page.url)
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=120)
    told = next(line for line in done.stdout.splitlines() if line.startswith("data: [")).removeprefix("data: ")
    assert json.loads(told)[0]["text"] == text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("base", ["", "org/ba'se\"; x"])
def test_hostile_texts_come_back_as_they_were(base: str) -> None:
    call = Call(question(base, "", HOSTILE, READING), "attribution", {"method": "saliency", "answer": "it's"})
    names: dict[str, Any] = {}
    text = next(line for line in python(call).splitlines() if line.startswith("text = "))
    exec(text, names)
    assert names["text"] == HOSTILE
    compile(python(call), "snippet.py", "exec")
    compile(client(call, "http://h/"), "snippet.py", "exec")
    assert payload_of(javascript(call, "http://h/")) == ("/attribution", call.payload)
    echoed = curl(call, "http://h/").replace("$(curl", "$(printf '%s\\n'", 1).split("| cut")[0] + ')\necho "$event"'
    done = subprocess.run(["bash", "-c", echoed], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == call.payload
    for code in (python(call), client(call, ""), javascript(call, ""), curl(call, "")):
        assert all(character.isprintable() or character == "\n" for character in code)


def test_reading_reaches_every_language() -> None:
    call = Call(question("", "", "A film.", READING), "compare")
    assert "generate=attncompare.Generation(by='tuned', max_new_tokens=8, temperature=0.7, seed=3)" in python(call)
    _, payload = payload_of(javascript(call, ""))
    assert payload["reading"]["generate"] == {"by": "tuned", "max_new_tokens": 8, "temperature": 0.7, "seed": 3}
    assert payload["reading"]["chat"] is True


def test_options_are_what_the_page_asked(answer: Answer, embedded_pair: Pair) -> None:
    swapped = attncompare.patching(embedded_pair, NEGATION, what="output", answer="positive")
    records = {**NOTHING, "patching": swapped}
    assert call_of("patching", answer, "", records).options == {"what": "output", "answer": "positive"}
    assert call_of("patching", answer, "", NOTHING).options == {}
    plain = attncompare.patching(embedded_pair, NEGATION)
    assert call_of("patching", answer, "", {**NOTHING, "patching": plain}).options == {"what": "pattern"}
    assert call_of("head", answer, "L1.H11", NOTHING).options == {"layer": 1, "head": 11}
    assert call_of("head", answer, "nonsense", NOTHING).options == dict(
        zip(("layer", "head"), answer.first, strict=True)
    )


def test_other_trainings_are_pairs_in_python() -> None:
    call = Call(question("", "", "A film."), "noise", {"draws": 3, "replicates": ["assets/movie-sentiment/seed-1"]})
    code = python(call)
    assert "others = [attncompare.load_pair(None, tuned) for tuned in ['assets/movie-sentiment/seed-1']]" in code
    assert "noise(pair, text, draws=3, replicates=others)" in code


def test_the_page_shows_code_escaped_and_with_a_button_each(answer: Answer) -> None:
    shown = codes(Call(question("", "", HOSTILE), "compare"), "http://h/")
    assert "</script>" not in shown
    assert shown.count("data-copy=") == shown.count("<pre ") == 4
    first = re.search(r"<code>(.*?)</code>", shown, re.DOTALL)
    assert first
    assert unescape(first[1]) == python(Call(question("", "", HOSTILE), "compare"))
    chosen, said = show(answer, "no such analysis", "", *NOTHING.values())
    assert chosen == "compare"
    assert "/gradio_api/call" in said
    assert show(None, "compare", "", *NOTHING.values()) == (gr.skip(), gr.skip())


def test_the_address_is_what_the_visitor_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address({}, "http://127.0.0.1:7860/") == "http://127.0.0.1:7860/"
    assert address({"x-forwarded-proto": "https,http"}, "http://host/app/") == "https://host/app/"
    assert address({"x-forwarded-proto": "javascript"}, "http://host/") == "http://host/"
    monkeypatch.setenv("SPACE_HOST", "org-name.hf.space")
    assert address({}, "http://10.0.0.1/") == "https://org-name.hf.space/"
    request = SimpleNamespace(headers={}, request=SimpleNamespace(base_url="http://h/"))
    assert request.request.base_url == "http://h/"


def test_a_probe_of_another_text_is_written_down_as_it_was_asked(answer: Answer, embedded_pair: Pair) -> None:
    text = "We found that it rained when it was too large for the box, so the vase was sold."
    found = probes.coreference(embedded_pair, text, "it@2", ["vase", "box"])
    records = NOTHING | {"coreference": found}
    call = call_of("coreference", answer, "", records)
    assert call.payload == {
        "base": "", "tuned": "", "text": text, "pronoun": "it@2", "candidates": ["vase", "box"],
    }  # fmt: skip
    again = probes.coreference(embedded_pair, text, call.options["pronoun"], call.options["candidates"])
    assert again.to_dict() == found.to_dict()


def test_thresholds_and_groups_that_are_not_the_usual_ones_are_written_down(
    answer: Answer, embedded_pair: Pair
) -> None:
    found = probes.patterns(embedded_pair, NEGATION, thresholds=probes.Thresholds(diagonal=0.3))
    how = call_of("patterns", answer, "", NOTHING | {"patterns": found}).options
    assert how == {"thresholds": {"diagonal": 0.3}}
    assert "thresholds=attncompare.probes.Thresholds(diagonal=0.3)" in python(Call(answer.question, "patterns", how))
    groups = {"judging": ("good", "dull")}
    judged = probes.bias(embedded_pair, NEGATION, groups=groups)
    assert call_of("bias", answer, "", NOTHING | {"bias": judged}).options == {"groups": {"judging": ["good", "dull"]}}


def test_a_probe_of_many_texts_is_written_down_as_it_was_asked(
    answer: Answer, embedded_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, groups = ["She led.", HOSTILE.replace("\ud800", "He left.")], {"female": ("she",), "male": ("he",)}
    found = probes.bias_of_many(embedded_pair, texts, groups=groups, answer="negative")
    records = NOTHING | {"bias_of_many": found}
    chatty = replace(answer, question=question("", "", NEGATION, READING))
    call = call_of("bias_of_many", chatty, "", records)
    lists = {"female": ["she"], "male": ["he"]}
    assert call.payload == {
        "base": "", "tuned": "", "texts": texts, "groups": lists, "answer": "negative", "reading": {"chat": True},
    }  # fmt: skip
    plain = replace(call, asked=question("", "", NEGATION))
    names, _ = run(python(plain), tmp_path, monkeypatch)
    assert names["found"].to_dict() == found.to_dict()
    written = client(plain, "http://h/").replace("from gradio_client import Client", "")
    asked_for: dict[str, Any] = {}
    page = SimpleNamespace(predict=lambda **given: (asked_for.update(given), "picture"))
    exec(written, {"Client": lambda _: page})
    assert asked_for == {**plain.payload, "api_name": "/bias_of_many"}
    assert payload_of(javascript(plain, "http://h/")) == ("/bias_of_many", plain.payload)


def test_an_answer_that_nobody_named_is_left_to_the_models(answer: Answer, embedded_pair: Pair) -> None:
    found = probes.bias_of_many(embedded_pair, ["She led.", "He left."])
    assert call_of("bias_of_many", answer, "", NOTHING | {"bias_of_many": found}).options == {
        "texts": ["She led.", "He left."]
    }


def test_sentences_of_files_are_written_down_as_items(
    answer: Answer, embedded_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pro_type1.txt"
    path.write_text(
        f"[The developer] saw that [he] liked the designer.\n{HOSTILE[:20]} [the cook] and a baker: [she] sat."
    )
    read = probes.read_items([path], "winobias")
    assert len(read.items) == 2
    found = probes.coreference_of_many(embedded_pair, read)
    records = NOTHING | {"coreference_of_many": found}
    call = call_of("coreference_of_many", answer, "", records)
    assert probes.items_of(json.loads(json.dumps(call.payload["items"]))) == read.items
    names, _ = run(python(call), tmp_path, monkeypatch)
    assert names["found"].to_dict() == found.to_dict()
    usual = probes.coreference_of_many(embedded_pair, [sentence.item for sentence in SENTENCES])
    assert call_of("coreference_of_many", answer, "", NOTHING | {"coreference_of_many": usual}).options == {}
    some = probes.coreference_of_many(embedded_pair, [sentence.item for sentence in SENTENCES[:2]])
    assert (
        len(call_of("coreference_of_many", answer, "", NOTHING | {"coreference_of_many": some}).options["items"]) == 2
    )


def test_what_is_too_long_for_an_argument_goes_to_curl_as_a_document(tmp_path: Path) -> None:
    texts = [f"{HOSTILE} {at} JSON" for at in range(2 + LONGEST_ARGUMENT // len(HOSTILE))]
    call = Call(question("", "", NEGATION), "bias_of_many", {"texts": texts})
    faked = 'curl() { [ "$1" = -s ] && cat > payload; }\n' + curl(call, "http://h/")
    (tmp_path / "code").write_text(faked, encoding="utf-8")
    subprocess.run(["bash", "code"], check=False, cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=60)
    assert json.loads((tmp_path / "payload").read_text(encoding="utf-8")) == call.payload
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code", "payload"]
