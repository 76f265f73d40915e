"""Several texts: the same pair on a short list of texts, on demand, as small multiples on one scale."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.several import FEWEST, MOST, TOP, Several
from attncompare.attention import head_name
from attncompare.models.checkpoint import LocalRule
from attncompare.report.tables import folded, table_html
from attncompare.report.words import limited_html
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import examples, shown
from attncompare.ui.on_demand import IDLE, RUNNING, answered, cancelled, controls, run
from attncompare.ui.questions import Answer, ask_several
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, UNSEEN

LISTED = 20
"""Heads in the table; the files hold all."""

SHORT = 200
"""Characters of an example that is offered here."""

WAITING = (
    '<p class="waiting">Press Compare: the same two models can then be compared on a list of texts here, in one go.</p>'
)

ABOUT = f"""<div class="tab-intro"><h2>Several texts</h2>
<p class="reading">One text is an anecdote. Give {FEWEST} to {MOST}, one a line: the pair compared above reads each of them
in the same way, and every text gets its grid of heads, all on one scale. Look for heads that move on most of them.</p></div>
"""


def start(answer: Answer | None, found: Several | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, what was found, results, run, cancel and status.

    What was found about the same pair, read in the same way, stays.
    """
    if answer is None:
        return (gr.skip(),) * 7
    if found is not None and _same_pair(answer, found):
        return *OPENED, gr.skip(), gr.skip(), *IDLE, ""
    return *OPENED, None, gr.update(visible=False), *IDLE, ""


def _same_pair(answer: Answer, found: Several) -> bool:
    glance, result = found.glances[0], answer.comparison
    known = (glance.base, glance.tuned, glance.about, glance.layers)
    return known == (result.base.id, result.tuned.id, result.about, result.layers)


def ask(local: LocalRule, answer: Answer, lines: str | None) -> Iterator[tuple[Any, ...]]:
    """Compare on every line: the record, then updates as :func:`attncompare.ui.on_demand.run` of what is shown."""
    texts = [line.strip() for line in (lines or "").splitlines() if line.strip()]
    yield from run(lambda progress: ask_several(answer.question, texts, local, progress), show, 3)


def show(found: Several) -> tuple[Any, ...]:
    """Updates of answers, picture and tables."""
    with shown_errors():
        return (
            limited_html(found.answers),
            shown("several", plots.several(found), plots.several_alt(found)),
            texts_html(found) + numbers_html(found),
        )


def texts_html(found: Several) -> str:
    """Every text in full, with its length, its most moved head and both answers."""
    rows = []
    for number, glance in enumerate(found.glances, 1):
        top = ", ".join(f"{glance.name(*cell)} ({glance.bits[cell]:.2g})" for cell in glance.most(1)) or "none"
        sides = (glance.outputs.base, glance.outputs.tuned)
        said = [f"{side[0][0]} ({side[0][1]:.2f})" if side else "–" for side in sides]
        rows.append([f"{number}. {glance.text}", str(glance.tokens), top, *said])
    columns = ["text", "positions", "moved most (bits)", "base says", "tuned says"]
    return folded("The texts and the answers", table_html("The texts, and what both models answer", columns, rows))


def numbers_html(found: Several) -> str:
    """Divergence of the heads on each text, largest mean first."""
    frame = found.frame().head(LISTED)
    rows = [
        [head_name(int(layer), int(head)), *(f"{bits:.3f}" for bits in numbers)]
        for layer, head, *numbers in frame.itertuples(index=False)
    ]
    columns = ["head", "mean", *(f"text {i}" for i in range(1, len(found.glances) + 1))]
    said = f"Divergence in bits: the {len(rows)} heads with the largest mean of {found.bits[0].size}"
    return folded("Numbers: divergence of the heads", table_html(said, columns, rows))


def offered(found: Several | None, opened: str) -> Take | None:
    """What was found, as files."""
    if found is None:
        return None
    return Take("several-texts", lambda: plots.several(found), found.frame, found.to_dict)


def _short_examples() -> str:
    texts = (sample["text"] for sample in examples())
    return "\n".join([text for text in texts if len(text) <= SHORT][:MOST])


def several_tab(states: States, local: LocalRule) -> None:
    """The tab; it compares when it is asked to."""
    answer = states.settled
    with gr.Tab("Several texts", id="several", elem_id="tab-several"):
        found = gr.State()
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            lines = gr.Textbox(
                _short_examples(),
                label="Texts",
                info=f"One a line, {FEWEST} to {MOST}. The {TOP} most moved heads of each are counted.",
                lines=5,
                max_lines=MOST,
                elem_id="several-texts",
            )
            buttons = controls("compare-several", "Compare these")
            with gr.Column(visible=False) as results:
                said = gr.HTML(elem_id="several-answer")
                picture = gr.Image(elem_id="several", **PICTURE)
                take_row("several texts", offered, [found])
                tables = gr.HTML(elem_id="several-numbers")

    shows = [found, said, picture, tables, results, *buttons.ending]
    ran = buttons.go.click(answered(partial(ask, local)), [answer, lines], shows, **RUNNING)
    starting = [waiting, content, found, results, *buttons.ending]
    answer.change(start, [answer, found], starting, cancels=[ran], **DRAWING)
    stops(buttons.stop, [ran], cancelled, None, buttons.ending)
