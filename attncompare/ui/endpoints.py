"""The named endpoints: stateless, typed, documented; a dict first, then pictures.

Gradio reads types from the annotations themselves, so this module must not postpone their evaluation. It enforces none of
them: what comes in is checked here and in :mod:`attncompare.ui.questions`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import gradio as gr

from attncompare import plots
from attncompare.attention import Progress
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.files import picture
from attncompare.ui.questions import ask_comparison, ask_head, ask_rollout, failure, question

ONE_BY_ONE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}


def endpoints(local: LocalRule) -> None:
    """Add ``/compare``, ``/head`` and ``/rollout`` to the page being built."""

    def compare(
        base: str = "", tuned: str = "", text: str = "", level: Literal["auto", "token"] = "auto"
    ) -> tuple[dict, gr.FileData, gr.FileData, gr.FileData]:
        """Compare the attention of two checkpoints on a text, head by head.

        Args:
            base: Hub id of the base, org/name or org/name@revision; empty for the adapter's own or the embedded pair's.
            tuned: Hub id of the tuned checkpoint or LoRA adapter; empty for the embedded pair's.
            text: What both models read.
            level: auto or token, which are the same while both models share their tokens.

        Returns:
            The comparison (schema_version 1), and PNG pictures of heads, layers and movers.
        """
        with errors_as_text():
            answer = ask_comparison(question(base, tuned, text), local, reported(), level)
            result = answer.comparison
            drawn = {"heads": plots.heads, "layers": plots.layers, "movers": plots.movers}
            return result.to_dict(), *(sent(name, draw(result)) for name, draw in drawn.items())

    def head(
        base: str = "", tuned: str = "", text: str = "", layer: int = 0, head: int = 0
    ) -> tuple[dict, gr.FileData]:
        """One attention head in both models: base, tuned and delta maps, query by key.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: What both models read.
            layer: Layer, counted from 0.
            head: Head, counted from 0.

        Returns:
            The maps (null where a query may not look), and a PNG picture of them.
        """
        with errors_as_text():
            place = whole("layer", layer), whole("head", head)
            maps = ask_head(question(base, tuned, text), local, reported(), *place)
            return maps.to_dict(), sent("head", plots.head(maps))

    def rollout(base: str = "", tuned: str = "", text: str = "", token: int | None = None) -> tuple[dict, gr.FileData]:
        """Attention rollout of both models: the share of each input token in each output token.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: What both models read.
            token: Output token to follow, counted from 0; left out, all of them (or one, above 512 tokens).

        Returns:
            The rollout (rows sum to 1; delta is tuned minus base), and a PNG picture of it.
        """
        with errors_as_text():
            chosen = None if token is None else whole("token", token)
            routes = ask_rollout(question(base, tuned, text), local, reported(), chosen)
            return routes.to_dict(), sent("rollout", plots.rollout(routes))

    for function in (compare, head, rollout):
        gr.api(function, api_name=function.__name__, **ONE_BY_ONE)


def whole(name: str, value: Any) -> int:
    """The value, if it is a whole number; true and false are none.

    Raises:
        BadInput: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise BadInput(f"Expected {name} to be a whole number, got {value!r:.80}.")
    return int(value)


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
