"""``app.py``: it builds, serves without a model, and knows when only its owner can reach it."""

import importlib
import inspect
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType

import gradio as gr
import pytest
from gradio.helpers import special_args

from attncompare.ui.app import build
from attncompare.ui.failures import NO_ANSWER
from attncompare.ui.verdict import EMPTY

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def app() -> ModuleType:
    """``app.py`` as a host imports it; not at the top, where it would build the page while tests are collected."""
    return importlib.import_module("app")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.1.5", False),
        ("example.org", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(app: ModuleType, host: str, expected: bool) -> None:
    assert app.is_loopback(host) is expected


def test_help_says_what_it_is(app: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(["--help"])
    assert ended.value.code == 0
    assert "--host" in capsys.readouterr().out


def test_a_host_that_imports_it_finds_the_demo(app: ModuleType) -> None:
    assert {"/compare", "/head", "/noise", "/patching"} < set(app.demo.get_api_info()["named_endpoints"])


def test_no_event_of_a_fresh_page_gives_nothing(app: ModuleType) -> None:
    """Gradio sets every output to None where a generator ends without a yield; so does a page whose server was restarted."""
    refused = []
    for event in app.demo.fns.values():
        if event.api_visibility != "private" or not inspect.isgeneratorfunction(event.fn):
            continue
        values = [getattr(component, "value", None) for component in event.inputs]
        sent, *_ = special_args(
            event.fn, values, request=gr.Request(query_params={}), event_data=gr.EventData(None, {})
        )
        try:
            assert next(event.fn(*sent), None) is not None, (event.name, event.targets)
        except gr.Error as error:
            refused.append(error.message)
    assert len(refused) == 13  # one for every part that runs on demand
    assert set(refused) == {NO_ANSWER}


def test_the_command_serves_the_page_before_any_model_is_loaded() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert f"127.0.0.1:{port}" in server.stdout.readline()
            assert "attncompare" in fetched(f"http://127.0.0.1:{port}/")
        finally:
            server.terminate()


def fetched(url: str) -> str:
    """A page, as soon as somebody answers."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"nobody answers at {url}")


def test_the_empty_page_names_tabs_that_there_are() -> None:
    tabs = {block.label for block in build().blocks.values() if isinstance(block, gr.Tab)}
    named = {" ".join(name.split()) for name in re.findall(r"<li><b>(.*?)</b>", EMPTY, re.DOTALL)}
    assert named == tabs - {"Use from code"}
