"""One head in two models, as a browser shows it: every number beside naive loops over the rows that it was given."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import numpy as np
import pytest

from attncompare.plots.colors import SEQUENTIAL
from attncompare.ui.explorer import explorer
from attncompare.ui.files import kept
from attncompare.ui.taking import served
from attncompare.ui.theme import PRIVATE, launch_options

HOSTILE = [
    "</script><img src=x onerror=document.title='pwned'>",
    "{{x}}",
    "${document.title='pwned'}",
    "\u202eabc",
    "\U0001f600" * 10_000,
    " ",
    "<b>",
]
TOP = {16: 65535, 8: 255}


@dataclass(frozen=True)
class Case:
    """Attention ``[side, layer, head, query, key]`` of two made-up models, and how it is told to the component."""

    rows: np.ndarray
    seen: np.ndarray
    """``[query, key]``"""
    texts: list[str]
    keys: list[str] | None = None
    sinks: tuple[int, ...] = (0,)
    words: list[list[int]] | None = None
    bits: int = 16
    step: int = 1
    kept: bool = True
    most: int = 512
    layers: list[int] = field(default_factory=lambda: [0, 4])

    def reduced(self) -> tuple[np.ndarray, np.ndarray]:
        """Keys summed and queries averaged in groups of ``step``, and which groups hold a cell that is seen."""
        queries, keys = (-(-n // self.step) for n in self.seen.shape)
        rows, seen = np.zeros((*self.rows.shape[:3], queries, keys)), np.zeros((queries, keys), bool)
        for query in range(self.seen.shape[0]):
            group = [q for q in range(self.seen.shape[0]) if q // self.step == query // self.step]
            for key in range(self.seen.shape[1]):
                at = query // self.step, key // self.step
                rows[..., *at] += self.rows[..., query, key] / len(group)
                seen[at] |= self.seen[query, key]
        return rows, seen

    def payload(self) -> dict[str, Any]:
        rows, seen = self.reduced()
        _, layers, heads = rows.shape[:3]
        tokens = self.tokens(self.texts)
        bits = [[round(0.5 - 0.07 * (row * heads + head), 2) for head in range(heads)] for row in range(layers)]
        masks = np.packbits(np.broadcast_to(seen, (layers, *seen.shape)))
        content = encoded(rows, self.bits) + (b"" if self.seen.all() else masks.tobytes())
        return {
            "layers": self.layers,
            "heads": heads,
            "bits": bits,
            "order": [[row, head] for row in range(layers) for head in range(heads)],
            "open": [0, 0],
            "tokens": tokens,
            "keys": self.keys and self.tokens(self.keys),
            "words": self.words,
            "word_texts": self.words and ["".join(self.texts[i] for i in word) for word in self.words],
            "causal": not self.seen.all(),
            "level": "token",
            "codes": served(kept("codes.bin", content)) if self.kept else None,
            "format": {
                "bits": self.bits,
                "queries": rows.shape[3],
                "keys": rows.shape[4],
                "step": self.step,
                "visible": not self.seen.all(),
            },
            "most": self.most,
        }

    def tokens(self, texts: list[str]) -> list[dict[str, Any]]:
        return [{"text": text, "special": i in self.sinks, "sink": i in self.sinks} for i, text in enumerate(texts)]

    def exact(self, row: int, head: int, queries: list[int], keys: list[int]) -> dict[str, Any]:
        window = slice(*queries), slice(*keys)
        masks = np.packbits(self.seen[window]).tobytes()
        file = served(kept("exact.bin", encoded(self.rows[:, row, head, *window], 16) + masks))
        return {"row": row, "head": head, "queries": queries, "keys": keys, "file": file, "visible": True}


def encoded(rows: np.ndarray, bits: int) -> bytes:
    return np.rint(np.sqrt(rows) * TOP[bits]).astype({16: "<u2", 8: "u1"}[bits]).tobytes()


def made(queries: int, *, heads: int = 3, causal: bool = False, **more: Any) -> Case:
    """Softmax rows of random scores."""
    keys = len(more.get("keys", range(queries)))
    scores = np.random.default_rng(queries).normal(scale=2.5, size=(2, 2, heads, queries, keys))
    seen = np.tril(np.ones((queries, keys), bool)) if causal else np.ones((queries, keys), bool)
    powers = np.exp(scores) * seen
    texts = [f"w{i}" for i in range(queries)]
    return Case(powers / powers.sum(-1, keepdims=True), seen, **{"texts": texts, **more})


def mostly_sink() -> Case:
    """A case whose query 3 gives nearly all of its attention in base to the sink."""
    case = made(7, words=[[0], [1], [2, 3, 4], [5], [6]], sinks=(0, 6))
    case.rows[0, :, :, 3] = 0.02 / 6
    case.rows[0, :, :, 3, 0] = 0.98
    return case


CASES = {
    "plain": mostly_sink(),
    "causal": made(9, causal=True, bits=8, words=[[0], [1, 2], [3], [4, 5, 6], [7], [8]]),
    "masked": made(10, causal=True),
    "cross": made(5, keys=[f"k{i}" for i in range(8)]),
    "many": made(90, bits=8, heads=2),
    "reduced": made(70, causal=True, bits=8, step=3),
    "windowed": made(70, causal=True, bits=8, step=3, most=40),
    "asked": made(6, kept=False),
    "gapped": made(6, words=[[0], [1, 2], [5]]),
    "hostile": made(len(HOSTILE), texts=HOSTILE),
    "lost": made(8),
}


def build() -> gr.Blocks:
    """A page with nothing but the component, and a field that names what to give it."""
    with gr.Blocks(analytics_enabled=False) as demo:
        name = gr.Textbox(elem_id="case")
        shown = explorer()

        def give(case: str) -> dict[str, Any]:
            payload = CASES[case].payload()
            return payload | ({"codes": {"url": "/nowhere.bin"}} if case == "lost" else {})

        def exact(event: gr.EventData, case: str) -> Any:
            asked = (getattr(event, key) for key in ("row", "head", "queries", "keys"))
            return gr.update(exact=CASES[case].exact(*asked))

        name.submit(give, name, shown, trigger_mode="always_last", **PRIVATE)
        shown.exact_head(exact, name, shown, **PRIVATE)
    return demo


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    demo = build()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, **launch_options())
    yield demo.local_url
    demo.close()


class Looking:
    """A browser tab with the component in it."""

    def __init__(self, browser: Any, url: str, theme: str = "light", width: int = 1280) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900})
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.goto(f"{url}?__theme={theme}")
        self.tab.wait_for_selector(".one-head", state="attached")

    def show(self, name: str, state: str = "ready") -> Case:
        self.tab.fill("#case input, #case textarea", name)
        self.tab.press("#case input, #case textarea", "Enter")
        if state == "ready":  # several cases have as many tokens: wait for this one's
            self.tab.wait_for_function(
                "([n, t]) => { const all = document.querySelectorAll('.queries bdi');"
                " return all.length === n && (!t.trim() || all[n - 1].textContent.startsWith(t)) }",
                arg=[len(CASES[name].texts), CASES[name].texts[-1][:3]],
            )
        self.tab.wait_for_selector(f".one-head[data-state={state}]")
        return CASES[name]

    def open(self, layer: int, head: int) -> None:
        self.tab.evaluate(
            "([layer, head]) => document.dispatchEvent("
            "new CustomEvent('attncompare:open', { detail: { layer, head } }))",
            [layer, head],
        )

    def pin(self, side: str, index: int) -> None:
        self.tab.eval_on_selector(f"button[data-side={side}][data-index='{index}']", "press => press.click()")

    def numbers(self, side: str, index: int) -> np.ndarray:
        """Base and tuned beside the tokens of the other side, NaN where there are none: ``[model, token]``.

        Of more than 60 tokens only those have numbers that are linked with this one.
        """
        self.pin(side, index)
        other = {"query": "keys", "key": "queries"}[side]
        found = self.tab.eval_on_selector_all(
            f".{other} .token", "rows => rows.map(row => [row.dataset.base ?? null, row.dataset.tuned ?? null])"
        )
        return np.array([[np.nan if x is None else float(x) for x in row] for row in found]).T

    def all_numbers(self, queries: int) -> np.ndarray:
        """``[model, query, key]``"""
        return np.stack([self.numbers("query", query) for query in range(queries)], axis=1)

    def at(self, model: str, query: int, key: int, shape: tuple[int, int]) -> dict[str, str]:
        """What the line below the maps says of a cell under the mouse: its text and its data."""
        canvas = self.tab.locator(f"figure.{model} .cells canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        x = box["x"] + (key + 0.5) * box["width"] / shape[1]
        self.tab.mouse.move(x, box["y"] + (query + 0.5) * box["height"] / shape[0])
        return self.tab.eval_on_selector("[data-part=read]", "p => ({ text: p.innerText, ...p.dataset })")

    def color(self, model: str, query: int, key: int, shape: tuple[int, int]) -> list[int]:
        """Of the pixel in the middle of a cell."""
        return self.tab.eval_on_selector(
            f"figure.{model} .cells canvas",
            "(canvas, [query, key, queries, keys]) => [...canvas.getContext('2d').getImageData("
            "(key + .5) * canvas.width / keys, (query + .5) * canvas.height / queries, 1, 1).data].slice(0, 3)",
            [query, key, *shape],
        )


@pytest.fixture(scope="module")
def looking(browser: Any, address: str) -> Iterator[Looking]:
    """A tab shared by tests that each show their own case."""
    visitor = Looking(browser, address)
    yield visitor
    assert [text for text in visitor.complaints if "404" not in text] == []
    visitor.context.close()


def assert_linked(found: np.ndarray, rows: np.ndarray, error: float) -> None:
    """Of many tokens the strongest of both models are there, with their numbers."""
    listed = ~np.isnan(found[0])
    for row in np.nan_to_num(rows):
        clear = sorted(range(len(row)), key=lambda i: -row[i])[:6]  # of eight: rounding may swap the last ones
        assert all(listed[i] for i in clear if row[i] > 0.03)
    assert listed.sum() <= 16
    np.testing.assert_allclose(found[:, listed], rows[:, listed], atol=error)


def blanked(case: Case, row: int, head: int) -> np.ndarray:
    return np.where(case.seen, case.rows[:, row, head], np.nan)


def merged_by_hand(rows: np.ndarray, words: list[list[int]]) -> np.ndarray:
    """Keys of a word summed, queries averaged, what is in no word left out: ``[model, word, word]``."""
    result = np.zeros((2, len(words), len(words)))
    inside = [key for word in words for key in word]
    for model in range(2):
        for i, queries in enumerate(words):
            for query in queries:
                left = sum(rows[model, query, key] for key in inside)
                for j, keys in enumerate(words):
                    result[model, i, j] += sum(rows[model, query, key] for key in keys) / left / len(queries)
    return result


def without_sinks_by_hand(rows: np.ndarray, sinks: tuple[int, ...]) -> np.ndarray:
    result = np.full(rows.shape, np.nan)
    for model, query in np.ndindex(rows.shape[:2]):
        content = sum(rows[model, query, key] for key in range(rows.shape[2]) if key not in sinks)
        for key in range(rows.shape[2]):
            if key not in sinks and content >= 0.1:
                result[model, query, key] = rows[model, query, key] / content
    return result


def broken_rules(visitor: Looking) -> list[str]:
    """What axe-core finds wrong with the component."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    results = axe.Axe().run(visitor.tab, context="#one-head").response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in results for node in rule["nodes"]]


