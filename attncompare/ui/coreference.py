"""Whom does a pronoun look at? One sentence, built in or typed, and lists of sentences from files, on demand."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.coreference_accuracy import CoreferenceMany
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.winograd import SENTENCES
from attncompare.models.checkpoint import LocalRule
from attncompare.report import coreference as numbers
from attncompare.report.tables import folded
from attncompare.report.words import limited_html, notes_html
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, controls, estimated, run, wired
from attncompare.ui.probing import BUILT_IN, MOST_SENTENCES, about_sentence, ask_coreference, ask_coreference_of_many
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE, PRIVATE

FORMATS = [
    ("The sentences above", BUILT_IN), ("WinoBias", "winobias"), ("Winogender", "winogender"), ("GAP", "gap"),
]  # fmt: skip

ABOUT = """<div class="tab-intro part" id="probe-coreference"><h2>Whom does the pronoun look at?</h2>
<p class="reading">In “The trophy would not fit into the brown suitcase because it was too large” it means the trophy. Here
is what the pronoun gives each candidate, head by head, before and after tuning. Then the two words change places, which
tells whether a head follows the word or the place where it stands.
<cite>Clark et al. 2019; Klein and Nabi 2019, Attention is (not) all you need for commonsense reasoning</cite></p></div>
"""

ABOUT_MANY = f"""<div class="tab-intro part"><h3>In many sentences</h3>
<p class="reading">How often does attention fall on the right candidate? Files of WinoBias, Winogender and GAP are read as
they are published (up to 1 MB and {MOST_SENTENCES:,} sentences here; the command line has no limit). A head that was
chosen among many is scored on sentences that it was not chosen on.</p></div>
"""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status."""
    if answer is None:
        return (gr.skip(),) * 5
    return estimated(answer, 4 + 2 * len(SENTENCES)), gr.update(visible=False), *IDLE, ""


def pick(number: int | None) -> tuple[Any, ...]:
    """A built-in sentence: updates of sentence, pronoun and candidates."""
    if number is None:
        return (gr.skip(),) * 3
    picked = SENTENCES[number]
    return picked.text, picked.pronoun, ", ".join(picked.candidates)


def look(local: LocalRule, answer: Answer, sentence: str, pronoun: str, candidates: str) -> Iterator[tuple[Any, ...]]:
    """Ask: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers."""
    named = [one.strip() for one in (candidates or "").split(",") if one.strip()]
    yield from run(
        lambda progress: ask_coreference(
            about_sentence(answer.question, sentence or ""), local, progress, pronoun or "", named,
            _right(sentence or answer.question.text, named),
        ),
        show,
        3,
    )  # fmt: skip


def _right(text: str, named: Sequence[str]) -> str | None:
    """The candidate that is known to be right in a built-in sentence."""
    known = next((one.correct for one in SENTENCES if one.text == text.strip()), None)
    return known if known in named else None


def show(found: Coreference) -> tuple[Any, ...]:
    """Updates of findings, picture and numbers."""
    return (
        limited_html(found.answers) + notes_html(found.notes),
        shown("coreference", plots.coreference(found), plots.coreference_alt(found)),
        folded("Numbers: candidates and heads", numbers.coreference(found)),
    )


def count(local: LocalRule, answer: Answer, format: str, files: list[str] | None) -> Iterator[tuple[Any, ...]]:
    """Ask about many: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers."""
    yield from run(
        lambda progress: ask_coreference_of_many(answer.question, local, progress, format, files or []),
        show_many,
        3,
    )


def show_many(found: CoreferenceMany) -> tuple[Any, ...]:
    """Updates of findings, picture and numbers."""
    return (
        limited_html(found.answers),
        shown("coreference-many", plots.coreference_many(found), plots.coreference_many_alt(found)),
        folded("Numbers: accuracies", numbers.coreference_of_many(found)),
    )


def coreference_part(states: States, local: LocalRule) -> None:
    """The part of a tab: one sentence, and below it many."""
    gr.HTML(ABOUT)
    fields = _fields()
    buttons = controls("coreference-look", "Look")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="coreference-answer")
        picture = gr.Image(elem_id="coreference", **PICTURE)
        take_row("coreference", whole("coreference", plots.coreference), [states.coreference])
        table = gr.HTML(elem_id="coreference-numbers")
    shows = [said, picture, table]
    wired(buttons, states.settled, states.coreference, partial(look, local), fields, shows, results, start)
    _many(states, local)


def _fields() -> list[gr.Textbox]:
    """Sentence, pronoun and candidates, filled by a built-in sentence until somebody types others."""
    choices = [(sentence.text, number) for number, sentence in enumerate(SENTENCES)]
    built = gr.Dropdown(choices, value=0, label="A sentence to begin with", elem_id="coreference-built-in")
    first = SENTENCES[0]
    sentence = gr.Textbox(
        first.text,
        label="Sentence",
        info="Empty: the text that was compared.",
        lines=2,
        max_lines=4,
        elem_id="coreference-text",
    )
    with gr.Row(elem_classes=["controls"]):
        pronoun = gr.Textbox(
            first.pronoun,
            label="Pronoun",
            info="As it stands in the sentence; it@2 is the second “it”.",
            max_lines=1,
            elem_id="coreference-pronoun",
            min_width=240,
        )
        candidates = gr.Textbox(
            ", ".join(first.candidates),
            label="Candidates",
            info="Whom it may mean: two or more words of the sentence, with commas between.",
            max_lines=1,
            elem_id="coreference-candidates",
            min_width=240,
        )
    fields = [sentence, pronoun, candidates]
    built.input(pick, built, fields, queue=False, **PRIVATE)
    return fields


def _many(states: States, local: LocalRule) -> None:
    gr.HTML(ABOUT_MANY)
    with gr.Row(elem_classes=["controls"]):
        format = gr.Radio(FORMATS, value=BUILT_IN, label="Which sentences", elem_id="coreference-format", min_width=280)
        files = gr.File(label="Files of that format", file_count="multiple", elem_id="coreference-files", height=120)
    buttons = controls("coreference-count", "Count")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="coreference-many-answer")
        picture = gr.Image(elem_id="coreference-many", **PICTURE)
        take_row("many sentences", whole("coreference-many", plots.coreference_many), [states.coreference_many])
        table = gr.HTML(elem_id="coreference-many-numbers")
    shows = [said, picture, table]
    wired(
        buttons,
        states.settled,
        states.coreference_many,
        partial(count, local),
        [format, files],
        shows,
        results,
        start,
    )
