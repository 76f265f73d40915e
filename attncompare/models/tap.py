"""The tap: one attention function that every supported model runs, and that a context variable makes it report to.

transformers lets a program register its own attention function and its own mask function under a name
(``AttentionInterface``, ``ALL_MASK_ATTENTION_FUNCTIONS``). Models are loaded with one of two names: ``attncompare`` runs
scaled dot-product attention (SDPA), ``attncompare-own`` runs the family's own eager function where the family does not
support SDPA. With nothing listening a model computes what it computes in production. Inside :func:`record` every call is
also reported as a :class:`LayerCall`, from which attention rows are computed block by block by calling the family's own
``eager_attention_forward`` on a slice of the queries: exact for any masking, soft-capping or position bias, because it is
the family's own code. No model is modified by recording, and threads do not see each other's listener.

This module knows nothing about tokens, metrics or pairs.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attncompare.errors import UnsupportedModel

SDPA_NAME = "attncompare"
OWN_NAME = "attncompare-own"

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 0.03, torch.bfloat16: 0.1}
"""What the self-check accepts: total variation between tap rows and the family's own weights, mean over a layer's rows, and
relative difference of the last hidden state. Half precision rounds differently in the two passes and drifts apart from layer
to layer (measured on three-layer random models: 0.02 for bfloat16, 0.004 for float16, 1e-6 for float32); a wrong mask or
scaling moves a third of the mass and more."""

PROBE_TOKENS = 24

OnCall = Callable[["LayerCall"], None]
_LISTENER: ContextVar[OnCall | None] = ContextVar("attncompare_listener", default=None)


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One attention call of one model on one text: what is needed to compute its rows again.

    ``query`` is ``[1, head, query, dim]`` and ``key`` ``[1, kv_head, key, dim]``, both after rotary embedding.
    """

    module: nn.Module
    query: Float[Tensor, "1 head query dim"]
    key: Float[Tensor, "1 kv_head key dim"]
    mask: Tensor | None
    scaling: float | None
    options: Mapping[str, Any]
    causal_without_mask: bool
    """True where a missing mask means causal; on the other route it means that every key is visible."""

    @property
    def queries(self) -> int:
        """Number of query positions."""
        return self.query.shape[2]

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return self.query.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes held by the query and the key."""
        return self.query.nbytes + self.key.nbytes

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """Rows of the queries ``start:stop`` in float32, with the keys they may see (None: every key).

        Where the model is causal and unmasked only the first ``stop`` keys are computed and returned; no query of the
        block can see a later one.
        """
        mask, visible = self._mask(start, stop)
        keys = stop if self.causal_without_mask else self.key.shape[2]
        options = {name: self._slice(value, start, stop, keys) for name, value in self.options.items()}
        key = self.key[:, :, :keys].float()
        _, rows = own_attention(self.module)(
            self.module,
            self.query[:, :, start:stop].float(),
            key,
            key[..., :0],  # the output is not wanted: a value without width makes it free
            mask,
            scaling=self.scaling,
            dropout=0.0,
            **options,
        )
        return rows[0], visible

    def rows(self, heads: list[int], queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """Attention of the chosen heads, over all keys; 0 where masked."""
        start, stop, _ = queries.indices(self.queries)
        rows, _ = self.block(start, stop)
        rows = rows[heads]
        return nn.functional.pad(rows, (0, self.key.shape[2] - rows.shape[2]))

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """Which keys the queries ``start:stop`` may see, over all keys."""
        keys = self.key.shape[2]
        visible = self._mask(start, stop)[1]
        if visible is None:
            return torch.ones(stop - start, keys, dtype=torch.bool)
        return nn.functional.pad(visible, (0, keys - visible.shape[1])).cpu()

    def _mask(self, start: int, stop: int) -> tuple[Tensor | None, Bool[Tensor, "query key"] | None]:
        """The additive float32 mask for the family's function, and the same as visible keys."""
        if self.causal_without_mask:
            query, key = torch.arange(start, stop)[:, None], torch.arange(stop)[None, :]
            visible = (key <= query).to(self.query.device)
        elif self.mask is None:
            return None, None
        else:
            block = self.mask[:, :, start:stop] if self.mask.shape[2] > 1 else self.mask
            block = block[..., : self.key.shape[2]]
            if block.dtype != torch.bool:
                # Half of the smallest number of the mask's own dtype separates "masked" from any position bias.
                return block.float(), (block[0, 0] > torch.finfo(block.dtype).min / 2).expand(stop - start, -1)
            visible = block[0, 0].expand(stop - start, -1)
        lowest = torch.finfo(torch.float32).min
        return torch.zeros_like(visible, dtype=torch.float32).masked_fill_(~visible, lowest)[None, None], visible

    def _slice(self, value: Any, start: int, stop: int, keys: int) -> Any:
        """The part of a tensor option (position bias …) that belongs to a block of queries."""
        if not isinstance(value, Tensor):
            return value
        if value.shape[-2:] == (self.queries, self.key.shape[2]):
            value = value[..., start:stop, :keys]
        return value.float() if value.is_floating_point() else value