def test_it_is_empty_before_there_is_an_answer(browser: Any, address: str) -> None:
    visitor = Looking(browser, address)
    assert visitor.tab.inner_text(".one-head").startswith("Nothing compared yet")
    visitor.open(0, 0)
    assert visitor.complaints == []
    visitor.context.close()


@pytest.mark.parametrize(("name", "error"), [("plain", 1e-4), ("causal", 1 / 255), ("cross", 1e-4)])
def test_lines_say_what_the_file_holds(looking: Looking, name: str, error: float) -> None:
    case = looking.show(name)
    for row, head in ((0, 0), (1, 2)):
        looking.open(case.layers[row], head)
        found = looking.all_numbers(len(case.texts))
        np.testing.assert_allclose(found, blanked(case, row, head), atol=error)
    assert looking.tab.get_attribute("html", "data-head") == "L4.H2"


def test_a_key_says_which_queries_look_at_it(looking: Looking) -> None:
    case = looking.show("cross")
    looking.open(4, 1)
    for key in range(8):
        np.testing.assert_allclose(looking.numbers("key", key), case.rows[:, 1, 1, :, key], atol=1e-4)


def test_the_telling_token_is_chosen_first(looking: Looking) -> None:
    looking.show("plain")
    case = looking.show("cross")
    moved = [sum(abs(case.rows[1, 0, 0, q, k] - case.rows[0, 0, 0, q, k]) for k in range(8)) for q in range(5)]
    chosen = looking.tab.get_attribute(".queries .chosen button", "data-index")
    assert int(chosen) == int(np.argmax(moved))


