"""A continuation, or for an encoder-decoder a target, written by one model of a pair.

transformers' own ``generate`` does the work, since each family has its own key-value cache, state and decoder start. It runs
on a shallow copy of the model: the same modules, but attributes of its own, so that nothing is written to a model that
threads share, and what a checkpoint's generation_config.json asks for beyond its token ids (beams, penalties, lengths) plays
no part. Sampling adds Gumbel noise from a generator of this call to the logits and takes the largest, which draws from
exactly softmax(logits / temperature) without the process-wide random state that other threads see.

Knows nothing about attention.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncompare.attention import Progress, unheard
from attncompare.errors import AttnCompareError, BadInput, UnsupportedModel
from attncompare.models.cache import Cache
from attncompare.models.pair import PAIRS, Pair, Side, unwrapped
from attncompare.models.quiet import quiet

MOST_NEW_TOKENS = 1024

_KEPT = (
    "bos_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
)
"""What is taken over from a checkpoint's generation settings: how a text of this model begins, what is no text."""


@dataclass(frozen=True)
class Generation:
    """Who continues a text, and how."""

    by: Literal["tuned", "base"] = "tuned"
    max_new_tokens: int = 64
    temperature: float = 0.0
    """0 takes the likeliest token each time (greedy); otherwise tokens are drawn from softmax(logits / temperature)."""
    seed: int = 0
    """The same seed draws the same tokens; without effect at temperature 0."""

    def __post_init__(self) -> None:
        if self.by not in ("tuned", "base"):
            raise BadInput(f"A text is continued by the 'tuned' or the 'base' model, not by {self.by!r}.")
        if not _is_integer(self.max_new_tokens) or not 1 <= self.max_new_tokens <= MOST_NEW_TOKENS:
            raise BadInput(
                f"max_new_tokens is {self.max_new_tokens!r}: give a whole number from 1 to {MOST_NEW_TOKENS}."
            )
        if not isinstance(self.temperature, int | float) or not (
            self.temperature == 0 or 0.01 <= self.temperature <= 10
        ):
            raise BadInput(f"The temperature is {self.temperature!r}: give 0 (greedy) or a number from 0.01 to 10.")
        if not _is_integer(self.seed) or not 0 <= self.seed < 2**63:
            raise BadInput(f"The seed is {self.seed!r}: give a whole number from 0.")

    @property
    def how(self) -> str:
        """In words: ``greedy``, ``sampled at temperature 0.7 with seed 3``."""
        return f"sampled at temperature {self.temperature:g} with seed {self.seed}" if self.temperature else "greedy"


@dataclass(frozen=True)
class Continuation:
    """What a model wrote, without the end mark."""

    ids: tuple[int, ...]
    start: int | None
    """The token that the decoder of an encoder-decoder began with."""
    ended: bool
    """Whether the model ended it; False if it ran into the limit."""


CONTINUATIONS: Cache[Continuation] = Cache(max_items=256)


def _forget(pair_key: str, _: Pair) -> None:
    CONTINUATIONS.drop(lambda key: key[0] == pair_key)


PAIRS.on_evict.append(_forget)


def continuation(
    pair: Pair,
    side: Side,
    inputs: Mapping[str, Int[Tensor, "1 _"]],
    asked: Generation,
    room: int,
    progress: Progress | None = None,
) -> Continuation:
    """What ``side`` writes after ``inputs`` (or, an encoder-decoder, in answer to them), at most ``room`` tokens.

    Kept, so that asking for the other stack of an encoder-decoder costs nothing. ``progress`` is called at every token and
    may raise to stop.

    Raises:
        BadInput: the model can't generate. UnsupportedModel: it fails, or computes NaN.
    """
    if problem := cannot_generate(pair, side):
        raise BadInput(problem)
    limit = min(room, asked.max_new_tokens)
    ids = tuple(inputs["input_ids"][0].tolist())
    key = (pair.key, asked.by, ids, limit, asked.temperature, asked.seed if asked.temperature else None)
    return CONTINUATIONS.get(key, lambda: _generate(side, inputs, asked, limit, progress or unheard))


