"""One family measured: our rows beside the family's own ``output_attentions=True``.

The reference is another copy of the model on eager attention that attncompare has never touched, and its maps are matched
with ours by what transformers documents: one map a layer, ``encoder_attentions``, ``decoder_attentions`` and
``cross_attentions`` where there are two stacks. Outputs are compared with those of a third copy that runs what it runs for
everybody.
"""

import inspect
import re
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attncompare.errors import UnsupportedModel
from attncompare.models import routing, tap
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from tests.conftest import draw_weights
from tests.families.configs import VOCABULARY, tiny_model

SOURCE, TARGET, PADDED = 24, 13, 5
SCALES = {
    "afmoe": (0.7, 1), "apertus": (1.0, 1), "beam": (1.0, 1), "doge": (0.2, 1), "dots1": (0.7, 1),
    "esmc": (0.35, 1.5), "eurobert": (0.25, 1), "exaone4": (1.0, 1), "exaone_moe": (0.7, 1), "flex_olmo": (1.0, 1),
    "flint": (0.7, 1), "fuyu": (1.0, 1), "gemma": (0.12, 1), "gemma3": (0.5, 1.5), "gemma3_text": (1.0, 1.5),
    "glm4": (0.3, 1), "hrm_text": (0.22, 1), "hunyuan_v1_dense": (1.0, 1), "hunyuan_v1_moe": (1.0, 1),
    "hy_v3": (0.7, 1), "kolibri1": (1.0, 1), "laguna": (0.35, 1.5), "layoutlm": (0.5, 1), "led": (0.5, 1),
    "lfm2": (0.5, 1), "lfm2_moe": (0.7, 1), "lfm3": (0.35, 1.5), "marian": (0.5, 1), "mellum": (1.0, 1),
    "minimax_m2": (1.0, 1), "mobilebert": (0.14, 4), "modernbert": (0.25, 1), "modernvbert": (0.25, 1),
    "moss_transcribe_diarize": (0.5, 1), "mt5": (0.2, 1), "nanochat": (0.35, 3), "nemotron": (0.2, 1),
    "neomme": (0.35, 2), "nomic_bert": (0.25, 1), "olmo2": (0.7, 1), "olmo3": (0.7, 1), "olmo_hybrid": (0.7, 1),
    "olmoe": (1.0, 1), "openai-gpt": (0.5, 1), "persimmon": (1.0, 1), "phi3": (0.2, 1), "phi4_multimodal": (0.2, 1),
    "qwen2": (0.3, 1), "qwen2_moe": (0.3, 1), "qwen3": (1.0, 1), "qwen3_asr": (0.7, 1), "qwen3_moe": (1.0, 1),
    "qwen3_next": (0.12, 1), "roc_bert": (0.85, 1), "roformer": (0.4, 1), "seed_oss": (0.3, 1), "t5": (0.2, 1),
    "tapas": (0.5, 1), "umt5": (0.15, 1), "vibevoice_asr": (0.3, 1), "zamba": (0.2, 1), "zamba2": (0.2, 1),
    "zaya": (0.35, 6),
}  # fmt: skip
"""Standard deviation of the weights and gain of queries and keys, where 0.35 and 1 leave a family's maps nearly uniform, or
so peaked that rounding shows in them."""

QUERY_KEY_NORM = re.compile(r"(^|[._])(q|k|query|key)_?(layer)?_?norm")


@dataclass(eq=False)
class Family:
    """A tiny model of one type with its reference."""

    name: str
    model: Any
    reference: Any
    production: Any
    """The model as transformers builds it, on SDPA where the family supports it; the reference is built on eager."""
    layout: tuple[Place, ...] = ()
    reason: str = ""

    @property
    def route(self) -> str:
        """How it is read, or that it isn't."""
        return "unsupported" if self.reason else routing.route(self.model)


@dataclass
class Agreement:
    """How our rows, masks and outputs compare with the reference on one text."""

    rows: float = 0.0
    """Largest difference of a weight."""
    sums: float = 0.0
    """Largest difference of a row's sum from 1."""
    forbidden: float = 0.0
    """Largest weight where a query may not look, ours or the reference's."""
    output: float = 0.0
    """Largest difference of an output from eager attention and from production, relative to the outputs' mean size."""
    entropies: list[float] = field(default_factory=list)

    @property
    def entropy(self) -> float:
        """Mean normalised entropy of the reference's rows."""
        return sum(self.entropies) / len(self.entropies)