def test_sinks_are_hidden_and_rows_renormalised(looking: Looking) -> None:
    case = looking.show("plain")
    looking.tab.check("[data-part=sinks]")
    expected = without_sinks_by_hand(case.rows[:, 0, 0], case.sinks)
    assert np.isnan(expected[0, 3]).all()
    assert not np.isnan(expected[1, 3, 1:6]).any()
    np.testing.assert_allclose(looking.all_numbers(7), expected, atol=5e-4)
    said = looking.tab.inner_text("[data-part=said]")
    assert "Sinks are hidden" in said
    assert "10" in said
    looking.tab.uncheck("[data-part=sinks]")
    np.testing.assert_allclose(looking.all_numbers(7), case.rows[:, 0, 0], atol=1e-4)


@pytest.mark.parametrize("name", ["plain", "gapped"])
def test_words_sum_their_keys_and_average_their_queries(looking: Looking, name: str) -> None:
    case = looking.show(name)
    looking.tab.check("[data-part=words]")
    expected = merged_by_hand(case.rows[:, 0, 0], case.words)
    np.testing.assert_allclose(looking.all_numbers(len(case.words)), expected, atol=1e-3)
    names = looking.tab.eval_on_selector_all(".keys bdi", "all => all.map(bdi => bdi.textContent)")
    assert names == ["".join(case.texts[i] for i in word) for word in case.words]


