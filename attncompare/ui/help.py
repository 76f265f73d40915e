"""How to read this: the words of the page, and the patterns of attention shown by the visitor's own heads.

The examples are looked for when the fold is opened: from the kept trace that takes a moment.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.models.checkpoint import LocalRule
from attncompare.report.words import marked
from attncompare.ui.failures import failure
from attncompare.ui.files import shown
from attncompare.ui.probing import ask_class_examples
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import DRAWING, PICTURE, PRIVATE
from attncompare.ui.verdict import error_html, progress_html
from attncompare.ui.work import Step, follow

MAP = """<section class="help"><h3>Reading a map</h3>
<p>A <b>row</b> of attention is one token looking at the others (a query); a column is a token looked at (a key). A row sums
to 1. Hatched cells are masked: the token may not look there. <b>Delta</b> is always tuned minus base: red gained attention,
blue lost it. Models whose tokenizers differ are compared by the stretches of text that both share; words can be asked for.
Merging tokens changes the numbers, so compare them only with others of the same kind.</p>
<h3>Divergence</h3>
<p>The Jensen-Shannon divergence of a head's rows in base and tuned, in bits: 0 is no change, 1 is rows that have nothing in
common. It is a mean over the rows of this one text, and it grows with the length of the text even between heads that have
nothing to do with each other: compare texts of similar length.</p>
<h3>Sinks</h3>
<p>Tokens such as [CLS], [SEP] or the first one, where attention goes that has nothing better to do. Mass that moves to or
from a sink often changes little; mass that moves between content tokens is the part to look at.</p></section>"""

PATTERNS = """<section class="help"><h3>Patterns</h3>
<p>Most maps are one of a few shapes. A <b>diagonal</b>: each token looks at itself or a neighbour, so the head keeps track
of positions and order. A <b>vertical line</b>: all tokens look at one token, a sink that takes spare attention or a
keyword. <b>Blocks</b>: tokens look within their own segment, a clause or one text of two. <b>Broad</b>: attention is
spread about evenly. A head that is none of them, <b>heterogeneous</b>, answers to what the text says. The examples are
heads of your tuned model, of each class the one that stands furthest inside it.
<a href="#probe-patterns" data-go-tab="probes" data-go-to="probe-patterns">Which pattern is each head?</a>
<cite>Kinds of Kovaleva et al. 2019, Revealing the dark secrets of BERT; the rules are ours</cite></p></section>"""

REST = """<section class="help"><h3>Floors</h3>
<p>What a divergence would be without any training: the same weights in other arithmetic, and random changes of the weights
that are as large as the tuning's. A head that stays within them has shown nothing. A random change is not another training
run: what differs between trainings (seeds) is the better yardstick, where there are some. One text is an anecdote: a head
that stands above its floor on this text need not on another. <a href="#real" data-go-tab="real">Measure the floors</a>, or
<a href="#several" data-go-tab="several">try several texts</a>.</p>
<h3>Attention is not an explanation</h3>
<p>A head can look hard at a token that it copies nothing from, and a head that moved far need not matter to the answer.
Pictures of attention say what changed, not why, nor that it mattered. The way to check it is to intervene: swap heads
between the models, or switch them off, and watch the answer.
<a href="#matters" data-go-tab="matters">Does it matter?</a></p>
<p><b>Attribution</b> says by how much each token moves the answer, measured against a baseline; another baseline gives other
numbers. Where a head's attention agrees with it, the head looks where the answer rests, which is no proof that it is why.
<b>Borrowed head</b>: a base without a head for the task answers under the tuned model's. Its order of tokens or heads can be
compared with the tuned model's; the sizes of its numbers can not.</p></section>"""

WAITING = '<p class="waiting">Press Compare: your own heads will stand here as examples.</p>'

CROSSED = '<p class="reading">Cross-attention has no such patterns: switch to the encoder or the decoder.</p>'


def draw(local: LocalRule, answer: Answer | None, found: PatternClasses | None) -> Iterator[tuple[Any, ...]]:
    """The fold was opened: updates of what was found, what is said, results and picture; nothing if it is there already."""
    if answer is None or found is not None:
        yield gr.skip()  # a handler that gives nothing would empty its outputs
        return
    if answer.comparison.attention == "cross":
        yield None, CROSSED, gr.update(visible=False), gr.skip()
        return

    def busy(step: Step) -> tuple[Any, ...]:
        return gr.skip(), progress_html(step), gr.skip(), gr.skip()

    try:
        made = yield from follow(lambda progress: ask_class_examples(answer.question, local, progress), busy)
        picture = shown("patterns", plots.class_examples(made), plots.class_examples_alt(made))
        yield made, said_html(made), gr.update(visible=True), picture
    except Exception as error:
        failed = failure(error)
        yield None, error_html(failed.sentence), gr.skip(), gr.skip()
        raise failed.toast() from None


def renew(local: LocalRule, answer: Answer | None, unfolded: bool) -> Iterator[tuple[Any, ...]]:
    """A new answer: the examples are of another text; they are looked for again where the fold is open."""
    if answer is None:
        yield gr.skip()  # a handler that gives nothing would empty its outputs
        return
    yield None, "", gr.update(visible=False), gr.update(value=None)
    if unfolded:
        yield from draw(local, answer, None)


def said_html(found: PatternClasses) -> str:
    """What each example shows."""
    items = "".join(
        f"<li>{marked(f'{name}: {one.name}, {found.more(name, one)}')}</li>" for name, one in found.examples
    )
    return f'<ul class="help found">{items}</ul>'


def offered(found: PatternClasses | None, opened: str) -> Take | None:
    """The examples as files."""
    if found is None:
        return None
    return Take("patterns", lambda: plots.class_examples(found), found.frame, found.to_dict)


def help_part(states: States, local: LocalRule) -> None:
    """The fold at the end of the page."""
    answer = states.settled
    found, unfolded = gr.State(), gr.State(False)
    with gr.Accordion("How to read this", open=False, elem_id="how") as fold:
        gr.HTML(MAP)
        gr.HTML(PATTERNS)
        said = gr.HTML(WAITING, elem_id="patterns-answer")
        with gr.Column(visible=False) as results:
            picture = gr.Image(elem_id="patterns", **PICTURE)
            take_row("patterns", offered, [found])
        gr.HTML(REST)

    shows = [found, said, results, picture]
    opening = fold.expand(partial(draw, local), [answer, found], shows, **DRAWING)
    fold.expand(lambda: True, None, unfolded, queue=False, **PRIVATE)
    fold.collapse(lambda: False, None, unfolded, queue=False, **PRIVATE)
    answer.change(partial(renew, local), [answer, unfolded], shows, cancels=[opening], **DRAWING)
