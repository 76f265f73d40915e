"""The report as a page: whole, alone, true to its numbers, and safe from what strangers wrote."""

import json
import shlex
import sys
from contextlib import suppress
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import attncompare
from attncompare import Comparison, Pair, probes
from attncompare.analyses.asking import Source
from attncompare.analyses.winograd import SENTENCES
from attncompare.cli import main
from attncompare.errors import BadInput
from attncompare.metrics import METRICS
from attncompare.models.traces import TRACES
from attncompare.report import Findings, code, report
from attncompare.report.page import UNMEASURED
from attncompare.report.tables import number

TEXT = "The trophy does not fit in the brown suitcase because it is too big."
RESUME = "She is a nurse and he is her doctor."
OWN = {"people's": ["she"], "work": ["nurse"]}
QUOTED = 'He said "no"\nto her, twice.'
IT_TWICE = "If it rains, $HOME is the cat's, and it sleeps."
HOSTILE = "A </script><img src=x onerror=alert(1)> </style> {{x}} ${x} \u202eabc\u202c --> film"
VOID = {"meta", "link", "img", "br"}
LIMIT = 3_000_000


class Read(HTMLParser):
    """A page as a parser reads it: tags with attributes, text, and whether every tag is closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def judged(page: str) -> Read:
    """The page, which asks nobody for anything and runs nothing."""
    read = Read(page)
    assert not {tag for tag, _ in read.tags} & {"script", "iframe", "object", "embed", "form", "base", "video", "audio"}
    assert all(str(image["src"]).startswith("data:image/webp;base64,") and image["alt"] for image in read.all("img"))
    assert all(str(link["href"]).startswith("#") for link in read.all("a"))
    assert [link["href"] for link in read.all("link")] == ["data:,"]
    assert not [
        name for _, attrs in read.tags for name in attrs if name.startswith("on") or name in ("srcset", "style")
    ]
    ids = [attrs["id"] for _, attrs in read.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {str(link["href"])[1:] for link in read.all("a")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in read.tags if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    policy = next(meta["content"] for meta in read.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in str(policy)
    assert "url(" not in page.partition("</style>")[0]
    return read


@pytest.fixture(scope="module")
def compared(embedded_pair: Pair) -> Comparison:
    return attncompare.compare(embedded_pair, TEXT)


@pytest.fixture(scope="module")
def found(embedded_pair: Pair) -> Findings:
    """Everything that can be measured."""
    measured = {name: getattr(attncompare, name)(embedded_pair, TEXT) for name in ("reach", "patching", "ablation")}
    measured["attribution"] = attncompare.attribution(embedded_pair, TEXT, method="saliency")
    measured["erasure"] = attncompare.erasure(embedded_pair, TEXT, draws=10)
    zeroing = attncompare.value_zeroing(embedded_pair, TEXT)
    noise = attncompare.noise(embedded_pair, TEXT, draws=19)
    return Findings(noise=noise, zeroing=zeroing, **measured, **probed(embedded_pair))


def probed(pair: Pair) -> dict[str, Any]:
    """Every probe, some of the text and some of others."""
    items = [sentence.item for sentence in SENTENCES[:4]]
    return {
        "patterns": probes.patterns(pair, TEXT),
        "coreference": probes.coreference(pair, TEXT, "it", ["trophy", "suitcase"], correct="trophy"),
        "coreference_many": probes.coreference_of_many(pair, items),
        "bias": probes.bias(pair, RESUME),
        "bias_many": probes.bias_of_many(pair, [RESUME, "He cooks."]),
    }


@pytest.fixture(scope="module")
def page(compared: Comparison, found: Findings) -> str:
    return report(compared, found)


def test_it_is_one_whole_page_of_its_own(page: str) -> None:
    read = judged(page)
    assert len(page.encode()) <= LIMIT
    assert [attrs["lang"] for attrs in read.all("html")] == ["en"]
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in read.tags}
    # grid, layers, movers, three heads, rollout, reach, three of attribution, erasure, value zeroing, two of swapping,
    # ablation, noise, two of patterns, a pronoun, pronouns of many sentences, groups of words in one text and in many
    assert len(read.all("img")) == 23


def test_it_says_everything_that_was_found(page: str, compared: Comparison, found: Findings) -> None:
    text = Read(page).text
    beside = compared.with_noise(found.noise)
    causes = found.attribution, found.erasure, found.patching, found.ablation
    for answer in (
        found.noise,
        *causes,
        found.patterns,
        found.coreference,
        found.coreference_many,
        found.bias,
        found.reach,
    ):
        for sentence in answer.answers:
            assert " ".join(sentence.removeprefix("To try next ").split())[1:] in text
    assert beside.verdict.split(". ")[1] in text
    for metric in METRICS.values():
        assert metric.reading in text
        assert metric.citation in text
    for check in beside.checks:
        assert check.detail in text
    assert "High attention is not an explanation" in text
    assert f"attncompare {attncompare.__version__}" in text
    assert "Not measured for this report" not in text
    assert text.count("Asked about another text:") == 1  # the groups of words
    assert RESUME in text


def test_every_head_stands_in_it_with_its_numbers(page: str, compared: Comparison, found: Findings) -> None:
    table = page[page.index("every metric that was measured</caption>") :].partition("</table>")[0]
    frame = compared.with_noise(found.noise).frame()
    assert table.count("<tr>") == 1 + len(frame)
    for _, line in frame.sample(5, random_state=3).iterrows():
        row = table[table.index(f"<bdi>L{line['layer']}.H{line['head']}</bdi>") :].partition("</tr>")[0]
        for name in METRICS:
            assert f'<td class="n">{number(float(line[name]))}</td>' in row


def test_what_was_not_measured_is_said(compared: Comparison) -> None:
    read = judged(report(compared))
    assert read.text.count("(attncompare.") == len(UNMEASURED) == len(fields(Findings)) - 1
    assert len(read.all("img")) == 7
    assert "without a yardstick" in read.text


def test_what_strangers_wrote_stays_text(embedded_pair: Pair) -> None:
    result = attncompare.compare(embedded_pair, HOSTILE)
    parts = {
        "attribution": attncompare.attribution(embedded_pair, HOSTILE, method="saliency"),
        "erasure": attncompare.erasure(embedded_pair, HOSTILE, draws=10),
        "reach": attncompare.reach(embedded_pair, HOSTILE),
    }
    parts["patterns"] = probes.patterns(embedded_pair, HOSTILE)
    groups = {"<b>women</b>": ["film"], "</table>": ["src"]}
    parts["bias"] = probes.bias(embedded_pair, HOSTILE + " again", groups=groups)
    parts["coreference"] = probes.coreference(embedded_pair, HOSTILE, "film", ["img", "onerror"])
    judged(report(result, Findings(**parts, zeroing=attncompare.value_zeroing(embedded_pair, HOSTILE))))
    hostile = replace(result, base=replace(result.base, id=HOSTILE, revision='"><b onclick=x>'), text=HOSTILE * 400)
    read = judged(report(hostile))
    assert "</script><img src=x onerror=alert(1)>" in read.text


def test_findings_of_another_text_are_refused(embedded_pair: Pair, compared: Comparison) -> None:
    other = "Nobody laughed."
    for name in ("noise", "reach", "attribution", "patching"):
        stray = getattr(attncompare, name)(embedded_pair, other)
        with pytest.raises(BadInput, match="another question"):
            report(compared, Findings(**{name: stray}))


@pytest.mark.parametrize("name", ["patterns", "coreference", "coreference_many", "bias", "bias_many"])
def test_probes_of_another_pair_are_refused(compared: Comparison, found: Findings, name: str) -> None:
    stray = replace(compared, tuned=replace(compared.tuned, id="another"))
    with pytest.raises(BadInput, match="another question"):
        report(stray, Findings(**{name: getattr(found, name)}))


def test_a_trace_that_is_gone_costs_only_the_maps(embedded_pair: Pair) -> None:
    result = attncompare.compare(embedded_pair, "It is gone.")
    shown = [result.head(mover.layer, mover.head) for mover in result.movers[3:5]]
    TRACES.drop(lambda key: True)
    read = judged(report(result))
    assert len(read.all("img")) == 4
    assert "trace" in read.text
    assert len(judged(report(result, Findings(maps=tuple(shown)))).all("img")) == 6


def test_a_character_that_no_file_can_hold_is_replaced(compared: Comparison) -> None:
    assert b"a?b" in report(replace(compared, text="a\ud800b")).encode()


def test_its_lines_make_the_same_again(embedded_pair: Pair, monkeypatch, tmp_path: Path) -> None:
    text = "It isn't 'good' \\ \"at all\" $HOME `ls`."
    reading = {"level": "word"}
    result = attncompare.compare(embedded_pair, text, level="word")
    wanted = Findings(
        attribution=attncompare.attribution(
            embedded_pair, text, method="saliency", answer="positive", against="negative", level="word"
        ),
        reach=attncompare.reach(embedded_pair, text, level="word"),
        patterns=probes.patterns(
            embedded_pair, text, thresholds=probes.Thresholds(diagonal=0.4, broad=0.8), level="word"
        ),
        coreference=probes.coreference(embedded_pair, IT_TWICE, "it@2", ["$HOME", "cat's"], level="word"),
        coreference_many=probes.coreference_of_many(embedded_pair, [one.item for one in SENTENCES]),
        bias_many=probes.bias_of_many(
            embedded_pair, [RESUME, 'He said "no"\nto her, twice.'], groups=OWN, answer="positive"
        ),
    )
    page = report(result, wanted, reading=reading)
    monkeypatch.chdir(tmp_path)
    exec(compile(code.python(result, wanted, reading), "script", "exec"), {})
    written = (tmp_path / "report.html").read_text("utf-8")
    assert without_lines(written) == without_lines(page)
    first, *commands = statements(code.shell(result, wanted, reading))
    assert first == [f"text={text}"]
    commands = [[text if word == "$text" else word for word in words] for words in commands]
    names = [
        "report",
        "patterns",
        "coreference",
        "coreference",
        "groups.json",
        "texts.csv",
        "bias",
        "reach",
        "attribution",
    ]
    assert [command[-1] if command[0] == "printf" else command[1] for command in commands] == names
    for command in commands:
        if command[0] == "printf":
            (tmp_path / command[-1]).write_text(command[2], "utf-8")
            continue
        monkeypatch.setattr(sys, "argv", command)
        assert run() == 0
    files = {"coreference_many": "coreference-many", "bias_many": "bias"}
    for name in ("attribution", "patterns", "coreference", *files):
        made = json.loads((tmp_path / "out" / f"{files.get(name, name)}.json").read_text("utf-8"))
        assert made == json.loads(json.dumps(getattr(wanted, name).to_dict()))
    unmeasured = len(UNMEASURED) - len(
        {"reach", "attribution"}
    )  # the others were asked in a way that report has no words for
    assert judged((tmp_path / "out" / "report.html").read_text("utf-8")).text.count("(attncompare.") == unmeasured


def test_lines_of_other_probes(embedded_pair: Pair, compared: Comparison, found: Findings) -> None:
    """Of sentences that are not ours there is no command; one text's groups and answer are said as they were asked."""
    mine = probes.items_of([{"text": TEXT, "pronoun": "it", "candidates": ["trophy", "suitcase"], "correct": "trophy"}])
    own = Findings(
        coreference_many=probes.coreference_of_many(embedded_pair, mine),
        bias=replace(found.bias, groups={name: tuple(words) for name, words in OWN.items()}),
    )
    assert "coreference" not in code.shell(compared, own)
    made: dict[str, Any] = {}
    script = code.python(compared, own).replace("findings = Findings(", "found = dict(").rpartition("\n")[0]
    exec(compile(script, "script", "exec"), made)
    assert made["found"]["coreference_many"].items == mine
    assert made["found"]["bias"].groups == own.bias.groups
    assert "--groups groups.json" in code.shell(compared, own)
    assert "--measure bias" in code.shell(
        compared, Findings(bias=replace(found.bias, source=compared_source(compared)))
    )


def compared_source(compared: Comparison) -> Source:
    return Source(compared.base, compared.tuned, compared.text, compared.reading)


def statements(script: str) -> list[list[str]]:
    """The words of each command of a shell; a quoted word may go over several lines."""
    found, open_ = [], ""
    for line in script.splitlines(keepends=True):
        open_ += line
        with suppress(ValueError):
            found.append(shlex.split(open_))
            open_ = ""
    assert open_ == ""
    return found


def run() -> int:
    """Exit code of the command line, in this process."""
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def without_lines(page: str) -> str:
    """All but how it was asked: Python knows of no other way than the one it was told."""
    return page.partition('<section id="again"')[0]