def cannot_generate(pair: Pair, side: Side) -> str:
    """Why this model continues no text, or an empty string."""
    model = unwrapped(side.model)
    name, two_stacks = f"{side.info.id} ({type(model).__name__})", model.config.is_encoder_decoder
    if not model.can_generate() or not (pair.causal or two_stacks):
        return f"{name} can't generate text: give the whole text, or a checkpoint with a language-model head."
    # Outputs are not compared either where the two vocabularies differ in size, which is no reason here.
    words = {getattr(unwrapped(one.model).get_output_embeddings(), "weight", None) for one in (pair.base, pair.tuned)}
    sizes = {weight.shape[0] for weight in words if weight is not None}
    if not two_stacks and pair.output_kind == "none" and len(sizes) == 1:
        return f"{name} has no trained output head, so what it would generate is noise: give the whole text."
    return ""


def _generate(side: Side, inputs: Mapping[str, Tensor], asked: Generation, limit: int, tell: Progress) -> Continuation:
    from transformers import LogitsProcessorList

    model, ends = copy.copy(unwrapped(side.model)), _ends(side)
    model.generation_config = settings = _settings(model, ends, limit)
    choice = _Choice(side, asked, limit, tell)
    prompt = {name: value.to(side.info.device) for name, value in inputs.items() if name != "token_type_ids"}
    try:
        with quiet():
            output = model.generate(
                **prompt, generation_config=settings, logits_processor=LogitsProcessorList([choice])
            )
    except Exception as error:
        if choice.stopped or isinstance(error, AttnCompareError):
            raise
        line = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(". ")
        raise UnsupportedModel(f"{side.info.id} can't generate text ({line}): give the whole text.") from None
    ids = [int(number) for number in output[0]]
    start = ids.pop(0) if model.config.is_encoder_decoder else None
    new = ids if start is not None else ids[inputs["input_ids"].shape[1] :]
    ended = bool(new) and new[-1] in ends
    return Continuation(tuple(new[:-1] if ended else new), start, ended)


def _ends(side: Side) -> set[int]:
    """Every token that ends a text: the model's own, and its tokenizer's."""
    found = unwrapped(side.model).generation_config.eos_token_id
    found = found if isinstance(found, list) else [found]
    return {number for number in (*found, side.tokenizer.eos_token_id) if _is_integer(number)}


def _settings(model: Any, ends: set[int], limit: int) -> Any:
    from transformers import GenerationConfig

    own = model.generation_config
    kept = {name: value for name in _KEPT if (value := getattr(own, name, None)) is not None}
    padding = own.pad_token_id if own.pad_token_id is not None else min(ends, default=0)
    return GenerationConfig(
        **kept,
        eos_token_id=sorted(ends) or None,
        pad_token_id=padding,
        max_new_tokens=limit,
        do_sample=False,  # drawing, where it is asked for, is done by _Choice
        num_beams=1,
        use_cache=True,
    )


class _Choice:
    """A logits processor: turns taking the largest logit into a draw, tells of progress, and refuses NaN."""

    def __init__(self, side: Side, asked: Generation, limit: int, tell: Progress) -> None:
        self.stopped = False
        """Whether what ``tell`` raised ended the work."""
        self._side, self._asked, self._limit, self._tell = side, asked, limit, tell
        self._random = torch.Generator().manual_seed(asked.seed)
        self._done = 0

    def __call__(self, input_ids: Int[Tensor, "1 _"], scores: Float[Tensor, "1 word"]) -> Float[Tensor, "1 word"]:
        try:
            self._tell(f"the {self._asked.by} model writes", self._done, self._limit)
        except BaseException:
            self.stopped = True
            raise
        self._done += 1
        if scores.isnan().any():
            raise UnsupportedModel(f"{self._side.info.id} computes NaN on this text in {self._side.info.dtype}.")
        if not self._asked.temperature:
            return scores
        uniform = torch.rand(scores.shape, generator=self._random, dtype=torch.float64)
        return scores / self._asked.temperature - (-uniform.log()).log().to(scores)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