def test_words_without_sinks_see_what_any_of_their_tokens_sees(looking: Looking) -> None:
    case = looking.show("causal")
    looking.tab.check("[data-part=words]")
    looking.tab.check("[data-part=sinks]")
    merged = merged_by_hand(case.rows[:, 0, 0], case.words)
    hidden = [[not any(case.seen[q, k] for q in a for k in b) for b in case.words] for a in case.words]
    expected = np.where(hidden, np.nan, without_sinks_by_hand(merged, (0,)))
    np.testing.assert_allclose(looking.all_numbers(len(case.words)), expected, atol=0.05)


def test_the_mean_of_several_heads(looking: Looking) -> None:
    case = looking.show("plain")
    looking.tab.check("[data-part=mean]")
    for name in ("L0.H2", "L4.H1", "L0.H0"):
        looking.tab.click(f"[data-part=thumbs] button[aria-label^='{name},']")
    assert looking.tab.inner_text("[data-part=title]") == "Mean of L0.H2, L4.H1, in both models"
    expected = [
        [[(case.rows[m, 0, 2, q, k] + case.rows[m, 1, 1, q, k]) / 2 for k in range(7)] for q in range(7)]
        for m in (0, 1)
    ]
    np.testing.assert_allclose(looking.all_numbers(7), expected, atol=1e-4)
    looking.tab.click("[data-part=thumbs] button[aria-label^='L0.H2,']")
    looking.tab.click("[data-part=thumbs] button[aria-label^='L4.H1,']")  # the last one stays
    assert "Mean of L4.H1," in looking.tab.inner_text("[data-part=title]")
    looking.open(0, 1)
    assert not looking.tab.is_checked("[data-part=mean]")


