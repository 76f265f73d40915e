"""A visitor of the page with a real browser."""

import time
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

SERVED: dict[str, gr.Blocks] = {}
"""Pages of this process by their address, so that a visitor can tell when the server has nothing left to do."""

IDLE_SECONDS = 0.7
"""How long nothing is asked of a page before it has settled: what one event changes may let the browser ask the next."""


class Visit:
    """A tab with the page open, and what it complained about and asked others for."""

    def __init__(
        self,
        browser: Any,
        url: str,
        theme: str = "light",
        width: int = 1280,
        waits: str = "#compare",
        script: str = "",
    ) -> None:
        self.url = url
        self.context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(60_000)
        self.tab.add_init_script(script)
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.tab.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        self.tab.goto(f"{url}?__theme={theme}")
        self.tab.wait_for_selector(waits)

    def compare(self, text: str | None = None) -> str:
        """Compare and wait for the tab *What changed* to be whole; the verdict as text."""
        before = self.source("#movers")
        if text is not None:
            self.tab.fill("#text textarea", text)
        self.tab.click("#compare")
        self.changed("#movers", before)
        self.settle()  # the other tabs follow
        return self.tab.inner_text("#verdict .verdict")

    def settle(self) -> None:
        """Wait until every tab is open that an answer opens, and the server has had nothing to do for a while."""
        self.tab.wait_for_function("document.querySelectorAll('.unseen').length === 0")
        self.idle()

    def idle(self) -> None:
        """Wait until the server has had nothing to do for :data:`IDLE_SECONDS`, and the browser has come to ask for more."""
        queue = SERVED[self.url]._queue
        since, end = time.monotonic(), time.monotonic() + 120
        while time.monotonic() - since < IDLE_SECONDS:
            assert time.monotonic() < end, "the server is still busy after two minutes"
            self.tab.wait_for_timeout(50)
            self.tab.evaluate("new Promise(done => requestIdleCallback(done, { timeout: 5000 }))")
            if any(queue.active_jobs) or len(queue):
                since = time.monotonic()

    def source(self, picture: str) -> str | None:
        image = self.tab.query_selector(f"{picture} img")
        return image.get_attribute("src") if image else None

    def changed(self, picture: str, before: str | None) -> None:
        """Wait until a picture is another one."""
        self.tab.wait_for_function(
            "([q, old]) => { const e = document.querySelector(q + ' img'); return e && e.src && e.src !== old }",
            arg=[picture, before],
        )

    def head(self) -> str:
        """The head that is open, ``L3.H9``."""
        return str(self.tab.evaluate("document.documentElement.dataset.head || ''"))

    def opened(self, name: str) -> None:
        """Wait until this head is open."""
        self.tab.wait_for_function("name => document.documentElement.dataset.head === name", arg=name)

    def resize(self, width: int) -> None:
        """Look at the page on a screen of another width."""
        self.tab.set_viewport_size({"width": width, "height": 900})
        self.tab.wait_for_function("width => innerWidth === width", arg=width)

    def fits(self) -> None:
        """Nothing scrolls sideways, on a phone as little as on a desk."""
        for width in (390, 1280):
            self.resize(width)
            assert self.overflow() <= 0

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.tab.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
