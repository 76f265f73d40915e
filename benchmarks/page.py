"""The page: from `python app.py` to the first answer, and in Chromium what a visitor waits for and receives."""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from attncompare import load_pair
from benchmarks.table import Table
from benchmarks.texts import text_of

ROOT = Path(__file__).parents[1]
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
RUNS = 5
SWITCHES = 30
MEGABYTE = 1e6

FIRST_VIEW = ("#heads img", "#layers img", "#movers img", "#outputs img")
"""Pictures of the tab that is open after Compare; the maps and lines of the first head stand beside them."""


def table() -> Table:
    """The lines, measured when they are asked for; the browser's are left out, and said to be, without Chromium."""
    return Table(("page", "measured"), _lines())


def _lines() -> Iterator[tuple[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _served(port) as seconds:
        yield "`python app.py` to the page being served", f"{seconds:.1f} s"
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if not chromium:
            yield "everything in the browser", "not measured: no Chromium"
            return
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            yield from _in_browser(browser, f"http://127.0.0.1:{port}/")
            browser.close()


@contextmanager
def _served(port: int) -> Iterator[float]:
    """The page, served by a process of its own; how long that took."""
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL, env=dict(os.environ)
    )
    try:
        while not _answers(port):
            if server.poll() is not None or time.perf_counter() - start > 120:
                raise RuntimeError("the page did not come up")
            time.sleep(0.05)
        yield time.perf_counter() - start
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _in_browser(browser: Browser, url: str) -> Iterator[tuple[str, str]]:
    tokenizer = load_pair().base.tokenizer
    page, first = _opened(browser, url), _text(tokenizer, 30, 0)
    yield "first Compare, models perhaps still being loaded", f"{_compare(page, first):.1f} s"
    painted = [_first_paint(browser, url) for _ in range(RUNS)]
    yield "first paint, nothing cached", f"{_middle(painted):.2f} s"
    for tokens in (30, 128, 512):
        later = [_compare(page, _text(tokenizer, tokens, run)) for run in range(1, RUNS + 1)]
        yield f"click on Compare to the complete first view, {tokens} tokens", f"{_middle(later):.2f} s"
        received = _Received()
        fresh = _opened(browser, url, received)
        loaded = received.bytes
        _compare(fresh, _text(tokenizer, tokens, RUNS + 1))
        fresh.wait_for_timeout(2000)  # what is asked for on demand once a head is open
        answer = received.bytes - loaded
        yield f"received for Compare, {tokens} tokens", f"{answer / MEGABYTE:.2f} MB"
        before = received.requests
        switched = _switches(fresh)
        asked = received.requests - before
        yield (
            f"another head, {tokens} tokens",
            f"{_middle(switched):.0f} ms, slowest {max(switched):.0f} ms; {asked} requests",
        )
        fresh.context.close()
    yield "received for the empty page", f"{loaded / MEGABYTE:.2f} MB"


@dataclass
class _Received:
    """What a tab received, before any compression."""

    bytes: int = 0
    requests: int = 0
    _session: Any = field(default=None, repr=False)

    def of(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")
        self._session.on("Network.dataReceived", self._data)
        page.on("request", self._request)

    def _data(self, event: dict[str, Any]) -> None:
        self.bytes += event["dataLength"]

    def _request(self, _: Any) -> None:
        self.requests += 1


def _opened(browser: Browser, url: str, received: _Received | None = None) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    if received is not None:
        received.of(page)
    page.goto(url)
    page.wait_for_selector("#compare")
    page.wait_for_timeout(1500)  # its parts load one another; its heartbeat never ends
    return page


def _first_paint(browser: Browser, url: str) -> float:
    """Seconds from navigation to the first contentful paint, in a context without a cache."""
    page = _opened(browser, url)
    milliseconds = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.context.close()
    return float(milliseconds) / 1000


_COMPLETE = """([pictures, old, answer]) => pictures.every(one => {
    const image = document.querySelector(one);
    return image && image.complete && image.naturalWidth > 0 && !old.includes(image.src);
}) && document.querySelector('#one-head [data-answer]')?.dataset.answer !== answer"""


def _compare(page: Page, text: str) -> float:
    """Seconds from the click on Compare until every picture of the first view is new, and so is the first head."""
    old = page.eval_on_selector_all(", ".join(FIRST_VIEW), "images => images.map(image => image.src)")
    answer = page.evaluate("document.querySelector('#one-head [data-answer]')?.dataset.answer")
    page.locator("#text textarea, #text input").fill(text)
    start = time.perf_counter()
    page.locator("#compare").click()
    page.wait_for_function(_COMPLETE, arg=[list(FIRST_VIEW), old, answer], timeout=120_000)
    return time.perf_counter() - start


_SWITCH = """async count => {
    const seconds = [], cells = [...document.querySelectorAll('#heads button[data-name]')];
    for (let i = 0; i < count; i++) {
        const cell = cells[(i * 7 + 3) % cells.length];
        const start = performance.now();
        cell.click();
        seconds.push(performance.now() - start);
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    }
    return seconds;
}"""


def _switches(page: Page) -> list[float]:
    """Milliseconds from a click in the grid until another head's maps and lines are drawn."""
    return [float(one) for one in page.evaluate(_SWITCH, SWITCHES)]


def _text(tokenizer: Any, tokens: int, run: int) -> str:
    """A text of that many tokens, another one for each run."""
    words = text_of(tokenizer, tokens).split()
    return " ".join(words[run:] + words[:run])


def _middle(values: list[float]) -> float:
    return statistics.median(values)
