"""The page in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attncompare.attention import unheard
from attncompare.ui.questions import Answer
from attncompare.ui.work import turn
from tests.ui.conftest import NEGATION, Served
from tests.ui.kinds import save_kind
from tests.ui.visiting import Visit

HOSTILE = (
    "A </script><img src=x onerror=document.title='pwned'> {{x}} ${document.title='pwned'} \u202eabc\u202c 😀 film"
)


@pytest.fixture(scope="module")
def compared(browser: Any, page: Served) -> Iterator[Visit]:
    """A visit with the first example compared, shared by tests that leave it so."""
    visitor = Visit(browser, page.url)
    visitor.compare()
    yield visitor
    visitor.context.close()


def test_the_page_calls_nobody_and_shows_what_python_says(visit: Visit, answer: Answer) -> None:
    assert "Press Compare" in visit.tab.inner_text("#verdict .verdict")
    verdict = visit.compare()
    top = answer.comparison.movers[0]
    assert f"{top.name} moved most" in verdict
    assert verdict.split(".")[0] == answer.comparison.verdict.split(".")[0]
    visit.opened(top.name)
    assert top.name in visit.tab.inner_text("#one-head")
    visit.tab.get_by_role("tab", name="Where it flows").click()
    visit.tab.wait_for_selector("#rollout img")
    assert visit.hosts <= {"127.0.0.1", ""}
    assert visit.complaints == []


def test_an_error_is_told_and_keeps_the_old_result_and_the_ids(visit: Visit) -> None:
    verdict, grid = visit.compare(), visit.source("#heads")
    visit.tab.fill("#tuned input", "not an id!")
    visit.tab.click("#compare")
    visit.tab.wait_for_selector("#status [role=alert]")
    assert "not an id!" in visit.tab.inner_text("#status")
    visit.tab.fill("#tuned input", "")
    visit.tab.fill("#text textarea", "   ")
    visit.tab.click("#compare")
    visit.tab.wait_for_function("document.querySelector('#status').innerText.includes('The text is empty')")
    assert visit.tab.inner_text("#verdict .verdict") == verdict
    assert visit.source("#heads") == grid
    assert visit.tab.is_enabled("#compare")
    assert visit.complaints == []


def test_the_keyboard_submits(visit: Visit) -> None:
    for keys in ("Meta+Enter", "Control+Enter", "Enter"):
        before = visit.source("#movers")
        visit.tab.fill("#text textarea", f"A film that is compared by {keys}.")
        visit.tab.press("#text textarea", keys)
        visit.changed("#movers", before)
        visit.idle()


def test_waiting_is_shown_and_cancelling_ends_it(visit: Visit) -> None:
    verdict = visit.compare()
    with turn(unheard):  # somebody else's comparison
        visit.tab.fill("#text textarea", "A text that is never compared.")
        visit.tab.click("#compare")
        visit.tab.wait_for_function("document.querySelector('#status').innerText.includes('waiting')")
        assert visit.tab.is_disabled("#compare")
        visit.tab.click("#cancel")
        visit.tab.wait_for_function("document.querySelector('#status').innerText.includes('Cancelled')")
        assert visit.tab.is_enabled("#compare")
    visit.tab.wait_for_timeout(500)
    assert visit.tab.inner_text("#verdict .verdict") == verdict
    assert "is never compared" in visit.tab.input_value("#text textarea")
    visit.compare("A text that is compared.")


def test_hostile_text_stays_text(visit: Visit) -> None:
    visit.compare(HOSTILE)
    visit.tab.fill("#tuned input", HOSTILE[:40])
    visit.tab.click("#compare")
    visit.tab.wait_for_selector("#status [role=alert]")
    assert "</script>" in visit.tab.inner_text("#status")
    visit.tab.wait_for_timeout(300)
    assert visit.tab.title() == "attncompare"
    assert visit.tab.query_selector("#verdict img, #status img, .toast-body img") is None
    assert visit.complaints == []


def test_options_of_the_closed_form_reach_the_models(visit: Visit) -> None:
    visit.tab.click("#options > button")
    visit.tab.fill("#text-pair textarea", "The actors do what they can.")
    visit.tab.get_by_label("Words", exact=True).check()
    visit.tab.wait_for_function("document.querySelector('#options').innerText.includes('sentence pair, by words')")
    visit.compare()
    visit.tab.click("#verdict summary")
    receipt = visit.tab.inner_text("#verdict details")
    assert "The actors do what they can." in receipt
    assert "words, made of 23 tokens of the base and 23 tokens of the tuned model" in receipt
    assert visit.tab.is_disabled("#new-tokens input")
    visit.tab.get_by_label("By the tuned model", exact=True).check()
    visit.tab.wait_for_selector("#new-tokens input:not([disabled])")
    visit.tab.click("#compare")
    visit.tab.wait_for_selector("#status [role=alert]")
    assert "can't generate text" in visit.tab.inner_text("#status")
    assert visit.complaints == []


def test_the_closed_form_works_from_the_keyboard(visit: Visit) -> None:
    visit.tab.focus("#options > button")
    visit.tab.keyboard.press("Enter")
    visit.tab.wait_for_selector("#text-pair textarea")
    visit.tab.focus("#chat input")
    visit.tab.keyboard.press("Space")
    visit.tab.wait_for_function("document.querySelector('#options').innerText.includes('chat template')")


def test_a_long_text_is_shortened(visit: Visit) -> None:
    visit.tab.fill("#text textarea", NEGATION.replace(".", " ") * 50)
    visit.tab.click("#compare")
    visit.tab.click("#shorten")
    visit.tab.wait_for_function("document.querySelector('#status').innerText.includes('was cut')")
    assert visit.tab.is_hidden("#shorten")
    visit.compare()
    assert visit.tab.is_hidden("#window")  # 512 tokens are shown whole
    assert visit.complaints == []


def test_how_far_heads_look_is_measured_when_asked(visit: Visit) -> None:
    visit.tab.get_by_role("tab", name="Probes").click()
    assert "Press Compare" in visit.tab.inner_text("[role=tabpanel]:visible")
    visit.compare()
    visit.tab.click("#measure")
    visit.tab.wait_for_selector("#reach img[alt*='share of attention']")
    with visit.tab.expect_download() as download:
        visit.tab.click("#take-how-far-it-looks [data-kind=csv]")
    assert download.value.suggested_filename == "reach.csv"
    visit.compare("Another text has another reach.")
    visit.tab.wait_for_selector("#reach img", state="hidden")
    with turn(unheard):  # somebody else's comparison
        visit.tab.click("#measure")
        visit.tab.wait_for_function("document.querySelector('#measure-status').innerText.includes('waiting')")
        visit.tab.click("#no-measure")
        visit.tab.wait_for_function("document.querySelector('#measure-status').innerText.includes('Cancelled')")
    assert visit.tab.is_enabled("#measure")
    assert visit.complaints == []


def test_an_encoder_decoder_is_switched_without_typing(visit: Visit, tmp_path: Path) -> None:
    kind = save_kind("t5", tmp_path)
    assert visit.tab.is_hidden("#kind")
    visit.tab.fill("#base input", kind.base)
    visit.tab.fill("#tuned input", kind.tuned)
    visit.compare()
    before = visit.source("#heads")
    visit.tab.click("#kind label:has-text('Cross')")
    visit.changed("#heads", before)
    visit.tab.wait_for_function("document.querySelector('#options').innerText.includes('cross-attention')")
    visit.tab.click("#verdict summary")
    assert "cross-attention: of the decoder's target over the encoder's text" in visit.tab.inner_text("#verdict")
    visit.tab.get_by_role("tab", name="Probes").click()
    visit.tab.wait_for_function("document.querySelector('#measure-status').innerText.includes('no distances')")
    assert visit.tab.is_disabled("#measure")
    before = visit.source("#heads")
    visit.tab.click("#kind label:has-text('Decoder')")
    visit.tab.wait_for_selector("#measure:enabled")
    assert visit.complaints == []


def test_no_screen_scrolls_sideways(browser: Any, page: Served) -> None:
    visit = Visit(browser, page.url, "dark")
    visit.fits()
    visit.tab.click("#options > button")
    visit.tab.wait_for_selector("#chat")
    visit.fits()
    visit.tab.click("#options > button")
    visit.compare()
    visit.fits()
    visit.tab.click("#verdict summary")
    visit.tab.get_by_role("tab", name=re.compile("Where it flows")).click()
    visit.tab.wait_for_selector("#rollout img")
    visit.fits()
    visit.tab.get_by_role("tab", name="Probes").click()
    visit.tab.click("#measure")
    visit.tab.wait_for_selector("#reach img")
    visit.fits()
    visit.tab.click("#verdict [data-go-to=yardstick]")
    visit.tab.fill("#draws input", "3")
    visit.tab.click("#yardstick")
    visit.tab.wait_for_selector("#noise img")
    visit.fits()
    assert visit.tab.evaluate("document.body.classList.contains('dark')")
    assert visit.complaints == []
    visit.context.close()
