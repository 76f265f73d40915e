"""One head in both models: which head, which part of a long text, and its maps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.maps import Window
from attncompare.errors import BadInput, TraceGone
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.failures import failure
from attncompare.ui.files import shown
from attncompare.ui.questions import Answer, ask_head
from attncompare.ui.reading import whole
from attncompare.ui.theme import PICTURE
from attncompare.ui.verdict import error_html, progress_html
from attncompare.ui.work import Step, follow

WINDOWED = 128
"""Above so many tokens a part of the text can be chosen, where every token has a row of its own."""

ABOUT = """<div class="tab-intro"><h2>One head in both models</h2>
<p class="reading">Click a cell of the grid, or choose a layer and a head here.</p></div>"""

ABOUT_WINDOW = """<p class="reading">A long text: choose which queries and which keys the maps show, by token number. The
numbers of a head are for the whole text, whatever the maps show.</p>"""


@dataclass(frozen=True)
class HeadForm:
    """The widgets of the section."""

    layer: gr.Dropdown
    head: gr.Dropdown
    part: gr.Group
    window: tuple[gr.Number, gr.Number, gr.Number, gr.Number]
    show: gr.Button
    reset: gr.Button
    status: gr.HTML
    maps: gr.Image

    @property
    def asking(self) -> list[Any]:
        """Inputs of :func:`draw` after the answer."""
        return [self.layer, self.head, *self.window]

    @property
    def starting(self) -> list[Any]:
        """Outputs of :func:`start`."""
        return [self.layer, self.head, self.part, *self.window]


def start(answer: Answer) -> tuple[Any, ...]:
    """A new answer: choices of layer and head, the head that moved most chosen, and the whole text as window."""
    result = answer.comparison
    layer, head = answer.first
    heads = result.metric("jsd_bits").shape[1]
    long = max(len(result.tokens), len(result.key_tokens)) > WINDOWED
    return (
        gr.update(choices=[(f"L{i}", i) for i in result.layers], value=layer),
        gr.update(choices=[(f"H{i}", i) for i in range(heads)], value=head),
        gr.update(visible=long),
        *everything(answer),
    )


def everything(answer: Answer | None) -> tuple[Any, ...]:
    """Updates of the window's numbers: the whole text."""
    if answer is None:
        return (gr.skip(),) * 4
    lasts = [len(tokens) - 1 for tokens in (answer.comparison.tokens, answer.comparison.key_tokens)]
    return tuple(gr.update(value=value, maximum=last) for last in lasts for value in (0, last))


def draw(local: LocalRule, answer: Answer | None, layer: int, head: int, *window: Any) -> Iterator[tuple[Any, Any]]:
    """One head's maps: updates of the picture and of the status. ``window`` is as typed; none is the whole text."""
    kept = gr.skip()

    def busy(step: Step) -> tuple[Any, Any]:
        return kept, progress_html(step)

    if answer is None:
        return
    try:
        queries, keys = _windows(answer, window)
        try:
            maps = answer.comparison.head(layer, head, queries=queries, keys=keys)
        except TraceGone:  # a long text, or one of a while ago: the models read it again
            question = answer.question
            maps = yield from follow(lambda told: ask_head(question, local, told, layer, head, queries, keys), busy)
        yield shown(f"head-{maps.name}", plots.head(maps), plots.head_alt(maps)), ""
    except Exception as error:
        failed = failure(error)
        yield kept, error_html(failed.sentence)
        raise failed.toast() from None


def _windows(answer: Answer, typed: tuple[Any, ...]) -> tuple[Window | None, Window | None]:
    if not typed:
        return None, None
    result = answer.comparison
    return _window("Queries", typed[:2], len(result.tokens)), _window("Keys", typed[2:], len(result.key_tokens))


def _window(name: str, typed: tuple[Any, ...], length: int) -> Window:
    """First and last token, as typed, as a window that stops before its end."""
    first, last = typed
    if first is None or last is None or not 0 <= first <= last < length:
        raise BadInput(
            f"{name}: give the numbers of a first and a last token, 0 to {length - 1}, the first not after the last."
        )
    return whole("first", first), whole("last", last) + 1


def head_form() -> HeadForm:
    """The section."""
    with gr.Row(elem_classes=["controls"]):
        gr.HTML(ABOUT, scale=3)
        layer = gr.Dropdown([("L0", 0)], value=0, label="Layer", interactive=True, elem_id="layer", min_width=110)
        head = gr.Dropdown([("H0", 0)], value=0, label="Head", interactive=True, elem_id="head", min_width=110)
    with gr.Column(visible=False, elem_id="window") as part:
        gr.HTML(ABOUT_WINDOW)
        with gr.Row(elem_classes=["controls"]):
            window = tuple(
                gr.Number(
                    label=f"{axis}: {end} token", precision=0, minimum=0, elem_id=f"{end}-{axis.lower()}", min_width=120
                )
                for axis in ("Queries", "Keys")
                for end in ("first", "last")
            )
            show = gr.Button("Show this part", elem_id="show-window", scale=0, min_width=180, size="md")
            reset = gr.Button("Whole text", elem_id="whole-text", scale=0, min_width=130, size="md")
    status = gr.HTML(elem_id="head-status")
    maps = gr.Image(elem_id="maps", **PICTURE)
    return HeadForm(layer, head, part, window, show, reset, status, maps)  # type: ignore[arg-type]
