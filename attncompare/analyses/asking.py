"""What attribution, erasure and interventions begin with: a text, read, and the one number asked of both models."""

from typing import Unpack

from attncompare.attention import Progress
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout, readout, require_outputs
from attncompare.models.traces import walk


def asked(
    pair: Pair,
    text: str,
    answer: str | None,
    against: str | None,
    progress: Progress | None,
    **reading: Unpack[Reading],
) -> tuple[PairText, Readout]:
    """The question and the readout; both models' traces are kept on the way, where they fit.

    Raises:
        PairMismatch: the models' outputs can't be compared. BadInput: a text, an option or an answer that can't be used.
    """
    require_outputs(pair)
    question = prepare(pair, text, progress=progress, **reading)
    _, logits = walk(pair, question, lambda *_: None, progress)
    assert logits is not None
    return question, readout(pair, logits, answer, against)