def test_the_heading_counts_and_the_sentence_averages(looking: Looking) -> None:
    case = looking.show("causal")
    looking.open(0, 1)
    assert looking.tab.inner_text("[data-part=title]") == "L0.H1 in both models · 0.43 bits · 2nd of 6"
    delta = case.rows[1, 0, 1] - case.rows[0, 0, 1]
    mean = [np.mean([delta[q, k] for q in range(9) if case.seen[q, k]]) for k in range(9)]
    least, most = int(np.argmin(mean)), int(np.argmax(mean))
    said = looking.tab.inner_text("[data-part=moved]")
    lost = float(said.split(f"away from w{least} (\u2212")[1].split(")")[0])
    gained = float(said.split(f"towards w{most} (+")[1].split(")")[0])
    assert (lost, gained) == pytest.approx((-mean[least], mean[most]), abs=0.011)


def test_maps_share_one_scale_and_masked_cells_are_hatched(looking: Looking) -> None:
    case = looking.show("masked")
    weights = case.rows[:, 0, 0]
    for model, name in enumerate(("base", "tuned")):
        for query, key in ((4, 2), (8, 8), (7, 0)):
            level = weights[model, query, key] / weights.max()
            expected = np.array(SEQUENTIAL(round(255 * level), bytes=True)[:3], int)
            assert np.abs(expected - looking.color(name, query, key, (10, 10))).max() <= 12, (name, query, key)
        hatch = looking.color(name, 2, 6, (10, 10))
        # Grey: neither the white of a 0 nor a colour of the scale.
        assert 0xB0 <= min(hatch) <= max(hatch) < 0xFA
    assert looking.tab.inner_text("figure.base .end >> nth=1") == f"{weights.max():.2f}"
    assert looking.tab.inner_text("figure.tuned .end >> nth=1") == f"{weights.max():.2f}"
    far = np.abs(np.where(case.seen, weights[1] - weights[0], 0)).max()
    ends = looking.tab.eval_on_selector_all("figure.delta .end", "all => all.map(end => end.textContent)")
    assert ends == [f"\u2212{far:.2f}", f"+{far:.2f}"]
    under = looking.at("delta", 5, 3, (10, 10))
    assert under["text"].startswith("w5 \u2192 w3: base")
    np.testing.assert_allclose([float(under["base"]), float(under["tuned"])], weights[:, 5, 3], atol=1e-4)
    assert "nothing to show" in looking.at("delta", 2, 6, (10, 10))["text"]


def test_opening_heads_asks_the_server_nothing(looking: Looking) -> None:
    looking.show("plain")
    looking.tab.locator("[data-part=thumbs]").scroll_into_view_if_needed()
    looking.tab.wait_for_timeout(300)
    before = len(looking.requests)
    for layer in (0, 4):
        for head in range(3):
            looking.open(layer, head)
            assert looking.tab.inner_text("[data-part=title]").startswith(f"L{layer}.H{head} ")
    looking.tab.click("[data-part=thumbs] button[aria-label^='L0.H2,']")
    looking.tab.select_option("[data-part=layer]", label="L4")
    looking.tab.select_option("[data-part=head]", value="1")
    assert looking.tab.inner_text("[data-part=title]").startswith("L4.H1 ")
    looking.tab.click("[data-part=previous]")
    looking.tab.keyboard.press("[")
    looking.tab.keyboard.press("]")
    assert looking.tab.inner_text("[data-part=title]").startswith("L4.H0 ")
    looking.tab.wait_for_timeout(900)
    assert looking.requests[before:] == []


def test_rounded_numbers_become_exact_when_a_head_stays_open(looking: Looking) -> None:
    case = looking.show("many")
    looking.open(4, 1)
    assert "within 1/255" in looking.tab.inner_text("[data-part=said]")
    assert_linked(looking.numbers("query", 5), case.rows[:, 1, 1, 5], 1 / 255)
    looking.tab.wait_for_function("!document.querySelector('[data-part=said]').innerText.includes('1/255')")
    assert_linked(looking.numbers("query", 5), case.rows[:, 1, 1, 5], 1e-4)