def own_attention(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor]]:
    """The eager attention function of the family that ``module`` belongs to.

    Raises:
        UnsupportedModel: the family has none.
    """
    own = inspect.unwrap(type(module).forward).__globals__.get("eager_attention_forward")
    if own is None:
        raise UnsupportedModel(f"{type(module).__name__} has no eager attention function to compute its rows with.")
    return own


def _report(
    module: nn.Module, query: Tensor, key: Tensor, mask: Tensor | None, options: dict[str, Any], own: bool
) -> None:
    listener = _LISTENER.get()
    if listener is None:
        return
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
    return own_attention(module)(module, query, key, value, attention_mask, **options)


@cache
def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask, sdpa_mask

    AttentionInterface.register(SDPA_NAME, _sdpa_tap)
    AttentionInterface.register(OWN_NAME, _own_tap)
    ALL_MASK_ATTENTION_FUNCTIONS.register(SDPA_NAME, sdpa_mask)
    ALL_MASK_ATTENTION_FUNCTIONS.register(OWN_NAME, eager_mask)


@contextmanager
def listening(on_call: OnCall) -> Iterator[None]:
    """Report every attention call of this context to ``on_call``; what it raises ends the forward pass."""
    token = _LISTENER.set(on_call)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def record(model: nn.Module, inputs: Mapping[str, Tensor], on_call: OnCall) -> Any:
    """One forward pass without gradients, each attention call reported; returns the model's output."""
    with torch.no_grad(), listening(on_call):
        return model(**inputs)


def shape(model: Any) -> tuple[int, int]:
    """Layers and query heads, as the model's configuration states them."""
    config = model.config.get_text_config()
    return config.num_hidden_layers, config.num_attention_heads


def is_causal(model: Any) -> bool:
    """Whether a query sees only itself and earlier keys, observed on a short text."""
    calls: list[LayerCall] = []
    record(model, {"input_ids": _probe_ids(model)}, calls.append)
    return bool(calls) and not bool(calls[0].visible(0, 1)[0, 1:].any())


def install(model: Any) -> None:
    """Load-time only: make ``model`` run the tap, after checking that it is exact for this model.

    Raises:
        UnsupportedModel: where the rows or the output differ from the family's own eager attention.
    """
    _register()
    name = SDPA_NAME if type(model)._supports_sdpa else OWN_NAME
    model.config.use_cache = False  # a pass here reads a whole text once; a key-value cache would only cost memory
    probe = {"input_ids": _probe_ids(model)}
    calls: list[LayerCall] = []
    try:
        model.set_attn_implementation("eager")
        with torch.no_grad():
            eager = model(**probe, output_attentions=True, output_hidden_states=True)
        model.set_attn_implementation(name)
        with torch.no_grad(), listening(calls.append):
            tapped = model(**probe, output_hidden_states=True)
        expected = [rows for rows in eager.attentions or () if rows is not None]
        problem = _difference(expected, calls, eager.hidden_states[-1], tapped.hidden_states[-1])
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        problem = f"the check itself failed ({str(error).splitlines()[0]})"
    if problem:
        raise UnsupportedModel(
            f"The attention of {type(model).__name__} can't be read exactly: {problem}. "
            "Use a model whose transformers class goes through the attention interface."
        )


def _probe_ids(model: Any) -> Int[Tensor, "1 token"]:
    """A fixed arbitrary text: evenly spaced ids from the middle of the vocabulary, away from special ids."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.linspace(vocabulary // 4, vocabulary - 1, PROBE_TOKENS).long()
    return ids[None].to(next(model.parameters()).device)


def _difference(expected: list[Tensor], calls: list[LayerCall], eager: Tensor, tapped: Tensor) -> str:
    """What is wrong with the tap on the probe, or an empty string."""
    if len(calls) != len(expected) or not calls:
        return f"{len(calls)} attention calls were seen for {len(expected)} layers of attention"
    tolerance = TOLERANCE.get(eager.dtype, 1e-4)
    heads = list(range(calls[0].heads))
    moved = [
        (call.rows(heads) - rows[0].float()).abs().sum(-1).mean() / 2
        for call, rows in zip(calls, expected, strict=True)
    ]
    worst = float(torch.stack(moved).max())
    if not worst <= tolerance:
        return f"{worst:.1%} of the attention differs from its own eager attention"
    drift = float((tapped.float() - eager.float()).abs().mean() / eager.float().abs().mean())
    return "" if drift <= 10 * tolerance else f"its output differs by {drift:.1%} from eager attention"
