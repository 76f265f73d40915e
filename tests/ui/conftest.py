"""The page as it is served, real browsers and clients for it, and a small pair that reads long texts."""

import gc
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from attncompare import Pair, compare
from attncompare.ui.app import build
from attncompare.ui.questions import Answer, Question
from attncompare.ui.theme import launch_options
from tests.conftest import WORDS, save_tiny
from tests.ui.visiting import SERVED, Visit

NEGATION = "The film is not good, and the dialogue is painfully dull."

LONG_TEXT = " ".join(WORDS[3:63] * 10)
"""600 tokens: too many for a full rollout."""

PLAIN = ("", "", False, "none", 64, 0, 0, "auto", "self")
"""What the closed part of the form says when nobody has opened it."""

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gradio leaves event loops and sockets to the garbage collector; that is no fault of a test of ours."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session", autouse=True)
def _own_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files that pages serve stand in a folder of this process.

    A page that ends sweeps what it served, and files of the same content have the same place.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    """Collect what gradio left while its warnings are ignored, not during somebody else's test."""
    yield
    gc.collect()


@dataclass(frozen=True)
class Served:
    """A page that is being served on loopback."""

    demo: gr.Blocks
    url: str


def _serve(*, loopback: bool) -> Iterator[Served]:
    demo = build(loopback=loopback)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, **launch_options())
    SERVED[demo.local_url] = demo
    yield Served(demo, demo.local_url)
    demo.close()


@pytest.fixture(scope="session")
def page() -> Iterator[Served]:
    """The page as the person who started it gets it."""
    yield from _serve(loopback=True)


@pytest.fixture(scope="session")
def public_page() -> Iterator[Served]:
    """The page as it is served to strangers: no folders of this machine."""
    yield from _serve(loopback=False)


@pytest.fixture(scope="session")
def answer(embedded_pair: Pair) -> Answer:
    """What Python says about the page's first example."""
    return Answer(Question("", "", NEGATION), compare(embedded_pair, NEGATION))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real browser. Without one the tests skip, or fail where ATTNCOMPARE_REQUIRE_BROWSER=1 says that they must run."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        if os.environ.get("ATTNCOMPARE_REQUIRE_BROWSER") == "1":
            pytest.fail("ATTNCOMPARE_REQUIRE_BROWSER=1, but there is no playwright or no chromium (see CHROMIUM).")
        pytest.skip("needs playwright and chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any, page: Served) -> Iterator[Visit]:
    """A visit of its own."""
    visitor = Visit(browser, page.url)
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="session")
def long_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a tiny causal pair that reads :data:`LONG_TEXT`."""
    folder = tmp_path_factory.mktemp("long")
    base, tuned = save_tiny(folder / "base", "gpt2", seed=3), save_tiny(folder / "tuned", "gpt2", seed=3, tune=0.15)
    return str(base), str(tuned)
