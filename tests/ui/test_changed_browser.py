"""The tab *What changed* in a real browser: cells, keyboard, list, metrics, files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attncompare.plots.cells import grid
from attncompare.ui.questions import Answer
from tests.ui.conftest import Served
from tests.ui.visiting import Visit


@pytest.fixture(scope="module")
def compared(browser: Any, page: Served) -> Iterator[Visit]:
    """A visit with the first example compared, shared by tests that leave it so."""
    visitor = Visit(browser, page.url)
    visitor.compare()
    yield visitor
    assert visitor.complaints == []
    assert visitor.hosts <= {"127.0.0.1", ""}
    visitor.context.close()


def asked(visit: Visit) -> list[str]:
    """From now on, what is asked of the server."""
    found: list[str] = []
    visit.tab.on("request", lambda request: found.append(request.url))
    return found


def marked(visit: Visit) -> list[str]:
    """The names of the cells that are marked as open."""
    return list(visit.tab.eval_on_selector_all("#heads [aria-current]", "all => all.map(one => one.dataset.name)"))


@pytest.mark.parametrize("width", [390, 1280])
def test_a_click_on_a_cell_of_the_picture_opens_that_head(compared: Visit, width: int) -> None:
    compared.resize(width)
    place = grid(6, 12)
    image = compared.tab.locator("#heads img")
    image.scroll_into_view_if_needed()
    natural = compared.tab.eval_on_selector("#heads img", "image => image.naturalWidth")
    requests = asked(compared)
    for row, head in ((4, 5), (0, 0), (5, 2), (3, 11)):
        cell = compared.tab.locator(f"#heads [data-name='L{row}.H{head}']")
        cell.scroll_into_view_if_needed()
        box = image.bounding_box()
        scale = box["width"] / natural
        # A hair inside two corners of the cell, as the picture has it.
        for right, down in ((0.06, 0.06), (0.94, 0.94)):
            x = box["x"] + (place.left + (head + right) * place.cell_width) * scale
            y = box["y"] + (place.top + (row + down) * place.cell_height) * scale
            name = compared.tab.evaluate("([x, y]) => document.elementFromPoint(x, y)?.dataset.name", [x, y])
            assert name == f"L{row}.H{head}"
        cell.click()
        compared.opened(f"L{row}.H{head}")
        assert f"L{row}.H{head}" in compared.tab.inner_text("#one-head")
        assert marked(compared) == [f"L{row}.H{head}"]
    assert [url for url in requests if "queue" in url or "predict" in url] == []  # nobody asked the server


def test_cells_say_what_python_says(compared: Visit, answer: Answer) -> None:
    bits = answer.comparison.heads["jsd_bits"]
    cells = compared.tab.locator("#heads button")
    assert cells.count() == bits.size
    for row, head in ((0, 0), (3, 9), (5, 11)):
        cell = cells.nth(row * bits.shape[1] + head)
        assert cell.get_attribute("aria-label") == f"L{row}.H{head}: {bits[row, head]:.3g} bits"
        assert cell.get_attribute("title") == cell.get_attribute("aria-label")
    assert "L3.H9" in compared.tab.get_attribute("#heads img", "alt")


def test_the_grid_works_from_the_keyboard(compared: Visit) -> None:
    compared.tab.locator("#heads [data-name='L2.H3']").click()
    compared.opened("L2.H3")
    assert compared.tab.locator("#heads button[tabindex='0']").count() == 1
    compared.tab.locator("#heads button[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        compared.tab.keyboard.press(key)
    assert compared.tab.evaluate("document.activeElement.dataset.name") == "L3.H4"
    assert compared.head() == "L2.H3"  # going there is not opening it
    compared.tab.keyboard.press("Enter")
    compared.opened("L3.H4")
    compared.tab.locator("#heads [data-name='L3.H4']").focus()
    compared.tab.keyboard.press("End")
    assert compared.tab.evaluate("document.activeElement.dataset.name") == "L3.H11"
    compared.tab.keyboard.press("ArrowRight")
    assert compared.tab.evaluate("document.activeElement.dataset.name") == "L3.H11"
    compared.tab.keyboard.press("Space")
    compared.opened("L3.H11")


def test_the_list_ranks_and_opens_heads(compared: Visit, answer: Answer) -> None:
    movers = answer.comparison.movers
    rows = compared.tab.locator("#head-list tbody tr")
    assert rows.count() == 12
    assert rows.nth(0).locator("th").inner_text() == movers[0].name
    lost, gained = movers[0].lost[0], movers[0].gained[0]
    said = rows.nth(0).inner_text()
    assert answer.comparison.tokens[lost[0]].text in said
    assert f"{gained[1]:+.2f}" in said
    rows.nth(4).get_by_role("button").click()
    compared.opened(movers[4].name)
    assert marked(compared) == [movers[4].name]
    assert rows.nth(4).get_attribute("data-open-now") is not None
    more = compared.tab.get_by_role("button", name="Show all 72 heads")
    more.click()
    assert rows.count() == 72
    assert rows.nth(71).locator("th").inner_text() == movers[71].name
    compared.tab.get_by_role("button", name="Show the first 12").click()
    assert rows.count() == 12
    assert "Heads by divergence" in compared.tab.inner_text("#head-list caption")


def test_another_metric_redraws_grid_list_and_meaning(compared: Visit, answer: Answer) -> None:
    head = compared.head()
    compared.tab.click("#metric input")
    assert compared.tab.locator("[role=listbox] [role=option]").count() == 5
    compared.tab.keyboard.press("Escape")
    compared.tab.get_by_label("All metrics").check()
    compared.tab.wait_for_timeout(300)
    compared.tab.click("#metric input")
    compared.tab.get_by_role("option", name="Cosine similarity").click()
    compared.tab.wait_for_selector('#heads img[alt*="Cosine similarity"]')
    assert "Kovaleva" in compared.tab.inner_text("#reading")
    compared.tab.wait_for_function("document.querySelector('#head-list').innerText.includes('cosine')")
    values = answer.comparison.heads["cosine"]
    first = compared.tab.locator("#head-list tbody th").nth(0).inner_text()
    row, lowest = divmod(int(values.argmin()), values.shape[1])
    assert first == f"L{row}.H{lowest}"
    assert marked(compared) == [head]  # the open head stays open
    compared.tab.get_by_label("All metrics").uncheck()
    compared.tab.wait_for_timeout(300)
    compared.tab.click("#metric input")
    compared.tab.get_by_role("option", name="Divergence (bits)", exact=True).click()
    compared.tab.wait_for_selector('#heads img[alt*="Divergence"]')


@pytest.mark.parametrize(("view", "name"), [("heads", "heads"), ("layers", "layers"), ("movers", "movers")])
def test_every_view_can_be_taken_away(compared: Visit, view: str, name: str) -> None:
    for kind in ("png", "svg", "csv", "json"):
        with compared.tab.expect_download() as download:
            compared.tab.click(f"#take-{view} [data-kind={kind}]")
        assert download.value.suggested_filename == f"{name}.{kind}"
        assert Path(download.value.path()).stat().st_size > 100


def test_the_open_head_can_be_taken_away(compared: Visit, answer: Answer) -> None:
    compared.tab.locator("#heads [data-name='L1.H7']").click()
    compared.opened("L1.H7")
    with compared.tab.expect_download() as download:
        compared.tab.click("#take-head [data-kind=json]")
    assert download.value.suggested_filename == "head-L1.H7.json"
    written = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert written == json.loads(json.dumps(answer.comparison.head(1, 7).to_dict()))


def test_tokens_of_strangers_stay_text_in_the_list(visit: Visit) -> None:
    visit.compare("A </script><img src=x onerror=document.title='pwned'> {{x}} ${document.title='pwned'} film")
    visit.tab.get_by_role("button", name="Show all 72 heads").click()
    assert visit.tab.title() == "attncompare"
    assert visit.tab.locator("#head-list img, #one-head img").count() == 0
    assert visit.complaints == []