def test_of_many_tokens_only_the_linked_are_listed(looking: Looking) -> None:
    case = looking.show("many")
    looking.open(0, 0)
    assert_linked(looking.numbers("query", 40), case.rows[:, 0, 0, 40], 1 / 255)
    shown = ".keys button", "all => all.filter(b => b.offsetParent).length"
    assert looking.tab.eval_on_selector_all(*shown) <= 16
    looking.pin("key", 3)
    assert looking.tab.eval_on_selector_all(*shown) == 90


def test_a_reduced_map_is_shown_until_the_exact_one_has_come(browser: Any, address: str) -> None:
    looking, case = Looking(browser, address), CASES["reduced"]
    rows, seen = case.reduced()
    looking.show("reduced")
    looking.tab.wait_for_selector("[data-part=lines]:not(.pending)")
    assert_linked(looking.numbers("query", 33), blanked(case, 0, 0)[:, 33], 1e-4)
    assert_linked(looking.numbers("key", 12), blanked(case, 0, 0)[:, :, 12], 1e-4)
    looking.context.set_offline(True)
    looking.open(4, 2)
    assert "a cell is 3" in looking.tab.inner_text("[data-part=said]")
    assert looking.tab.is_disabled("[data-part=sinks]")
    under = looking.at("base", 10, 4, rows.shape[3:])
    np.testing.assert_allclose([float(under["base"]), float(under["tuned"])], rows[:, 1, 2, 10, 4], atol=1 / 255)
    assert under["text"].startswith("30\u201332 w30 \u2192 12\u201314 w12")
    assert not seen[4, 10]
    assert "nothing to show" in looking.at("base", 4, 10, rows.shape[3:])["text"]
    looking.context.close()


def test_part_of_a_text_that_is_too_long_is_opened_by_a_click(browser: Any, address: str) -> None:
    visitor, case = Looking(browser, address), CASES["windowed"]
    visitor.tab.fill("#case input, #case textarea", "windowed")
    visitor.tab.press("#case input, #case textarea", "Enter")
    visitor.tab.wait_for_selector(".one-head[data-state=ready]")
    assert "Lines need exact numbers" in visitor.tab.inner_text("[data-part=lines] .wait")
    visitor.at("base", 20, 20, (24, 24))
    visitor.tab.mouse.down()
    visitor.tab.mouse.up()
    visitor.tab.wait_for_selector("[data-part=lines]:not(.pending)")
    start = int(visitor.tab.input_value("[data-part=from-query]"))
    assert start == 30  # 70 tokens, of which the last 40 may be asked for
    np.testing.assert_allclose(visitor.numbers("query", 7), blanked(case, 0, 0)[:, 37, 30:], atol=1e-4)
    visitor.tab.click("[data-part=whole]")
    assert "a cell is 3" in visitor.tab.inner_text("[data-part=said]")
    assert visitor.complaints == []
    visitor.context.close()


def test_without_a_file_every_head_is_asked_for(looking: Looking) -> None:
    case = looking.show("asked")
    np.testing.assert_allclose(looking.all_numbers(6), case.rows[:, 0, 0], atol=1e-4)
    looking.open(4, 2)
    looking.tab.wait_for_function("!document.querySelector('.one-head').classList.contains('pending')")
    np.testing.assert_allclose(looking.all_numbers(6), case.rows[:, 1, 2], atol=1e-4)
    assert looking.tab.is_hidden("[data-part=thumbs]")


def test_a_file_that_does_not_come_is_told_in_a_sentence(browser: Any, address: str) -> None:
    visitor = Looking(browser, address)
    visitor.show("lost", state="failed")
    assert "could not be fetched" in visitor.tab.inner_text(".one-head .failed")
    assert visitor.tab.is_visible("[data-part=again]")
    visitor.context.close()


