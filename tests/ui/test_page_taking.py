"""What can be taken along in a real browser: views as files, and the report."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gradio as gr
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

import attncompare
from attncompare import Noise, Pair, plots
from attncompare.errors import TraceGone
from attncompare.models.checkpoint import any_folder
from attncompare.report import Findings, report
from attncompare.ui.questions import Answer
from attncompare.ui.reporting import FILE, made, report_button
from attncompare.ui.states import States
from attncompare.ui.taking import NOTHING, Take, take_row, whole
from attncompare.ui.theme import launch_options
from tests.ui.conftest import NEGATION, Served
from tests.ui.visiting import Visit

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def noise(embedded_pair: Pair) -> Noise:
    return attncompare.noise(embedded_pair, NEGATION, draws=19)


@pytest.fixture(scope="module")
def corner(answer: Answer, noise: Noise) -> Iterator[Served]:
    """A page of take rows alone: of a record, of nothing, of what can't be drawn, of the open head; and the report."""

    def gone() -> Any:
        raise TraceGone("The models' trace is no longer kept: compare again.")

    with gr.Blocks() as demo:
        states = States(noise=gr.State(lambda: noise))
        take_row("noise", whole("noise", plots.noise), [states.noise])
        take_row("nothing", whole("nothing", plots.reach), [states.reach])
        take_row("gone", lambda found, _: Take("gone", gone, found.frame, found.to_dict), [states.noise])
        take_row(
            "head", lambda found, opened: Take(opened, gone, found.frame, lambda: {"head": opened}), [states.noise]
        )
        report_button(states, any_folder)
        demo.load(lambda: answer, None, states.answer)
    demo.queue().launch(server_name="127.0.0.1", prevent_thread_lock=True, **launch_options())
    yield Served(demo, demo.local_url)
    demo.close()


@pytest.fixture
def visit(browser: Any, corner: Served) -> Iterator[Visit]:
    visitor = Visit(browser, corner.url, waits="#take-noise")
    yield visitor
    visitor.context.close()


def taken(visit: Visit, row: str, kind: str) -> tuple[str, bytes]:
    """Name and content of what a button gives."""
    with visit.tab.expect_download() as download:
        visit.tab.click(f"#{row} [data-kind={kind}]")
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_every_file_is_the_view(visit: Visit, noise: Noise) -> None:
    files = {kind: taken(visit, "take-noise", kind) for kind in ("png", "svg", "csv", "json")}
    assert {name for name, _ in files.values()} == {"noise.png", "noise.svg", "noise.csv", "noise.json"}
    picture = Image.open(io.BytesIO(files["png"][1]))
    assert (picture.format, picture.tobytes()) == (
        "PNG",
        Image.open(io.BytesIO(plots.png(plots.noise(noise)))).tobytes(),
    )
    drawn = ElementTree.fromstring(files["svg"][1])
    assert drawn.tag == f"{SVG}svg"
    assert {one.tag for one in drawn.iter()}.isdisjoint({f"{SVG}script", f"{SVG}text", f"{SVG}foreignObject"})
    assert len(files["svg"][1]) < 1_000_000
    table = pd.read_csv(io.BytesIO(files["csv"][1]))
    pd.testing.assert_frame_equal(table, noise.frame(), check_dtype=False, rtol=1e-6)
    assert json.loads(files["json"][1]) == json.loads(json.dumps(noise.to_dict()))
    assert visit.complaints == []


def test_quick_clicks_wait_for_their_turn(visit: Visit) -> None:
    names: list[str] = []
    visit.tab.on("download", lambda download: names.append(download.suggested_filename))
    visit.tab.evaluate(
        "for (const kind of ['svg', 'csv', 'svg', 'json']) document.querySelector(`#take-noise [data-kind=${kind}]`).click()"
    )
    visit.tab.wait_for_function("!document.querySelector('#take-noise [aria-busy]')")
    visit.tab.wait_for_timeout(300)
    assert names == ["noise.svg", "noise.csv", "noise.json"]  # an impatient second click on a button is the same wish
    assert taken(visit, "take-noise", "csv")[0] == "noise.csv"


@pytest.mark.parametrize(
    ("row", "kind", "expected"), [("take-nothing", "png", NOTHING), ("take-gone", "svg", "trace is no longer kept")]
)
def test_what_can_not_be_had_is_said_in_a_sentence(visit: Visit, row: str, kind: str, expected: str) -> None:
    visit.tab.click(f"#{row} [data-kind={kind}]")
    assert expected in visit.tab.wait_for_selector(".toast-body").inner_text()
    visit.tab.wait_for_function(f"!document.querySelector('#{row} [aria-busy]')")
    assert taken(visit, "take-noise", "csv")[0] == "noise.csv"


def test_the_open_head_is_told(visit: Visit) -> None:
    visit.tab.evaluate("document.documentElement.dataset.head = 'L2.H7'")
    name, content = taken(visit, "take-head", "json")
    assert (name, json.loads(content)) == ("L2.H7.json", {"head": "L2.H7"})


def test_it_is_named_and_reached_without_a_mouse(visit: Visit) -> None:
    button = visit.tab.get_by_role("group", name="Take it away: noise").get_by_role(
        "button", name="Download noise as CSV"
    )
    button.focus()
    with visit.tab.expect_download() as download:
        visit.tab.keyboard.press("Enter")
    assert download.value.suggested_filename == "noise.csv"
    results = Axe().run(visit.tab, context="#take-noise")
    assert results.response["violations"] == []


def test_the_report_is_a_download(visit: Visit, answer: Answer, noise: Noise) -> None:
    with visit.tab.expect_download() as download:
        visit.tab.get_by_role("button", name="Report (one HTML file)").click()
        visit.tab.wait_for_function("document.querySelector('#report .take-said').innerText.includes('Drawing')")
    assert download.value.suggested_filename == FILE
    assert Path(download.value.path()).read_text("utf-8") == report(answer.comparison, Findings(noise=noise))
    assert visit.tab.inner_text("#report .take-said") == ""
    assert visit.complaints == []


def test_there_is_no_report_before_there_is_an_answer() -> None:
    shown = []
    with pytest.raises(gr.Error, match="press Compare first"):
        shown.extend(made(any_folder, None, Findings(), 3))
    assert [update["file"] for update in shown] == [{"made": None, "ticket": 3}]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, answer: Answer, noise: Noise, embedded_pair: Pair) -> Path:
    """A report with everything in it, as a file."""
    parts = {name: getattr(attncompare, name)(embedded_pair, NEGATION) for name in ("reach", "patching", "ablation")}
    parts["attribution"] = attncompare.attribution(embedded_pair, NEGATION, method="saliency")
    parts["erasure"] = attncompare.erasure(embedded_pair, NEGATION, draws=10)
    zeroing = attncompare.value_zeroing(embedded_pair, NEGATION)
    path = tmp_path_factory.mktemp("report") / FILE
    path.write_text(report(answer.comparison, Findings(noise=noise, zeroing=zeroing, **parts)), encoding="utf-8")
    return path


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_report_opens_offline(browser: Any, written: Path, theme: Any, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
    tab = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    tab.goto(written.as_uri())
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 100)")
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    card = tab.evaluate("getComputedStyle(document.querySelector('figure')).backgroundColor")
    ground = tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ground')")
    assert card == "rgb(255, 255, 255)"
    assert (np.array([int(ground.strip()[at : at + 2], 16) for at in (1, 3, 5)]).mean() < 60) == (theme == "dark")
    assert asked == [written.as_uri()]
    assert complaints == []
    found = Axe().run(tab)
    assert [violation["id"] for violation in found.response["violations"]] == []
    context.close()
