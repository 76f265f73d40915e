"""The page: from `python app.py` to the first answer, and in Chromium from a click to the grid and the first head's maps."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.table import Table

ROOT = Path(__file__).parents[1]
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
CLICKS = 5


def table() -> Table:
    """The lines, measured when they are asked for; the browser's are left out, and said to be, without Chromium."""
    return Table(("page", "median"), iter(_lines()))


def _lines() -> list[tuple[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL, env=dict(os.environ)
    )
    try:
        while not _answers(port):
            if server.poll() is not None or time.perf_counter() - start > 120:
                raise RuntimeError("the page did not come up")
            time.sleep(0.05)
        lines = [("`python app.py` to the page being served", f"{time.perf_counter() - start:.1f} s")]
        return lines + _in_browser(port)
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _in_browser(port: int) -> list[tuple[str, str]]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        return [("click on Compare to grid and first head's maps", "not measured: no Chromium")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        seconds = [_click(page, f"The film is not good, and scene {i} of the long second act is painfully dull and slow, "
                                "but the final minutes are funny and warm.") for i in range(CLICKS + 1)]  # fmt: skip
        browser.close()
    later = sorted(seconds[1:])
    return [
        ("first Compare, models loaded on the way", f"{seconds[0]:.1f} s"),
        ("later Compare, click to grid and first head's maps (about 30 tokens)", f"{later[len(later) // 2]:.2f} s"),
    ]


_NEW_PICTURES = """old => ["heads", "maps"].every(id => {
    const image = document.querySelector(`#${id} img`);
    return image && image.complete && image.naturalWidth > 0 && !old.includes(image.src);
})"""


def _click(page: Page, text: str) -> float:
    """Seconds from the click on Compare until the grid and the first head's maps are new and complete."""
    old = page.eval_on_selector_all("#heads img, #maps img", "images => images.map(image => image.src)")
    page.locator("#text textarea, #text input").fill(text)
    start = time.perf_counter()
    page.locator("#compare").click()
    page.wait_for_function(_NEW_PICTURES, arg=old, timeout=120_000)
    return time.perf_counter() - start
