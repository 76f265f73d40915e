"""The tab *Is it real* in a real browser."""

from attncompare.attention import unheard
from attncompare.ui.work import turn
from tests.ui.visiting import Visit


def test_a_yardstick_is_measured_when_asked(visit: Visit) -> None:
    visit.tab.get_by_role("tab", name="Is it real").click()
    assert "Press Compare" in visit.tab.inner_text("[role=tabpanel]:visible")
    assert "without a yardstick" in visit.compare()
    visit.tab.get_by_role("tab", name="What changed").click()
    visit.tab.get_by_role("button", name="L1.H4:").click()
    visit.opened("L1.H4")
    grid, layers = visit.source("#heads"), visit.source("#layers")
    visit.tab.wait_for_selector('#heads img[alt*="Divergence"]')
    visit.tab.click("#verdict [data-go-to=yardstick]")
    visit.tab.fill("#draws input", "19")
    visit.tab.press("#draws input", "Enter")
    visit.tab.wait_for_selector("#noise img[alt*='on a log scale']")
    assert "moved beyond a random change of the same size" in visit.tab.inner_text("#noise-answer")
    visit.tab.wait_for_function(
        "document.querySelector('#verdict .claims').innerText"
        ".includes(document.querySelector('#noise-answer strong').innerText)"
    )
    assert visit.tab.query_selector("#verdict [data-go-to=yardstick]") is None
    with visit.tab.expect_download() as download:
        visit.tab.click("#take-noise [data-kind=csv]")
    assert download.value.suggested_filename == "noise.csv"
    visit.tab.get_by_role("tab", name="What changed").click()
    visit.changed("#heads", grid)
    visit.changed("#layers", layers)
    assert visit.head() == "L1.H4"
    assert "times its floor" in visit.tab.get_attribute("#heads [aria-current]", "aria-label")
    assert visit.tab.get_by_role("columnheader", name="× floor").is_visible()
    visit.tab.click("#metric input")
    visit.tab.get_by_role("option", name="Multiple of the floor").click()
    visit.tab.wait_for_selector('#heads img[alt*="Multiple of the floor"]')
    assert visit.complaints == []
    a_new_comparison_clears_it(visit)


def a_new_comparison_clears_it(visit: Visit) -> None:
    assert "without a yardstick" in visit.compare("Another text has another yardstick.")
    assert visit.tab.input_value("#metric input").startswith("Divergence (bits)")
    assert "Divergence" in visit.tab.get_attribute("#heads img", "alt")
    visit.tab.click("#metric input")
    visit.tab.get_by_role("option", name="Sink mass moved").wait_for()
    assert visit.tab.get_by_role("option", name="Family-wise p").count() == 0
    visit.tab.keyboard.press("Escape")
    visit.tab.click("#verdict [data-go-to=yardstick]")
    visit.tab.wait_for_selector("#noise", state="hidden")
    assert visit.complaints == []


def test_bad_input_and_cancelling_leave_the_yardstick(visit: Visit) -> None:
    visit.compare()
    visit.tab.click("#verdict [data-go-to=yardstick]")
    visit.tab.fill("#draws input", "19")
    visit.tab.click("#yardstick")
    visit.tab.wait_for_selector("#noise img")
    picture = visit.source("#noise")
    for field, value, expected in (
        ("#draws input", "2", "3 to 199"),
        ("#draws input", "", "whole number"),
        ("#trainings textarea", "not an id!", "not an id!"),
    ):
        visit.tab.fill(field, value)
        visit.tab.click("#yardstick")
        visit.tab.wait_for_function(
            "words => document.querySelector('#yardstick-status [role=alert]')?.innerText.includes(words)", arg=expected
        )
        visit.tab.fill("#draws input", "20")
    visit.tab.fill("#trainings textarea", "")
    with turn(unheard):  # somebody else's comparison
        visit.tab.click("#yardstick")
        visit.tab.wait_for_function("document.querySelector('#yardstick-status').innerText.includes('waiting')")
        visit.tab.click("#no-yardstick")
        visit.tab.wait_for_function("document.querySelector('#yardstick-status').innerText.includes('Cancelled')")
    assert visit.tab.is_enabled("#yardstick")
    visit.tab.wait_for_timeout(500)
    assert visit.source("#noise") == picture
    assert "19 draws" in visit.tab.inner_text("#verdict .verdict")
    assert visit.complaints == []
