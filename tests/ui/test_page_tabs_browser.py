"""The tabs on routes, distances and several texts, the pinned comparison and the help, in a real browser."""

from typing import Any

from attncompare.attention import unheard
from attncompare.ui.questions import Answer
from attncompare.ui.work import turn
from tests.ui.conftest import Served
from tests.ui.visiting import Visit

PRAISE = "A warm, quick-witted picture."


def opened(visit: Visit, name: str) -> None:
    visit.tab.get_by_role("tab", name=name).click()


def taken(visit: Visit, view: str, kind: str) -> str:
    with visit.tab.expect_download() as download:
        visit.tab.click(f"#take-{view} [data-kind={kind}]")
    return str(download.value.suggested_filename)


def test_an_output_and_layers_are_chosen_by_keyboard(visit: Visit, answer: Answer) -> None:
    visit.compare()
    opened(visit, "Where it flows")
    visit.tab.wait_for_selector("#rollout img")
    assert "where the answer is read" in visit.tab.inner_text("#rollout-answer")
    before = visit.source("#rollout")
    visit.tab.focus("#depth input[type=range]")
    visit.tab.keyboard.press("ArrowLeft")
    visit.changed("#rollout", before)
    visit.tab.wait_for_function("document.querySelector('#rollout-answer').innerText.includes('Up to layer 4')")
    before = visit.source("#rollout")
    visit.tab.fill("#output input", "4: not")
    visit.tab.keyboard.press("Enter")
    visit.changed("#rollout", before)
    assert "output token 4" in visit.tab.get_attribute("#rollout img", "alt")
    visit.tab.click("#rollout-numbers summary")
    assert "[CLS]" in visit.tab.inner_text("#rollout-numbers table")
    assert taken(visit, "rollout", "csv") == "rollout.csv"
    assert [tab.inner_text() for tab in visit.tab.query_selector_all(".tab-container button")].count(
        "Where it flows"
    ) == 1
    assert visit.complaints == []


def test_several_texts_are_compared_and_stay_for_the_same_pair(visit: Visit) -> None:
    opened(visit, "Several texts")
    assert "Press Compare" in visit.tab.inner_text("[role=tabpanel]:visible")
    visit.compare()
    with turn(unheard):  # somebody else's comparison
        visit.tab.click("#compare-several")
        visit.tab.wait_for_function("document.querySelector('#compare-several-status').innerText.includes('waiting')")
        visit.tab.click("#no-compare-several")
        visit.tab.wait_for_function("document.querySelector('#compare-several-status').innerText.includes('Cancelled')")
    visit.idle()
    visit.tab.fill("#several-texts textarea", f"{PRAISE}\nA dull film.")
    visit.tab.click("#compare-several")
    visit.tab.wait_for_selector(f"#several img[alt*='{PRAISE}']")
    assert "of 2 texts" in visit.tab.inner_text("#several-answer") or "all 2" in visit.tab.inner_text("#several-answer")
    assert taken(visit, "several-texts", "json") == "several-texts.json"
    visit.compare("Another text.")
    assert visit.tab.is_visible("#several img")
    visit.tab.fill("#several-texts textarea", PRAISE)
    visit.tab.click("#compare-several")
    visit.tab.wait_for_selector("#compare-several-status [role=alert]")
    assert "2 to 8 texts" in visit.tab.inner_text("#compare-several-status")
    assert visit.complaints == []


def test_a_comparison_is_pinned_and_let_go(visit: Visit) -> None:
    visit.compare()
    visit.tab.click("#pin")
    visit.tab.wait_for_selector("#pin-note p")
    visit.compare(PRAISE)
    visit.tab.wait_for_selector(f"#pinned img[alt*='{PRAISE}']")
    assert "pinned comparison" in visit.tab.inner_text("#pinned-answer")
    assert taken(visit, "pinned-and-present", "svg") == "pinned.svg"
    visit.tab.click("#unpin")
    visit.tab.wait_for_selector("#pinned img", state="hidden")
    assert visit.complaints == []


def test_the_help_draws_the_visitors_own_heads(browser: Any, page: Served) -> None:
    visit = Visit(browser, page.url, "dark", 390)
    visit.tab.click("#how > button")
    visit.idle()
    assert "Press Compare" in visit.tab.inner_text("#patterns-answer")
    visit.compare()
    visit.tab.wait_for_selector("#patterns img[alt*='one for each class']", state="attached")
    visit.tab.locator("#patterns").scroll_into_view_if_needed()  # a browser loads it when it comes into sight
    visit.tab.wait_for_selector("#patterns img[alt*='one for each class']")
    first = visit.source("#patterns")
    visit.compare(PRAISE)  # while the fold is open
    visit.changed("#patterns", first)
    second = visit.source("#patterns")
    visit.tab.click("#how > button")
    visit.tab.click("#how > button")
    visit.idle()
    assert visit.source("#patterns") == second, "a fold that was closed still has its picture"
    assert visit.overflow() <= 0
    assert visit.tab.get_attribute("#how [data-go-tab=matters]", "href") == "#matters"
    assert visit.complaints == []
    visit.context.close()