def family(name: str) -> Family:
    """Three copies with the same weights; ours installed."""
    found = Family(name, weighted_model(name), weighted_model(name, attn_implementation="eager"), weighted_model(name))
    try:
        found.layout = routing.install(found.model)
    except UnsupportedModel as error:
        found.reason = str(error)
    return found


def weighted_model(name: str, **options: Any) -> nn.Module:
    """A tiny model whose maps are far from uniform, the same one each time."""
    model = tiny_model(name, **options)
    scale, gain = SCALES.get(name, (0.35, 1.0))
    draw_weights(model, seed=3, scale=scale)
    for key, parameter in model.named_parameters():
        if key.endswith("bias") and parameter.ndim == 1:
            parameter.sub_(1)  # drawn around 1 like norms; MobileBERT's would grow from layer to layer
    _sharpen(model, gain)
    return model


def _sharpen(model: nn.Module, gain: float) -> None:
    """Multiply the norms of queries and keys; where they are norms without weights, what scales their product."""
    norms = [parameter for name, parameter in model.named_parameters() if QUERY_KEY_NORM.search(name)]
    for parameter in norms:
        parameter.mul_(gain)
    for module in model.modules():
        if not norms and hasattr(module, "scaling"):
            module.scaling *= gain


def text(model: nn.Module, *, padded: bool = False) -> dict[str, Tensor]:
    """Random ids; with ``padded`` the first positions of the source are masked."""
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(3, VOCABULARY, (1, SOURCE + TARGET), generator=generator)
    inputs = {"input_ids": ids[:, :SOURCE]}
    if "decoder_input_ids" in inspect.signature(model.forward).parameters:
        inputs["decoder_input_ids"] = ids[:, SOURCE:]
    if padded:
        inputs["attention_mask"] = torch.ones(1, SOURCE, dtype=torch.long)
        inputs["attention_mask"][0, :PADDED] = 0
    return inputs


def agreement(found: Family, *, padded: bool = False) -> Agreement:
    """Record one text and compare everything."""
    inputs, result = text(found.model, padded=padded), Agreement()
    calls: list[tuple[Place, AttentionCall]] = []
    ours = tap.record(found.model, inputs, found.layout, lambda place, call: calls.append((place, call)))
    with torch.no_grad():
        theirs = found.reference(**inputs, use_cache=False, output_attentions=True)
        plain = found.production(**inputs, use_cache=False)
    for place, call in calls:
        expected = reference_map(theirs, found.layout, place)
        first = PADDED if padded and place.attention == "self" else 0
        compare(call, expected, first, result)
    real = slice(PADDED, None) if padded and "decoder_input_ids" not in inputs else slice(None)
    for other in (theirs[0], plain[0]):
        result.output = max(result.output, float((ours[0] - other)[:, real].abs().max() / other.abs().mean()))
    return result


def compare(call: AttentionCall, expected: Tensor, first: int, result: Agreement) -> None:
    """One call's rows from query ``first`` on, in blocks that don't divide the text."""
    if call.null:
        expected = torch.cat((expected, 1 - expected.sum(-1, keepdim=True)), -1)
    for start in range(first, call.queries, 5):
        at = slice(start, min(start + 5, call.queries))
        rows, visible = call.rows(list(range(call.heads)), at), call.visible(at.start, at.stop)
        result.rows = max(result.rows, float((rows - expected[:, at]).abs().max()))
        result.sums = max(result.sums, float((rows.sum(-1) - 1).abs().max()))
        for weights in (rows, expected[:, at]):
            result.forbidden = max(result.forbidden, float(weights.masked_fill(visible, 0).abs().max()))
        seen = visible.sum(-1)
        entropy = torch.special.entr(expected[:, at].double().clamp_min(0)).sum(-1)[:, seen > 1] / seen[seen > 1].log()
        result.entropies += entropy.flatten().tolist()


def reference_map(output: Any, layout: tuple[Place, ...], place: Place) -> Tensor:
    """The map that a family itself returned for a place."""
    fields = {
        "self": ("encoder_attentions", "attentions"),
        "decoder": ("decoder_attentions",),
        "cross": ("cross_attentions",),
    }
    maps = next(maps for name in fields[place.attention] if (maps := getattr(output, name, None)))
    same = [other for other in layout if other.attention == place.attention]
    # Most families return a map per layer with attention; some keep an empty or another entry for every other layer.
    return maps[same.index(place) if len(maps) == len(same) else place.layer][0]
