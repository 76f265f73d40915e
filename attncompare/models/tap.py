"""The tap: one attention function that every supported model runs, and that a context variable makes it report to.

transformers lets a program register its own attention function and its own mask function under a name
(``AttentionInterface``, ``ALL_MASK_ATTENTION_FUNCTIONS``). Models are loaded with one of two names: ``attncompare`` runs
scaled dot-product attention (SDPA), ``attncompare-own`` runs the family's own eager function where the family does not
support SDPA. With nothing listening a model computes what it computes in production. Inside :func:`record` every call is
also reported as a :class:`LayerCall`, from which attention rows are computed block by block by calling the family's own
``eager_attention_forward`` on a slice of the queries: exact for any masking, soft-capping or position bias, because it is
the family's own code. No model is modified by recording, and threads do not see each other's listener.

Inside :func:`editing` an editor makes the output of every call, from which the rest of the pass goes on: that is how heads
are switched off or taken from another model.

This module knows nothing about tokens, metrics or pairs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncompare.errors import UnsupportedModel
from attncompare.models.calls import AttentionCall, LayerCall, own_attention
from attncompare.models.dense import dense_calls
from attncompare.models.layout import Place

SDPA_NAME = "attncompare"
OWN_NAME = "attncompare-own"

OnCall = Callable[[Place, AttentionCall], None]
Listener = Callable[[LayerCall], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("attncompare_listener", default=None)


@dataclass(frozen=True, eq=False)
class Running:
    """One attention call of a batch while it is being made."""

    module: nn.Module
    query: Float[Tensor, "batch head query dim"]
    key: Float[Tensor, "batch kv_head key dim"]
    value: Float[Tensor, "batch kv_head key value_dim"]
    mask: Tensor | None
    options: Mapping[str, Any]
    own: bool
    """Whether the family's own eager function makes the output, and not SDPA."""

    def output(self) -> Float[Tensor, "batch query head value_dim"]:
        """What the model makes of it, in production."""
        return self._attend(self.module, self.query, self.key, self.value, self.mask, self.options)

    def looking_as(
        self, other: LayerCall, value: Float[Tensor, "batch kv_head key value_dim"]
    ) -> Float[Tensor, "batch query head value_dim"]:
        """What comes out if every head looks where the same head of a recorded call looks, at these values.

        The other call's queries and keys run through the same function, with its own mask, bias and sinks: exact for every
        family, and no N x N matrix is made.
        """
        rows, device = len(value), value.device
        query, key = (x.to(device).expand(rows, -1, -1, -1) for x in (other.query, other.key))
        mask = None if other.mask is None else other.mask.to(device)
        kept = {name: self.options[name] for name in ("dropout", "is_causal") if name in self.options}
        options = {**other.options, **kept, "scaling": other.scaling}
        return self._attend(other.module, query, key, value, mask, options)

    def _attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        options: Mapping[str, Any],
    ) -> Tensor:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        attend = own_attention(module) if self.own else sdpa_attention_forward
        output: Tensor = attend(module, query, key, value, mask, **options)[0]
        return output


Editor = Callable[[Place, Running], Tensor]
"""Makes the output of one call, ``[batch, query, head, value_dim]``."""

_EDITOR: ContextVar[Callable[[Running], Tensor] | None] = ContextVar("attncompare_editor", default=None)


def _report(
    module: nn.Module, query: Tensor, key: Tensor, mask: Tensor | None, options: dict[str, Any], own: bool
) -> None:
    listener = _LISTENER.get()
    if listener is None:
        return
    if query.ndim != 4 or query.shape[0] != 1 or key.ndim != 4 or key.shape[0] != 1:
        raise UnsupportedModel(
            f"{type(module).__name__} hands over queries of shape {list(query.shape)} and keys of shape {list(key.shape)}: "
            "expected [1, head, token, dim] of one text."
        )
    is_causal = options.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    # GPT-2's query is a view into the fused query-key-value projection: keeping it would hold three times its bytes.
    query, key = (x.clone() if x.untyped_storage().nbytes() > x.nbytes else x for x in (query.detach(), key.detach()))
    kept = {name: value for name, value in options.items() if name not in ("scaling", "dropout", "is_causal", "cache")}
    causal_without_mask = not own and mask is None and bool(is_causal) and query.shape[2] > 1
    listener(LayerCall(module, query, key, mask, options.get("scaling"), kept, causal_without_mask))


