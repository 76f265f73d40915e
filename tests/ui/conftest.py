"""The page as it is served, real browsers and clients for it, and a small pair that reads long texts."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from attncompare import Comparison, Pair, compare, load_pair
from attncompare.ui.app import build
from attncompare.ui.theme import launch_options

NEGATION = "The film is not good, and the dialogue is painfully dull."

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Served:
    """A page that is being served on loopback."""

    demo: gr.Blocks
    url: str


def _serve(*, loopback: bool) -> Iterator[Served]:
    demo = build(loopback=loopback)
    options = launch_options()
    demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, **options)
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
def pair() -> Pair:
    """The embedded pair."""
    return load_pair()


@pytest.fixture(scope="session")
def comparison(pair: Pair) -> Comparison:
    """What Python says about the page's first example."""
    return compare(pair, NEGATION)


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


@pytest.fixture(scope="session")
def long_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a tiny causal model with random weights, and of the same model with other queries; 600 tokens fit."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = {word: index for index, word in enumerate(["<unk>", "<end>", "so", "it", "goes"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>")
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(words), n_positions=600, n_embd=16, n_layer=2, n_head=2, eos_token_id=1)
    model = GPT2LMHeadModel(config)
    folders = [tmp_path_factory.mktemp(name) for name in ("base", "tuned")]
    for folder, scale in zip(folders, (1.0, 3.0), strict=True):
        with torch.no_grad():
            for block in model.transformer.h:
                block.attn.c_attn.weight[:, :16] *= scale
        model.save_pretrained(folder)
        wrapped.save_pretrained(folder)
    return str(folders[0]), str(folders[1])


def is_png(path: str | Path) -> bool:
    """Whether a file is a PNG, by its first bytes."""
    return Path(path).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