def test_lines_by_keyboard(looking: Looking) -> None:
    looking.show("cross")
    looking.open(0, 0)
    looking.pin("query", 1)
    tab = looking.tab
    tab.focus("button[data-side=query][data-index='1']")
    tab.keyboard.press("ArrowDown")
    active = "[document.activeElement.dataset.side, document.activeElement.dataset.index]"
    chosen = "document.querySelector('.queries .chosen button').dataset.index"
    assert tab.evaluate(active) == ["query", "2"]
    assert tab.evaluate(chosen) == "2"
    tab.keyboard.press("Escape")
    assert (tab.evaluate(active), tab.evaluate(chosen)) == (["query", "1"], "1")
    tab.keyboard.press("End")
    tab.keyboard.press("Enter")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Escape")
    assert tab.evaluate(chosen) == "4"
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.dataset.side") == "key"
    assert tab.get_attribute("[data-part=lines]", "data-chosen") == "key"
    tab.focus("[data-part=layer]")
    assert tab.evaluate(chosen) == "4"
    assert tab.eval_on_selector_all(".queries button", "all => all.filter(b => b.tabIndex === 0).length") == 1


def test_names_of_tokens_say_their_strongest_links(looking: Looking) -> None:
    case = looking.show("cross")
    name = looking.tab.get_attribute("button[data-side=query][data-index='2']", "aria-label")
    base, tuned = (int(np.argmax(case.rows[model, 0, 0, 2])) for model in (0, 1))
    assert name.startswith("w2, query 3 of 5. Base looks at")
    assert f"Base looks at k{base} {case.rows[0, 0, 0, 2, base]:.2f}" in name
    assert f"tuned looks at k{tuned} {case.rows[1, 0, 0, 2, tuned]:.2f}" in name


def test_thumbnails_by_keyboard(looking: Looking) -> None:
    looking.show("plain")
    tab = looking.tab
    assert tab.get_attribute(".grid [aria-current]", "aria-label") == "L0.H0, 0.50 bits"
    tab.focus(".grid [aria-current]")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    assert tab.inner_text("[data-part=title]").startswith("L4.H1 ")
    assert tab.eval_on_selector_all(".grid button", "all => all.filter(b => b.tabIndex === 0).length") == 1


def test_gained_and_lost_are_told_without_colour(looking: Looking) -> None:
    case = looking.show("cross")
    looking.pin("query", 0)
    delta = case.rows[1, 0, 0, 0] - case.rows[0, 0, 0, 0]
    texts = looking.tab.eval_on_selector_all(".keys .delta", "all => all.map(n => n.textContent)")
    for text, change in zip(texts, delta, strict=True):
        assert ("\u25b2" in text, "\u25bc" in text) == (change > 0.005, change < -0.005)
    dashes = looking.tab.eval_on_selector_all(
        "[data-part=lines] path", "all => all.map(p => [p.className.baseVal, getComputedStyle(p).strokeDasharray])"
    )
    assert {name for name, _ in dashes} == {"base", "tuned"}
    assert all((dash == "none") == (name == "tuned") for name, dash in dashes)


def test_hostile_tokens_stay_text(looking: Looking) -> None:
    looking.show("hostile")
    for index in range(len(HOSTILE)):
        looking.pin("query", index)
        looking.at("base", index, 0, (len(HOSTILE), len(HOSTILE)))
    assert looking.tab.title() != "pwned"
    assert looking.tab.query_selector(".one-head img, .one-head b, .one-head script") is None
    shown = looking.tab.eval_on_selector_all(".keys bdi", "all => all.map(bdi => bdi.textContent)")
    assert shown[1:3] == ["{{x}}", "${document.title='pwne\u2026"]
    assert shown[3] == "U+202Eabc"
    assert shown[4] == "\U0001f600" * 11 + "\u2026"
    assert shown[5] == "\u2423"
    assert looking.tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_it_fits_and_can_be_read(browser: Any, address: str, theme: str, width: int) -> None:
    visitor = Looking(browser, address, theme, width)
    for name in ("plain", "many"):
        visitor.show(name)
        visitor.tab.locator("[data-part=thumbs]").scroll_into_view_if_needed()
        assert visitor.tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0
        assert broken_rules(visitor) == []
    assert visitor.complaints == []
    visitor.context.close()
