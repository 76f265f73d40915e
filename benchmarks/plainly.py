"""What attribution, erasure and interventions are measured beside: other tools, and loops of one pass for each thing asked.

The loops hook a private copy of a BERT by the names of its modules, and share no code with what they stand beside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from attncompare.models.draws import sharing
from attncompare.models.pair import Pair, Side, unwrapped
from attncompare.models.readout import Readout
from benchmarks.work import eager

STEPS = 50


@dataclass(frozen=True, eq=False)
class Asked:
    """One model, its text and the number that is asked of it."""

    side: Side
    name: str
    readout: Readout
    ids: Tensor
    model: nn.Module
    """A private copy that shares its tensors, to be hooked."""

    @classmethod
    def of(cls, pair: Pair, text: str, readout: Readout) -> tuple["Asked", "Asked"]:
        """Both models."""
        ids = pair.base.tokenizer(text, return_tensors="pt")["input_ids"]
        sides = (("base", pair.base), ("tuned", pair.tuned))
        base, tuned = (cls(side, name, readout, ids, sharing(side.model)) for name, side in sides)
        return base, tuned

    @property
    def layers(self) -> int:
        return int(unwrapped(self.side.model).config.num_hidden_layers)

    @property
    def heads(self) -> int:
        return int(unwrapped(self.side.model).config.num_attention_heads)

    def module(self, end: str, layer: int) -> nn.Module:
        """The one module of a layer whose name ends so."""
        (found,) = (m for name, m in self.model.named_modules() if name.endswith(f"encoder.layer.{layer}{end}"))
        return found

    @torch.no_grad()
    def value(self, ids: Tensor | None = None) -> float:
        """The readout of a plain pass."""
        return float(self.readout.value(self.model(input_ids=self.ids if ids is None else ids).logits[0], self.name))

    @torch.no_grad()
    def probability(self, ids: Tensor) -> float:
        """The answer's, of a plain pass."""
        return float(self.readout.probability(self.model(input_ids=ids).logits[0], self.name))


def captum(asked: Asked, batch: int) -> Callable[[], np.ndarray]:
    """Its integrated gradients of the embeddings, by as many Gauss-Legendre points, from padding in place of the words."""
    from captum.attr import LayerIntegratedGradients

    body = asked.model
    method = LayerIntegratedGradients(
        lambda ids: asked.readout.value(body(input_ids=ids).logits, asked.name), unwrapped(body).get_input_embeddings()
    )
    blank = torch.full_like(asked.ids, asked.side.tokenizer.pad_token_id)
    blank[0, [0, -1]] = asked.ids[0, [0, -1]]
    options = {"n_steps": STEPS, "method": "gausslegendre", "internal_batch_size": batch}
    return lambda: method.attribute(asked.ids, baselines=blank, **options).sum(-1)[0].detach().numpy()


Order = Sequence[int]
"""The words of a text, the first to be erased first; every word is one token here."""


def ferret(asked: Asked, text: str, orders: Sequence[Order], counts: Sequence[int]) -> Callable[[], np.ndarray]:
    """Its comprehensiveness and sufficiency of rankings, ``[2, ranking]``, with as many words erased."""
    from ferret.evaluators.faithfulness_measures import (
        AOPC_Comprehensiveness_Evaluation,
        AOPC_Sufficiency_Evaluation,
    )
    from ferret.explainers.explanation import Explanation

    tokenizer, target = asked.side.tokenizer, asked.readout.tuned_numbers[0]
    tokens = tokenizer.convert_ids_to_tokens(asked.ids[0])
    kinds = [kind(asked.model, tokenizer) for kind in (AOPC_Comprehensiveness_Evaluation, AOPC_Sufficiency_Evaluation)]
    removal = {"remove_tokens": True, "based_on": "k", "thresholds": list(counts)}
    explained = []
    for order in orders:
        scores = np.zeros(len(tokens))
        scores[1 + np.asarray(order)] = np.arange(len(order), 0, -1)  # above 0: it erases nothing else
        explained.append(Explanation(text=text, tokens=tokens, scores=scores, explainer="order", target=target))

    def ask() -> np.ndarray:
        found = [[kind.compute_evaluation(one, target, removal_args=removal) for one in explained] for kind in kinds]
        return np.array([[one.score for one in row] for row in found])

    return ask


def erased(asked: Asked, orders: Sequence[Order], counts: Sequence[int]) -> np.ndarray:
    """The same with one pass for each erased text."""
    full = asked.probability(asked.ids)
    falls = np.zeros((2, len(orders), len(counts)))
    for row, order in enumerate(orders):
        for at, count in enumerate(counts):
            top, rest = (sorted(1 + word for word in part) for part in (order[:count], order[count:]))
            for kind, kept in enumerate((rest, top)):
                falls[kind, row, at] = full - asked.probability(asked.ids[:, [0, *kept, asked.ids.shape[1] - 1]])
    return falls.mean(-1)


@torch.no_grad()
def given(asked: Asked, donor: Asked | None = None) -> list[Tensor]:
    """What the heads of each layer give, ``[1, token, layer's width]``; at the donor's attention if there is one."""
    values: list[Tensor] = []
    projections = [asked.module(".attention.self.value", layer) for layer in range(asked.layers)]
    handles = [one.register_forward_hook(lambda module, args, out: values.append(out)) for one in projections]
    asked.value()
    for handle in handles:
        handle.remove()
    model = eager((donor or asked).side.model)
    maps = model(input_ids=asked.ids, output_attentions=True).attentions
    return [
        (rows @ value.unflatten(-1, (asked.heads, -1)).transpose(1, 2)).transpose(1, 2).flatten(2)
        for rows, value in zip(maps, values, strict=True)
    ]


def replaced(asked: Asked, new: Sequence[Tensor]) -> np.ndarray:
    """``[layer, head]``: the readout with each head's part of ``new`` in its place, minus without; a pass each."""
    clean = asked.value()
    effects = np.zeros((asked.layers, asked.heads))
    for layer, head in np.ndindex(*effects.shape):
        width = new[layer].shape[-1] // asked.heads
        part = slice(head * width, (head + 1) * width)

        def put(module: nn.Module, args: tuple[Tensor, ...], at: slice = part, layer: int = layer) -> tuple[Tensor]:
            changed = args[0].clone()
            changed[..., at] = new[layer][..., at]
            return (changed,)

        handle = asked.module(".attention.output.dense", layer).register_forward_pre_hook(put)
        effects[layer, head] = asked.value() - clean
        handle.remove()
    return effects


@torch.no_grad()
def zeroed(asked: Asked) -> np.ndarray:
    """Value zeroing rolled out, ``[token, token]``: every layer run alone, once for each token."""
    states = asked.model(input_ids=asked.ids, output_hidden_states=True).hidden_states
    mixed = np.eye(asked.ids.shape[1])
    for layer in range(asked.layers):
        distances = np.zeros_like(mixed)
        for token in range(len(mixed)):

            def blank(module: nn.Module, args: object, out: Tensor, token: int = token) -> Tensor:
                return out.index_fill(1, torch.tensor([token]), 0)

            handle = asked.module(".attention.self.value", layer).register_forward_hook(blank)
            made = asked.module("", layer)(states[layer])
            handle.remove()
            made = made if isinstance(made, Tensor) else made[0]
            distances[:, token] = 1 - torch.cosine_similarity(made[0].double(), states[layer + 1][0].double(), dim=-1)
        mixed = distances / distances.sum(1, keepdims=True) @ mixed
    return mixed
