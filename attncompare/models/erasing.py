"""Versions of a text without some of its tokens, and what a model answers to each.

Versions of one length run together, so nothing is ever padded, and each different version runs once. Knows nothing about
why tokens are taken out.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import Progress
from attncompare.errors import BadInput
from attncompare.models.fillers import Kind, common, number, written
from attncompare.models.pair import Pair, Side
from attncompare.models.passes import answered, batches
from attncompare.models.tokens import Encoding

Erasing = Literal["delete", "mask", "hide"]
"""How a token is taken from a text: deleted, replaced by the mask token, or hidden by the attention mask."""

Positions = tuple[int, ...]

Number = Callable[[Float[Tensor, "row label"]], Float[Tensor, " row"]]
"""What is read out of logits."""


class Eraser:
    """Takes tokens out of the texts of a pair, in one way."""

    def __init__(self, pair: Pair, erasing: Erasing, *, decoder: bool = False) -> None:
        """Of an encoder-decoder the source's tokens are taken out, or the decoder's with ``decoder``.

        Raises:
            BadInput: tokens are to be masked and nothing can stand for them.
        """
        self._pair, self._erasing, self._prefix = pair, erasing, "decoder_" if decoder else ""
        self._filler: Kind | None = None
        if erasing == "mask":
            # Classifiers on decoders take padding for the end of the text.
            reads_padding = pair.causal and pair.output_kind == "label"
            kinds: tuple[Kind, ...] = ("mask", "unk") if reads_padding else ("mask", "unk", "pad")
            self._filler = common(pair, kinds, "erase by 'delete' or 'hide'")

    @property
    def how(self) -> str:
        """What is done, as the end of a sentence: ``deleted``."""
        if self._filler is None:
            if self._erasing == "delete":
                return "deleted"
            # A mask hides a token from attention: what it is itself still reaches its own place, where a decoder answers.
            answers = self._pair.causal or bool(self._prefix)
            rest = " (the last one, where the answer is read, still works on it from its own place)" if answers else ""
            return f"hidden by the attention mask, its place kept{rest}"
        why = "" if self._filler == "mask" else ", since the models have no mask token in common"
        return f"replaced by {written(self._pair, self._filler)}{why}"

    def numbers(
        self, side: Side, encoding: Encoding, versions: Sequence[Positions], read: Number, tell: Progress
    ) -> Float[Tensor, " version"]:
        """What is read out of the model's answers to versions of a text, each without the tokens at some positions.

        ``tell`` is called as ``tell(step, done, total)`` before every batch and may raise to stop.

        Raises:
            BadInput: nothing is left of a version.
        """
        keys = [tuple(sorted(version)) for version in versions]
        found: dict[Positions, Tensor] = {}
        lengths: dict[int, list[Positions]] = defaultdict(list)
        for key in dict.fromkeys(keys):
            lengths[len(key) if self._erasing == "delete" else 0].append(key)
        total = sum(map(len, lengths.values()))
        tokens = sum(value.shape[1] for name, value in encoding.inputs.items() if name.endswith("input_ids"))
        step = f"erasing from the text of the {'base' if side is self._pair.base else 'tuned model'}"
        for gone, alike in lengths.items():
            for rows in batches(self._pair, side, len(alike), max(1, tokens - gone)):
                tell(step, len(found), total)
                with torch.no_grad():
                    logits = answered(self._pair, side, self._inputs(side, encoding, alike[rows]))
                    found |= zip(alike[rows], read(logits).double().cpu(), strict=True)
        return torch.stack([found[key] for key in keys])

    def _inputs(self, side: Side, encoding: Encoding, versions: list[Positions]) -> dict[str, Tensor]:
        """A batch of versions, all without as many tokens where those are deleted."""
        ids = encoding.inputs[f"{self._prefix}input_ids"]
        kept = torch.ones(len(versions), ids.shape[1], dtype=torch.bool)
        for row, gone in enumerate(versions):
            kept[row, list(gone)] = False
        inputs = {name: value.expand(len(versions), -1) for name, value in encoding.inputs.items()}
        if self._erasing == "delete":
            if not kept.any(1).all():
                raise BadInput(
                    "Nothing would be left of this text without the erased token: give a longer one, or 'hide'."
                )
            own = [name for name in inputs if name.startswith("decoder_") == bool(self._prefix)]
            inputs |= {name: inputs[name][kept].reshape(len(versions), -1) for name in own}
        elif self._filler is not None:
            inputs[f"{self._prefix}input_ids"] = ids.where(kept, torch.tensor(number(side, self._filler)))
        else:
            inputs[f"{self._prefix}attention_mask"] = kept.long()
        return {name: value.to(side.info.device) for name, value in inputs.items()}
