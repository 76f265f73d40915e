"""The readout as a function of input embeddings: gradients, and integrated gradients from a baseline.

Embeddings go in through the model's own ``inputs_embeds``, so nothing is hooked and threads may share a model. Before a
number is trusted the pass through embeddings must give what the pass through tokens gives. Knows nothing about attention.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attncompare.attention import Progress
from attncompare.errors import UnsupportedModel
from attncompare.models.fillers import Kind, number
from attncompare.models.memory import available, require
from attncompare.models.pair import Pair, Side, unwrapped
from attncompare.models.passes import answered, batches, repeated
from attncompare.models.quiet import quiet
from attncompare.models.readout import Readout, SideName
from attncompare.models.routing import FAILURES
from attncompare.models.tokens import Encoding

STEPS = (50, 100, 200, 400)
"""Integration steps, taken until the attributions sum to the difference that they explain."""

CONVERGED = 0.05
"""Largest accepted relative completeness."""

SMALLEST_DIFFERENCE = 1e-3
"""Where text and baseline give outputs closer than this, the share of it that is missed says nothing."""

SAME = 1e-4
"""Largest relative difference between the logits of a pass through embeddings and one through tokens."""

KEPT = 3
"""Copies of the attention weights that a backward pass keeps where they are computed one step after the other."""

REMAINS = "occlusion, erasure by attention and rollout, ablation and patching remain"


@dataclass(frozen=True, eq=False)
class Embedded:
    """One model's readout as a function of the embeddings of a text, everything else that it reads kept."""

    pair: Pair
    side: Side
    name: SideName
    readout: Readout
    argument: str
    """Which input takes the embeddings: ``inputs_embeds``, or ``decoder_inputs_embeds``."""
    others: Mapping[str, Tensor]
    """The other inputs, one row each."""
    text: Float[Tensor, "token dim"]
    """The text's own embeddings."""
    output: float
    """The readout on the text."""

    @property
    def tokens(self) -> int:
        """Tokens that one row makes the model read, in all its stacks."""
        ids = [value for name, value in self.others.items() if name.endswith("input_ids")]
        return len(self.text) + sum(value.shape[1] for value in ids)

    def logits(self, embeddings: Float[Tensor, "row token dim"]) -> Float[Tensor, "row label"]:
        """The answer's logits for rows of embeddings."""
        inputs = repeated(self.others, len(embeddings), self.side.info.device)
        with quiet():  # classifiers on decoders warn that they see no padding in embeddings: there is none
            return answered(self.pair, self.side, {**inputs, self.argument: embeddings})

    def value(self, embeddings: Float[Tensor, "token dim"]) -> float:
        """The readout, without gradients."""
        with torch.no_grad():
            return float(self.readout.value(self.logits(embeddings[None])[0], self.name))

    def gradients(self, embeddings: Float[Tensor, "row token dim"]) -> Float[Tensor, "row token dim"]:
        """Of each row's readout with respect to that row, float32.

        Raises:
            UnsupportedModel: the model gives none.
        """
        with torch.inference_mode(False), torch.enable_grad():
            points = embeddings.detach().clone().requires_grad_()
            values = self.readout.value(self.logits(points), self.name)
            if not values.requires_grad:
                raise self._no_gradient("its output does not depend on its embeddings in a way that can be followed")
            try:
                (found,) = torch.autograd.grad(values.sum(), points)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise self._no_gradient(str(error).partition("\n")[0][:100].rstrip(".")) from None
        if not bool(found.isfinite().all()):
            raise self._no_gradient(f"it computes NaN or infinity in {self.side.info.dtype}")
        return found.float()

    def _no_gradient(self, why: str) -> UnsupportedModel:
        return UnsupportedModel(f"{self.side.info.id} gives no gradient ({why}): {REMAINS}.")


def embedded(
    pair: Pair, side: Side, encoding: Encoding, readout: Readout, name: SideName, *, decoder: bool = False
) -> Embedded:
    """One side's readout of a text as a function of its embeddings, of the decoder's in an encoder-decoder if ``decoder``.

    Raises:
        UnsupportedModel: the model takes no embeddings, or computes something else from them than from tokens.
    """
    ids, argument = ("decoder_input_ids", "decoder_inputs_embeds") if decoder else ("input_ids", "inputs_embeds")
    with torch.inference_mode(False), torch.no_grad():
        inputs = {key: value.clone().to(side.info.device) for key, value in encoding.inputs.items()}
        expected = answered(pair, side, inputs)
        try:
            model = unwrapped(side.model)
            layer = (model.get_decoder() if decoder else model).get_input_embeddings()
            text = layer(inputs[ids])[0]
            others = {key: value for key, value in inputs.items() if key != ids}
            output = float(readout.value(expected[0], name))
            found = Embedded(pair, side, name, readout, argument, others, text, output)
            difference = float((found.logits(text[None]) - expected).abs().max())
        except FAILURES:
            raise UnsupportedModel(
                f"{side.info.model_class} takes no embeddings, so it has no gradients: {REMAINS}."
            ) from None
    if not difference <= SAME * (largest := float(expected.abs().max())):
        raise UnsupportedModel(
            f"{side.info.model_class} computes something else from embeddings than from tokens (off by {difference:.2g}, "
            f"its largest logit is {largest:.2g}), so its gradients mean nothing: {REMAINS}."
        )
    _require_memory(found)
    return found


