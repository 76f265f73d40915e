"""The header in a real browser: pairs, swap, the verdict's links, and a link to what is on the screen."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from attncompare.attention import unheard
from attncompare.ui.gallery import pairs
from attncompare.ui.link import LONGEST_TEXT
from attncompare.ui.work import turn
from tests.ui.conftest import NEGATION, Served
from tests.ui.visiting import Visit

TROPHY = "The trophy would not fit into the brown suitcase because it was too large."
TOPS = """window.tops = new Set();
(function look() {
  window.tops.add(Math.round(document.querySelector('#verdict').getBoundingClientRect().top + scrollY));
  requestAnimationFrame(look);
})()"""
STILL = """() => {
  const top = document.querySelector('#verdict').getBoundingClientRect().top + scrollY;
  if (top !== window.wasAt) [window.wasAt, window.since] = [top, performance.now()];
  return performance.now() - window.since > 1000;
}"""
ECHO = "document.addEventListener('attncompare:open', event => { window.opened = event.detail })"


def at(visit: Visit, url: str, **parameters: str) -> None:
    """Open the page by a link; what the page that is left complains about is not its fault."""
    visit.tab.goto("about:blank")
    visit.complaints.clear()
    visit.tab.goto(f"{url}?{urlencode(parameters)}")
    visit.tab.wait_for_selector("#compare")


def asked(visit: Visit) -> dict[str, list[str]]:
    return parse_qs(urlsplit(visit.tab.url).query)


def settled(visit: Visit) -> None:
    visit.tab.wait_for_selector("#verdict .claims")
    visit.tab.wait_for_selector("#copy-link")


def test_a_link_restores_pair_text_head_and_tab(visit: Visit, page: Served) -> None:
    at(visit, page.url, text=TROPHY, head="L2.H5", tab="flow", level="token", __theme="dark")
    settled(visit)
    assert visit.tab.input_value("#text textarea") == TROPHY
    visit.tab.wait_for_function("document.querySelector('#options').innerText.includes('token by token')")
    assert visit.tab.get_attribute("#tab-flow-button", "aria-selected") == "true"
    visit.tab.wait_for_selector("#rollout img")
    expected = {"text": [TROPHY], "head": ["L2.H5"], "tab": ["flow"], "level": ["token"], "__theme": ["dark"]}
    assert asked(visit) == expected
    visit.tab.click("#compare")  # the form holds what the link said, the closed part too; its head was the link's alone
    visit.tab.wait_for_function("location.search.includes('head=L5.H9')")
    assert asked(visit) == {**expected, "head": ["L5.H9"]}
    at(visit, page.url, **{name: value for name, (value,) in expected.items()})
    settled(visit)
    visit.tab.click("#tab-changed-button")
    visit.tab.wait_for_function("!location.search.includes('tab=')")
    visit.opened("L2.H5")
    assert visit.complaints == []


def test_the_verdict_stays_where_it_is_while_progress_comes_and_goes(browser: Any, page: Served) -> None:
    visit = Visit(browser, page.url, width=390)
    visit.compare(NEGATION)
    visit.tab.wait_for_function(STILL)  # a busy browser is still laying out what came with the page
    visit.tab.evaluate(TOPS)
    visit.tab.fill(
        "#text textarea", NEGATION.replace("film", "play")
    )  # as many lines: others move what is below, and may
    before = visit.source("#movers")
    with turn(unheard):  # somebody else's comparison; this says so, in more words than most steps have
        visit.tab.click("#compare")
        visit.tab.wait_for_function("document.querySelector('#status').innerText.includes('waiting for another')")
    visit.changed("#movers", before)
    visit.settle()
    tops = visit.tab.evaluate("[...window.tops]")
    assert len(tops) == 1, tops
    visit.tab.evaluate("document.querySelector('#status').remove()")
    visit.tab.wait_for_function("window.tops.size > 1")  # so it would have been seen


def test_the_address_follows_answers_heads_and_tabs(visit: Visit) -> None:
    assert set(asked(visit)) == {"__theme"}
    visit.compare(TROPHY)
    assert asked(visit)["text"] == [TROPHY]
    assert asked(visit)["head"] == ["L5.H9"]  # the one that moved most is open
    visit.tab.evaluate("document.dispatchEvent(new CustomEvent('attncompare:open', {detail: {layer: 1, head: 7}}))")
    visit.tab.wait_for_function("location.search.includes('head=L1.H7')")
    visit.tab.click("#tab-matters-button")
    visit.tab.wait_for_function("location.search.includes('tab=matters')")
    visit.tab.focus("#tab-matters-button")
    visit.tab.evaluate("document.dispatchEvent(new CustomEvent('attncompare:go', {detail: {tab: 'real'}}))")
    visit.tab.wait_for_function("location.search.includes('tab=real')")


def test_each_claim_opens_its_picture(visit: Visit) -> None:
    visit.compare(TROPHY)
    visit.tab.evaluate(ECHO)
    for place in ("heads", "layers", "movers"):
        visit.tab.click("#tab-flow-button")
        link = visit.tab.locator(f"#verdict .see[data-go-to={place}]").first
        link.focus()
        visit.tab.keyboard.press("Enter")
        visit.tab.wait_for_function("id => document.activeElement.id === id", arg=place)
        visit.tab.wait_for_function(
            "id => { const box = document.getElementById(id).getBoundingClientRect();"
            " return box.top < innerHeight && box.bottom > 0 }",
            arg=place,
        )
    name = visit.tab.get_attribute("#verdict [data-open]", "data-open") or ""
    visit.tab.click("#verdict [data-open]")
    visit.tab.wait_for_function("window.opened")
    opened = visit.tab.evaluate("window.opened")
    assert f"L{opened['layer']}.H{opened['head']}" == name
    visit.tab.click("#verdict [data-go-to=yardstick]")
    visit.tab.wait_for_function("document.activeElement.id === 'yardstick'")
    visit.tab.locator("#verdict [data-go-to=swap]").first.click()
    visit.tab.wait_for_function("document.activeElement.id === 'swap'")
    assert "#" not in visit.tab.url
    assert visit.complaints == []


def test_the_link_can_be_copied_and_opened(browser: Any, page: Served, visit: Visit) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert visit.tab.is_hidden("#copy-link")
    verdict = visit.compare(TROPHY)
    visit.tab.focus("#copy-link")
    visit.tab.keyboard.press("Enter")
    visit.tab.wait_for_function("document.querySelector('#link [role=status]').textContent.includes('copied')")
    copied = visit.tab.evaluate("navigator.clipboard.readText()")
    assert copied == visit.tab.url
    other = Visit(browser, page.url)
    other.tab.goto(copied)
    settled(other)
    assert other.tab.inner_text("#verdict .claims") in verdict
    other.context.close()


def test_a_text_too_long_for_a_link_is_left_out_and_that_is_said(visit: Visit, page: Served) -> None:
    long = NEGATION * (LONGEST_TEXT // len(NEGATION) + 1)
    visit.compare(long)
    assert f"{len(long):,}" in visit.tab.inner_text("#link [role=status]")
    assert "text" not in asked(visit)
    at(visit, page.url, base="org/base", tuned="org/tuned")
    visit.tab.wait_for_function("document.querySelector('#status').innerText.includes('no text')")
    assert visit.tab.input_value("#tuned input") == "org/tuned"


HOSTILE_LINKS = [
    {"text": "A film.", "head": "<img src=x onerror=document.title='pwned'>"},
    {"text": "A film.", "tab": "');document.title='pwned'//"},
    {"text": "A film.", "level": "${document.title='pwned'}"},
    {"base": "../../etc", "tuned": "</script><script>document.title='pwned'</script>", "text": "A film."},
]


def test_a_hostile_link_is_told_in_a_sentence(visit: Visit, page: Served) -> None:
    for parameters in HOSTILE_LINKS:
        at(visit, page.url, **parameters)
        visit.tab.wait_for_selector("#status [role=alert]")
        visit.tab.wait_for_timeout(300)
        assert visit.tab.title() == "attncompare"
        assert visit.tab.query_selector("#status img, #verdict .claims") is None
        assert visit.tab.is_enabled("#compare")
        assert visit.complaints == []


def test_pairs_fill_the_form_and_swap_exchanges_them(visit: Visit) -> None:
    pair = pairs()[1]
    visit.tab.focus("#exchange")
    visit.tab.keyboard.press("Enter")
    visit.tab.wait_for_function("document.querySelector('#status').innerText.includes('can\\'t be swapped')")
    visit.tab.locator("#pairs button").nth(1).focus()
    visit.tab.keyboard.press("Enter")
    visit.tab.wait_for_function("id => document.querySelector('#tuned input').value === id", arg=pair["tuned"])
    assert visit.tab.input_value("#base input") == pair["base"]
    assert visit.tab.input_value("#text textarea") == pair["text"]
    visit.tab.fill("#text textarea", "My own text.")
    visit.tab.click("#exchange")
    visit.tab.wait_for_function("id => document.querySelector('#base input').value === id", arg=pair["tuned"])
    visit.tab.locator("#pairs button").first.click()
    visit.tab.wait_for_function("document.querySelector('#base input').value === ''")
    assert visit.tab.input_value("#text textarea") == "My own text."
    visit.tab.locator("#examples button").nth(1).click()
    visit.tab.wait_for_function("document.querySelector('#text textarea').value.startsWith('A warm')")


def test_code_follows_the_tab_and_the_open_head(visit: Visit, page: Served) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.tab.click("#tab-code-button")
    assert "Press Compare" in visit.tab.inner_text("[role=tabpanel]:visible")
    visit.compare(TROPHY)
    visit.tab.click("#tab-flow-button")
    visit.tab.click("#tab-code-button")
    visit.tab.wait_for_function("document.querySelector('#code-client')?.innerText.includes('/rollout')")
    assert f"Client('{page.url}')" in visit.tab.inner_text("#code-client pre")
    visit.tab.evaluate("document.documentElement.dataset.head = 'L1.H7'")
    visit.tab.get_by_label("The open head").check()
    visit.tab.wait_for_function(
        "document.querySelector('#code-python').innerText.includes('head_maps(pair, text, 1, 7)')"
    )
    visit.tab.click("#code-python button")
    visit.tab.wait_for_function("document.querySelector('#code-python button').textContent === 'Copied'")
    copied = visit.tab.evaluate("navigator.clipboard.readText()")
    assert copied == visit.tab.locator("#code-python pre").evaluate("pre => pre.textContent")
    assert repr(TROPHY) in copied
    assert visit.complaints == []
