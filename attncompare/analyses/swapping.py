"""Putting the heads of one model into the other, one at a time, and reading the answer again."""

from typing import Unpack

from attncompare.analyses.ablation import one_by_one, parted
from attncompare.analyses.asking import asked, require_choice, source
from attncompare.analyses.divergence import Divergences
from attncompare.analyses.patching import SMALLEST_GAP, Patching, Swapped
from attncompare.attention import Progress, unheard
from attncompare.errors import PairMismatch
from attncompare.models import edits
from attncompare.models.interventions import Clean, Interventions
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout
from attncompare.models.traces import walk


def patching(
    pair: Pair,
    text: str,
    *,
    what: Swapped = "pattern",
    answer: str | None = None,
    against: str | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Patching:
    """Put every head of each model into the other, one at a time, then every layer, then all; no model is modified.

    What is put in comes from the other model's own pass over the same text (activation patching across models, as in Prakash
    et al. 2024, CMAP; of patterns as in Vig et al. 2020). A share of the gap is given only where the two readouts differ by
    at least 0.05.

    Args:
        pair: the models. text: what both read; ``reading`` says how, as in :func:`attncompare.compare`.
        what: ``"pattern"``, where a head looks, at the values of the model that it is put into; or ``"output"``, all that it
            gives.
        answer: a class or a next token that the models are asked about; the tuned model's likeliest if not given.
        against: another one, whose logit is taken off.
        progress: called between batches, may raise to stop.

    Raises:
        BadInput: as compare; no such thing to swap, class or token. PairMismatch: the models' outputs can't be compared, or
            they read different tokens. UnsupportedModel: their attention can be read but not changed.
    """
    require_choice("part of a head to swap,", what, Swapped)
    tell = progress or unheard
    question, readout = asked(pair, text, answer, against, progress, **reading)
    require_same_tokens(question)
    divergences = Divergences(question)
    walk(pair, question, divergences.visit, progress)
    base, tuned = (Interventions(pair, question, side, readout) for side in (pair.base, pair.tuned))
    require_same_shapes(base.clean, tuned.clean)
    wanted = one_by_one(len(question.stack.layers), question.stack.heads)
    swap = edits.pattern if what == "pattern" else edits.output
    rows, total = len(wanted), 3 * len(wanted)
    found = {
        "into_base": base.effects(wanted, swap(tuned.clean), tell, 0, total),
        "into_tuned": tuned.effects(wanted, swap(base.clean), tell, rows, total),
    }
    without = {"tuned": tuned.effects(wanted, edits.zero, tell, 2 * rows, total)}
    return Patching(
        source=source(pair, question),
        about=question.about,
        readout=readout,
        what=what,
        layers=question.stack.layers,
        jsd_bits=divergences.bits(),
        outputs={"base": base.output, "tuned": tuned.output},
        **parted(found, question),
        critical=parted(without, question)["heads"]["tuned"],
        notes=_remarks(readout, base.output, tuned.output),
    )


def _remarks(readout: Readout, base: float, tuned: float) -> tuple[str, ...]:
    said = []
    if readout.base_head == "borrowed":
        said.append("The base answers under the tuned model's output head (borrowed), in both directions.")
    if abs(tuned - base) < SMALLEST_GAP:
        said.append(
            f"The two models' readouts differ by {abs(tuned - base):.2g} {readout.unit}, less than {SMALLEST_GAP}: effects "
            "are given, but no shares of so small a gap."
        )
    return tuple(said)


def require_same_tokens(question: PairText) -> None:
    """Raises PairMismatch unless both models read the same ids."""
    if (question.base.ids, question.base.target_ids) != (question.tuned.ids, question.tuned.target_ids):
        raise PairMismatch(
            "The two models read this text as different tokens, so a head of one can't be put into the other: attribution, "
            "erasure and ablation remain."
        )


def require_same_shapes(base: Clean, tuned: Clean) -> None:
    """Raises PairMismatch unless a head of one model gives as many numbers as the other's."""
    if any(base.outputs[at].shape != tuned.outputs[at].shape for at in base.outputs):
        raise PairMismatch(
            "The two models' heads differ in width, so one can't be put in the other's place: attribution, erasure and "
            "ablation remain."
        )