def _require_memory(of: Embedded) -> None:
    """What a backward pass keeps of attention weights, where they are all held: SDPA holds none."""
    if of.side.info.attention_path == "tap":
        return
    rows = next(iter(batches(of.pair, of.side, STEPS[0], of.tokens))).stop
    weights = sum(place.heads for place in of.side.layout) * of.tokens**2
    require(
        rows * weights * 4 * KEPT,
        f"The gradients of {of.side.info.model_class}, which keeps the attention of all its layers for them,",
        f"shorten the text; {REMAINS}",
        free=available(of.text.device),
        error=UnsupportedModel,
    )


def baseline(of: Embedded, keep: Bool[Tensor, " token"], kind: Kind | None) -> Float[Tensor, "token dim"]:
    """The text's embeddings with a token of this kind (None: zeros) in place of all that are not to be kept."""
    model = unwrapped(of.side.model)
    stack = model.get_decoder() if of.argument.startswith("decoder") else model
    filler = torch.zeros_like(of.text[0])
    if kind is not None:
        ids = torch.tensor([[number(of.side, kind)]], device=of.text.device)
        with torch.inference_mode(False), torch.no_grad():
            filler = stack.get_input_embeddings()(ids)[0, 0]
    return torch.where(keep.to(of.text.device)[:, None], of.text, filler)


@dataclass(frozen=True, eq=False)
class Integrated:
    """Integrated gradients of one text, and how far they can be trusted."""

    attribution: Float[Tensor, " token"]
    """In the readout's unit, float64."""
    output: float
    """The readout on the text."""
    baseline: float
    """The readout on the baseline."""
    steps: int

    @property
    def missed(self) -> float:
        """What the attributions sum to beyond the difference between output and baseline: 0 if the integral is exact."""
        return float(self.attribution.sum()) - (self.output - self.baseline)

    @property
    def error(self) -> float:
        """Relative completeness, |missed| / |output - baseline|; NaN where that difference is hardly any."""
        difference = abs(self.output - self.baseline)
        return abs(self.missed) / difference if difference >= SMALLEST_DIFFERENCE else math.nan

    @property
    def converged(self) -> bool:
        """Whether what is missed is at most a twentieth of the difference, or of the smallest that counts."""
        return abs(self.missed) <= CONVERGED * max(abs(self.output - self.baseline), SMALLEST_DIFFERENCE)


def integrated(of: Embedded, start: Float[Tensor, "token dim"], tell: Progress) -> Integrated:
    """Integrated gradients along the straight line from ``start`` to the text (Sundararajan et al. 2017, Eq 1).

    By Gauss-Legendre quadrature; steps are doubled from 50 to 400 until the attributions are complete. ``tell`` is called
    as ``tell(step, done, total)`` before every batch and may raise to stop.

    Raises:
        UnsupportedModel: the model gives no gradients.
    """
    floor = of.value(start)
    for steps in STEPS:
        found = Integrated(_integral(of, start, steps, tell), of.output, floor, steps)
        if found.converged:
            break
    return found


def _integral(of: Embedded, start: Float[Tensor, "token dim"], steps: int, tell: Progress) -> Float[Tensor, " token"]:
    nodes, weights = (torch.from_numpy(values).float() for values in np.polynomial.legendre.leggauss(steps))
    at, weights = ((nodes + 1) / 2).to(start.device), (weights / 2).to(start.device)
    origin, line = start.float(), of.text.float() - start.float()
    total = torch.zeros_like(line)
    step = f"integrating the gradients of the {'base' if of.name == 'base' else 'tuned model'}"
    for rows in batches(of.pair, of.side, steps, of.tokens):
        tell(step, rows.start, steps)
        points = origin + at[rows, None, None] * line
        total += torch.tensordot(weights[rows], of.gradients(points.to(start.dtype)), 1)
    return (total * line).double().sum(-1).cpu()


def gradient_x_input(of: Embedded) -> Float[Tensor, " token"]:
    """Gradient times embedding, summed over its dimensions: signed, in the readout's unit."""
    return (of.gradients(of.text[None])[0] * of.text.float()).double().sum(-1).cpu()


def saliency(of: Embedded) -> Float[Tensor, " token"]:
    """Length of the gradient: how fast the readout moves with the token's embedding, never negative."""
    return of.gradients(of.text[None])[0].norm(dim=-1).double().cpu()
