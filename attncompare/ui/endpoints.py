"""The named endpoints: stateless, typed, documented; a dict first, then pictures.

Gradio reads types from the annotations themselves, so this module must not postpone their evaluation. It enforces none of
them: what comes in is checked here, in :mod:`attncompare.ui.reading` and in :mod:`attncompare.ui.questions`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import gradio as gr

from attncompare import plots
from attncompare.analyses.maps import Window
from attncompare.attention import Progress
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.failures import failure
from attncompare.ui.files import picture
from attncompare.ui.measuring import drawn, sent_measuring
from attncompare.ui.questions import Question, ask_comparison, ask_head, ask_noise, ask_reach, ask_rollout, question
from attncompare.ui.reading import sent_reading, whole

ONE_BY_ONE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}


def endpoints(local: LocalRule) -> None:
    """Add ``/compare``, ``/head``, ``/rollout``, ``/reach`` and ``/noise`` to the page being built."""
    for endpoint in (_compare, _head, _rollout, _reach, _noise):
        function = endpoint(local)
        gr.api(function, api_name=function.__name__, **ONE_BY_ONE)


def _compare(local: LocalRule) -> Callable[..., Any]:
    def compare(
        base: str = "",
        tuned: str = "",
        text: str = "",
        level: Literal["auto", "token", "word"] = "auto",
        reading: dict | None = None,
        floor: int = 0,
    ) -> tuple[dict, gr.FileData, gr.FileData, gr.FileData]:
        """Compare the attention of two checkpoints on a text, head by head.

        Args:
            base: Hub id of the base, a checkpoint or an adapter, org/name or org/name@revision; empty for the tuned
                adapter's own or the embedded pair's.
            tuned: Hub id of the tuned checkpoint or adapter; empty for the embedded pair's.
            text: What both models read; the source of an encoder-decoder.
            level: auto (tokens where both models read the same, else what both tokenizers share), token or word.
            reading: How the text is read, any of: text_pair (second text), target (of an encoder-decoder), chat (true: in
                the chat template), generate (by, max_new_tokens up to 256, temperature, seed), attention (self, decoder,
                cross), level.
            floor: Random changes of the weights, 3 to 199, that every head is held against; 0 measures no floor.

        Returns:
            The comparison (schema_version 1), and PNG pictures of heads, layers and movers.
        """
        with errors_as_text():
            asked, draws = _leveled(base, tuned, text, level, reading), _floor(floor)
            result = ask_comparison(asked, local, reported(), draws).comparison
            drawn = {"heads": plots.heads, "layers": plots.layers, "movers": plots.movers}
            return result.to_dict(), *(sent(name, draw(result)) for name, draw in drawn.items())

    return compare


def _head(local: LocalRule) -> Callable[..., Any]:
    def head(
        base: str = "",
        tuned: str = "",
        text: str = "",
        layer: int = 0,
        head: int = 0,
        reading: dict | None = None,
        queries: list[int] | None = None,
        keys: list[int] | None = None,
    ) -> tuple[dict, gr.FileData]:
        """One attention head in both models: base, tuned and delta maps, query by key.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare.
            layer: Layer, by the model's own number, counted from 0.
            head: Head, counted from 0.
            reading: As in /compare.
            queries: Part of the text to show, [start, stop], stop left out; null for all.
            keys: The same for the keys.

        Returns:
            The maps (null where a query may not look), and a PNG picture of them.
        """
        with errors_as_text():
            place = whole("layer", layer), whole("head", head)
            windows = window("queries", queries), window("keys", keys)
            asked = question(base, tuned, text, sent_reading(reading))
            maps = ask_head(asked, local, reported(), *place, *windows)
            return maps.to_dict(), sent("head", plots.head(maps))

    return head


def _rollout(local: LocalRule) -> Callable[..., Any]:
    def rollout(
        base: str = "",
        tuned: str = "",
        text: str = "",
        token: int | None = None,
        reading: dict | None = None,
        layers: int | None = None,
    ) -> tuple[dict, gr.FileData]:
        """Attention rollout of both models: the share of each input token in each output token.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare.
            token: Output token to follow, counted from 0; left out, all of them (or one, above 512 tokens).
            reading: As in /compare; cross-attention has no rollout.
            layers: How many of the layers that attend are multiplied, counted from the input; left out, all.

        Returns:
            The rollout (rows sum to 1; delta is tuned minus base), and a PNG picture of it.
        """
        with errors_as_text():
            chosen = None if token is None else whole("token", token)
            deep = None if layers is None else whole("layers", layers)
            asked = question(base, tuned, text, sent_reading(reading))
            routes = ask_rollout(asked, local, reported(), chosen, deep)
            return routes.to_dict(), sent("rollout", plots.rollout(routes))

    return rollout


def _reach(local: LocalRule) -> Callable[..., Any]:
    def reach(base: str = "", tuned: str = "", text: str = "", reading: dict | None = None) -> tuple[dict, gr.FileData]:
        """How far the heads look: near, mid and far mass in both models, and the strongest far links.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare.
            reading: As in /compare; cross-attention has no distances.

        Returns:
            Each head's shares and the links, and a PNG picture of them.
        """
        with errors_as_text():
            asked = question(base, tuned, text, sent_reading(reading))
            found = ask_reach(asked, local, reported())
            return found.to_dict(), sent("reach", plots.reach(found))

    return reach


def _noise(local: LocalRule) -> Callable[..., Any]:
    def noise(
        base: str = "",
        tuned: str = "",
        text: str = "",
        draws: int = 39,
        seed: int = 0,
        replicates: list[str] | None = None,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData]:
        """What divergence is measured by: every head beside random changes of the weights of the same size, which are not
        training noise, and beside other trainings, which are.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare.
            draws: Random changes, 3 to 199; fewer than 19 leave nothing to test by.
            seed: The same seed, the same changes.
            replicates: Hub ids of other trainings of the same base, at most 3; null for none.
            reading: As in /compare.

        Returns:
            Each head's divergence and floors, and a PNG picture of them.
        """
        with errors_as_text():
            measuring = sent_measuring(draws, seed, replicates)
            asked = question(base, tuned, text, sent_reading(reading))
            found = ask_noise(asked, local, reported(), measuring)
            return found.to_dict(), sent("noise", plots.noise(found))

    return noise


def _leveled(base: Any, tuned: Any, text: Any, level: Any, reading: Any) -> Question:
    """The question; its level may stand in either place, but not two of them."""
    if not isinstance(level, str):
        raise BadInput(f"Expected level to be a string, got {type(level).__name__}.")
    asked = question(base, tuned, text, sent_reading(reading))
    also = asked.reading.get("level", level)
    if level not in ("auto", also):
        raise BadInput(f"Expected one level, got {level!r:.80} and, in reading, {also!r:.80}: leave one of them out.")
    return question(base, tuned, text, {**asked.reading, "level": also})


def _floor(value: Any) -> int | None:
    """How many random changes; None for no floor."""
    return None if whole("floor", value) == 0 else drawn("floor", value)


def window(name: str, value: Any) -> Window | None:
    """A part of the text as a client sends it; whether the text has it is found later.

    Raises:
        BadInput: it is no pair of whole numbers.
    """
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise BadInput(f"Expected {name} to be [start, stop] or null, got {value!r:.80}.")
    start, stop = (whole(name, end) for end in value)
    return start, stop


def sent(name: str, figure: Any) -> gr.FileData:
    """The figure as a file for a client."""
    return gr.FileData(path=picture(name, figure), orig_name=f"{name}.png", mime_type="image/png")


def reported() -> Progress:
    """Progress as the client's job status shows it."""
    bar = gr.Progress()  # gradio finds the running event by itself, but only if this is made inside the function

    def tell(step: str, done: int, total: int) -> None:
        bar((done, total) if total else None, desc=step)

    return tell


@contextmanager
def errors_as_text() -> Iterator[None]:
    """Whatever is raised inside reaches the client as one sentence."""
    try:
        yield
    except Exception as error:
        raise failure(error).message() from None