def _sdpa_tap(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    _report(module, query, key, attention_mask, options, own=False)
    if edit := _EDITOR.get():
        return edit(Running(module, query, key, value, attention_mask, options, own=False)), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


def _own_tap(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    _report(module, query, key, attention_mask, options, own=True)
    if edit := _EDITOR.get():
        return edit(Running(module, query, key, value, attention_mask, options, own=True)), None
    return own_attention(module)(module, query, key, value, attention_mask, **options)


@cache
def register() -> None:
    """Make both names known to transformers, once."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask, sdpa_mask

    AttentionInterface.register(SDPA_NAME, _sdpa_tap)
    AttentionInterface.register(OWN_NAME, _own_tap)
    ALL_MASK_ATTENTION_FUNCTIONS.register(SDPA_NAME, sdpa_mask)
    ALL_MASK_ATTENTION_FUNCTIONS.register(OWN_NAME, eager_mask)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Report every attention call of this context to ``listener``; what it raises ends the forward pass."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def editing(layout: Sequence[Place], edit: Editor) -> Iterator[None]:
    """Let ``edit`` make the output of every attention call of one pass through a model of this layout.

    Raises:
        UnsupportedModel: the pass makes other attention calls than ``layout`` says.
    """
    seen = 0

    def place_it(call: Running) -> Tensor:
        nonlocal seen
        seen += 1
        if seen > len(layout):
            raise _other_calls(call.module, layout, f"{seen} or more")
        return edit(layout[seen - 1], call)

    token = _EDITOR.set(place_it)
    try:
        yield
    finally:
        _EDITOR.reset(token)


def implementation(model: Any) -> str:
    """The name of the tap that ``model`` runs, or of its own part that reads text; empty without one."""
    config = model.config
    parts = (config, *(getattr(config, name, None) for name in config.sub_configs))
    names = (part._attn_implementation for part in parts if part is not None)
    return next((name for name in names if name in (SDPA_NAME, OWN_NAME)), "")


def record(model: Any, inputs: Mapping[str, Any], layout: Sequence[Place], on_call: OnCall) -> Any:
    """One forward pass without gradients, every attention call reported with its place; returns the model's output.

    A model that runs the tap reports while it runs; one on the dense way returns all weights at once.

    Raises:
        UnsupportedModel: the pass makes other attention calls than ``layout`` says, or returns what is no attention.
    """
    with torch.no_grad():
        if implementation(model):
            return _record_tapped(model, inputs, layout, on_call)
        output = model(**inputs, output_attentions=True)
    for place, call in dense_calls(model, output, layout):
        on_call(place, call)
    return output


def _record_tapped(model: Any, inputs: Mapping[str, Any], layout: Sequence[Place], on_call: OnCall) -> Any:
    seen = 0

    def place_it(call: LayerCall) -> None:
        nonlocal seen
        seen += 1
        if seen > len(layout):
            raise _other_calls(model, layout, f"{seen} or more")
        place = layout[seen - 1]
        on_call(place, replace(call, null=place.null, plain=place.plain))

    with listening(place_it):
        output = model(**inputs)
    if seen != len(layout):
        raise _other_calls(model, layout, str(seen))
    return output


def _other_calls(model: Any, layout: Sequence[Place], seen: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{type(model).__name__} made {seen} attention calls on this text where it made {len(layout)} when it was loaded."
    )
