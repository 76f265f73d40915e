"""The tab *Probes*: classes of patterns, as handlers, as an endpoint, and in a real browser."""

import json
from dataclasses import fields
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from attncompare import Pair, compare
from attncompare.analyses.pattern_classes import pattern_classes
from attncompare.errors import BadInput
from attncompare.metrics.pattern_rules import Thresholds
from attncompare.models.checkpoint import any_folder
from attncompare.ui import classes, probes
from attncompare.ui.questions import Answer, Question
from tests.ui.conftest import NEGATION, Served
from tests.ui.test_page_access_browser import violations
from tests.ui.visiting import Visit

DEFAULTS = [one.default for one in fields(Thresholds)]
TROPHY = "The trophy would not fit into the brown suitcase because it was too large."


@pytest.fixture(scope="module")
def asked(embedded_pair: Pair) -> Answer:
    return Answer(Question("", "", NEGATION), compare(embedded_pair, NEGATION), 0.01)


def test_classifying_says_what_python_says(asked: Answer, embedded_pair: Pair) -> None:
    *_, last = list(classes.ask(any_folder, asked, *DEFAULTS))
    found, said, picture, examples, table, results, go, stop, status = last
    python = pattern_classes(embedded_pair, NEGATION)
    assert json.dumps(found.to_dict()) == json.dumps(python.to_dict())
    assert f"{python.clear.sum()} of 72 heads clearly changed class" in said
    assert picture["alt_text"].startswith("Two grids of 6 layers by 12 heads") if "alt_text" in picture else picture
    assert table.count("<tr>") == python.changed.sum() + 1
    assert (results["visible"], go["interactive"], stop["interactive"], status) == (True, True, False, "")
    assert examples is not None


def test_moved_thresholds_move_the_classes(asked: Answer) -> None:
    strict = [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    *_, last = list(classes.ask(any_folder, asked, *strict))
    assert last[0].tuned.count("heterogeneous") + last[0].tuned.count("broad") == 72


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [(0, None, "least of each” is empty"), (3, 7.0, "threshold vertical is 7.0")],
)
def test_a_threshold_that_is_none_is_refused(at: int, value: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        classes.typed((*DEFAULTS[:at], value, *DEFAULTS[at + 1 :]))


def test_a_new_answer_starts_the_tab(asked: Answer) -> None:
    assert set(map(str, probes.start(None) + classes.start(None))) == {str(gr.skip())}
    estimate, results, go, _, status = classes.start(asked)
    assert "about 2 forward passes" in estimate
    assert (results["visible"], go["interactive"], status) == (False, True, "")


def test_the_endpoint_gives_what_python_gives(page: Served, embedded_pair: Pair, tmp_path: Any) -> None:
    client = Client(page.url, download_files=str(tmp_path), verbose=False)
    found, *pictures = client.predict(text=TROPHY, thresholds={"diagonal": 0.3}, api_name="/patterns")
    python = pattern_classes(embedded_pair, TROPHY, thresholds=Thresholds(diagonal=0.3))
    assert found == json.loads(json.dumps(python.to_dict()))
    assert len(pictures) == 2
    for wrong, said in (({"spam": 1}, "got 'spam'"), ({"diagonal": 2}, "threshold diagonal is 2")):
        with pytest.raises(AppError, match=said):
            client.predict(text=TROPHY, thresholds=wrong, api_name="/patterns")


@pytest.mark.parametrize(("theme", "width"), [("dark", 1280)])
def test_heads_are_classified_and_thresholds_moved(browser: Any, page: Served, theme: str, width: int) -> None:
    visit = Visit(browser, page.url, theme, width)
    visit.tab.click("#tab-probes-button")
    assert "Press Compare" in visit.tab.inner_text("[role=tabpanel]:visible")
    visit.compare(TROPHY)
    visit.tab.click("#classify")
    visit.tab.wait_for_selector("#class-examples img")
    first = visit.source("#pattern-classes")
    assert "of 72 heads clearly changed class" in visit.tab.inner_text("#classes-answer")
    visit.tab.click("#thresholds > button")
    visit.tab.wait_for_timeout(500)  # gradio fills in what has just been opened
    visit.tab.fill("#threshold-diagonal input", "0.3")
    visit.tab.press("#threshold-diagonal input", "Tab")
    visit.tab.click("#classify")
    visit.changed("#pattern-classes", first)
    visit.tab.fill("#threshold-diagonal input", "")
    visit.tab.press("#threshold-diagonal input", "Tab")
    visit.tab.click("#classify")
    visit.tab.wait_for_selector("#classify-status [role=alert]")
    assert visit.overflow() <= 0
    assert visit.complaints == []


@pytest.mark.parametrize(("theme", "width"), [("light", 390)])
def test_a_pronoun_and_groups_of_words_are_probed(browser: Any, page: Served, theme: str, width: int) -> None:
    visit = Visit(browser, page.url, theme, width)
    visit.compare("She led a team of six engineers, cut build times in half, and now looks for more field work.")
    visit.tab.click("#tab-probes-button")
    visit.tab.click("#coreference-look")
    visit.tab.wait_for_selector("#coreference img[alt]")
    assert "‘it’" in visit.tab.inner_text("#coreference-answer")
    visit.tab.click("#coreference-count")
    visit.tab.wait_for_selector("#coreference-many img[alt*='24 sentences']")
    visit.tab.click("#probe-bias")
    visit.tab.wait_for_selector("#bias img[alt]", state="attached")
    visit.tab.locator("#bias").scroll_into_view_if_needed()  # a browser loads it when it comes into sight
    visit.tab.wait_for_selector("#bias img[alt]")
    assert "‘She’ to ‘He’" in visit.tab.inner_text("#bias-answer")
    visit.tab.fill("#bias-texts textarea", "She led a team.\n\nHe led a team.")
    visit.tab.click("#probe-bias-many")
    visit.tab.wait_for_selector("#bias-many img[alt*='over 2 texts']", state="attached")
    assert "What you might try next" in visit.tab.inner_text("#bias-many-answer")
    assert violations(visit.tab) == []
    visit.tab.fill("#coreference-pronoun input, #coreference-pronoun textarea", "they")
    visit.tab.click("#coreference-look")
    visit.tab.wait_for_selector("#coreference-look-status [role=alert]")
    assert "'they' is not in the text" in visit.tab.inner_text("#coreference-look-status")
    visit.tab.fill("#bias-groups textarea", "female: she\nmale: he, she")
    visit.tab.click("#probe-bias")
    visit.tab.wait_for_selector("#probe-bias-status [role=alert]")
    assert visit.tab.is_visible("#bias img")  # what was found stays
    visit.tab.click("#tab-code-button")
    visit.tab.get_by_label("Whom a pronoun looks at").check()
    visit.tab.wait_for_function("document.querySelector('#code-python').innerText.includes('pronoun=')")
    visit.tab.get_by_label("Groups of words in many texts").check()
    visit.tab.wait_for_function("document.querySelector('#code-python').innerText.includes(\"'He led a team.'\")")
    assert visit.overflow() <= 0
    assert visit.complaints == []
