"""Who can use the page: axe-core on every tab, in both themes and at both widths, and the keyboard alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest

from tests.ui.conftest import Served
from tests.ui.visiting import Visit

AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SCREENS = [("light", 1280), ("dark", 390)]
"""Both themes and both widths; the other two pairs would double the time."""

_RUN = """rules => axe.run(document, { runOnly: { type: 'tag', values: rules } }).then(found =>
    found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target} ${node.failureSummary}`)))"""


def violations(tab: Any) -> list[str]:
    """What axe-core says against what is on the screen."""
    if not tab.evaluate("'axe' in window"):
        tab.evaluate(AXE)
    return list(tab.evaluate(_RUN, RULES))


@pytest.fixture(params=SCREENS, ids=lambda screen: f"{screen[0]}-{screen[1]}")
def screen(request: pytest.FixtureRequest, browser: Any, page: Served) -> Iterator[Visit]:
    visit = Visit(browser, page.url, *request.param)
    yield visit
    visit.context.close()


def test_axe_finds_a_fault_that_is_there(visit: Visit) -> None:
    visit.tab.evaluate("document.querySelector('#compare').insertAdjacentHTML('afterend', '<img src=x.png>')")
    assert any(fault.startswith("image-alt") for fault in violations(visit.tab))


def test_axe_finds_nothing_before_and_after_an_answer(screen: Visit) -> None:
    assert violations(screen.tab) == []
    screen.compare()
    for tab in screen.tab.get_by_role("tab").all():
        tab.click()
        screen.tab.wait_for_timeout(300)
        assert violations(screen.tab) == [], tab.inner_text()
