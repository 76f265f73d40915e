"""What both models read: a text, a sentence pair, a chat, a text and its continuation, or a source and its target.

Every option is judged here, before a model runs; each side reads with its own tokenizer. Knows nothing about attention
maps.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypedDict, get_args

from attncompare.attention import AttentionKind, Progress, Token
from attncompare.errors import BadInput
from attncompare.models import lengths
from attncompare.models.alignment import Alignment, align
from attncompare.models.calls import AttentionCall
from attncompare.models.chat import chat_prompt
from attncompare.models.continued import extended, reread, same_content, same_words, spelled, without_end
from attncompare.models.generation import Continuation, Generation, bare, cannot_generate, continuation
from attncompare.models.merged import AnyCall, LeftOut, MergedCall, UnitIndex
from attncompare.models.pair import Pair, Side, Stack
from attncompare.models.targets import read_target, start_token, with_decoder
from attncompare.models.tokens import Encoding, encode, mark_sinks, sink_positions

NULL_TOKEN = Token("no token", "", None, None, special=True, sink=True)
"""What stands for the null key of a model with logit sinks."""

InputKey = tuple[tuple[str, tuple[int, ...]], ...]
TraceKey = tuple[str, InputKey, InputKey]


class Reading(TypedDict, total=False):
    """How a text is read, the same for every analysis; :func:`prepare` explains each."""

    text_pair: str | None
    target: str | None
    chat: bool
    generate: Generation | None
    attention: AttentionKind
    level: str


@dataclass(frozen=True, eq=False)
class PairText:
    """A text as both models of a pair take it, and which of their stacks is asked about. Sinks are marked, on each side its
    own. It refers to no model, so results may keep it."""

    pair_key: str
    text: str
    """As it was asked for."""
    texts: tuple[str, ...]
    """What the offsets of the tokens refer to: the text, rendered and continued, or both texts of a sentence pair."""
    target_text: str | None
    """What the offsets of a decoder's tokens refer to."""
    base: Encoding
    tuned: Encoding
    attention: AttentionKind
    stack: Stack
    queries: Alignment
    keys: Alignment
    """The same object as the queries', but for cross attention; a null key is in neither."""
    query_tokens: tuple[Token, ...]
    """What looks: the queries' units with their sinks marked."""
    key_tokens: tuple[Token, ...]
    """What is looked at, a null key last; the same object as ``query_tokens`` where the two are the same."""
    notes: tuple[str, ...]
    """What a reader of the result should know about the text."""

    @property
    def key(self) -> TraceKey:
        """What the trace cache knows this question by: everything that a trace depends on."""
        return self.pair_key, _key(self.base), _key(self.tuned)

    @property
    def level(self) -> str:
        """``token``, or what tokens were merged into: ``shared`` units or ``word``."""
        return self.queries.level

    @property
    def causal(self) -> bool:
        """Whether a query sees only itself and earlier keys."""
        return self.stack.causal

    @property
    def null(self) -> bool:
        """Whether the last key is the models' null key."""
        return self.stack.null

    @property
    def sinks(self) -> tuple[int, ...]:
        """Keys of the sink set."""
        return tuple(i for i, token in enumerate(self.key_tokens) if token.sink)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that any stack of either model reads."""
        return max(len(tokens) for side in (self.base, self.tuned) for tokens in (side.tokens, side.target or ()))

    def views(
        self, base: AttentionCall, tuned: AttentionCall, left_out: Sequence[LeftOut] | None = None
    ) -> tuple[AnyCall, AnyCall]:
        """One layer of both models over what is compared: the calls themselves, or over units where tokens are merged.

        What is left out of rows is added to ``left_out``, the base's and the tuned model's.
        """
        if self.queries.identity and self.keys.identity:
            return base, tuned
        sides = zip((base, tuned), ("base", "tuned"), left_out or (LeftOut(), LeftOut()), strict=True)
        first, second = (
            MergedCall(
                call,
                UnitIndex.of(getattr(self.queries, side), call.queries),
                UnitIndex.of(getattr(self.keys, side), call.keys - call.null),
                left,
            )
            for call, side, left in sides
        )
        return first, second

    def to_dict(self) -> dict[str, Any]:
        """What was read as JSON values."""
        return {"texts": list(self.texts), "target_text": self.target_text, "notes": list(self.notes)}


class _Read(NamedTuple):
    """What both models read, before it is aligned."""

    sides: tuple[Encoding, Encoding]
    """The base's and the tuned model's."""
    texts: tuple[str, ...]
    target_text: str | None = None
    notes: tuple[str, ...] = ()


def prepare(
    pair: Pair,
    text: Any,
    *,
    text_pair: Any = None,
    target: Any = None,
    chat: Any = False,
    generate: Any = None,
    attention: Any = "self",
    level: Any = "auto",
    progress: Progress | None = None,
) -> PairText:
    """What both models read, tokenized for each and aligned. Options may come from anywhere, so each is judged.

    Args:
        pair: the models.
        text: what to compare them on; of an encoder-decoder the source.
        text_pair: a second text, for encoders: both are read together, as a sentence pair.
        target: the text that the decoder of an encoder-decoder reads.
        chat: put the text into the chat template, the tuned model's if it has one, else the base's.
        generate: a :class:`Generation`: let a model continue the text, or write the target, and compare over all of it.
        attention: of an encoder-decoder: ``self`` (the encoder), ``decoder`` or ``cross``. Without a target the last two
            are compared on what the tuned model writes (greedy, up to 64 tokens, said in a note), and ``self`` needs none.
        level: ``auto``, ``token`` or ``word``, see :func:`attncompare.models.alignment.align`.
        progress: called at every generated token, may raise to stop.

    Raises:
        BadInput: a text that is blank or too long, or options that don't go together or not with these models.
        PairMismatch: the models have no tokens in common that could be compared.
        UnsupportedModel: a model fails to generate.
    """
    two_stacks = bool(bare(pair.base.model).config.is_encoder_decoder)
    _check_options(attention, chat, generate, target, level)
    _check_model(pair, two_stacks, attention, text_pair=text_pair, target=target, chat=chat, generate=generate)
    if two_stacks:
        read = _read_source(pair, text, target, generate, attention, progress)
    elif text_pair is None:
        read = _read_text(pair, text, bool(chat), generate, progress)
    else:
        both = _both(pair, text, text_pair=text_pair)
        lengths.check_texts(pair, both, "The sentence pair")
        read = _Read(both, (text, text_pair))
    base, tuned = (_with_sinks(pair, side, own) for side, own in zip((pair.base, pair.tuned), read.sides, strict=True))
    read = read._replace(sides=(base, tuned))
    keys = _aligned(read, level, decoder=attention == "decoder")
    queries = _aligned(read, level, decoder=True) if attention == "cross" else keys
    stack = pair.stack(attention)
    query_tokens = _shown(queries, causal=stack.causal)
    key_tokens = query_tokens if keys is queries else _shown(keys, causal=False)
    return PairText(
        pair.key,
        text,
        texts=read.texts,
        target_text=read.target_text,
        base=base,
        tuned=tuned,
        attention=attention,
        stack=stack,
        queries=queries,
        keys=keys,
        query_tokens=query_tokens,
        key_tokens=(*key_tokens, NULL_TOKEN) if stack.null else key_tokens,
        notes=read.notes,
    )


def _check_options(attention: Any, chat: Any, generate: Any, target: Any, level: Any) -> None:
    """Options that are none, or don't go together."""
    if attention not in get_args(AttentionKind):
        raise BadInput(f"There is no attention {attention!r}: choose one of {', '.join(get_args(AttentionKind))}.")
    if level not in ("auto", "token", "word"):
        raise BadInput(f"Level {level!r} is not known: choose 'auto', 'token' or 'word'.")
    if not isinstance(chat, bool):
        raise BadInput(f"chat is {chat!r}: give True or False.")
    if generate is not None and not isinstance(generate, Generation):
        raise BadInput(f"generate is {generate!r}: give a Generation, or None.")
    if target is not None and generate is not None:
        raise BadInput("Give a target, or let a model write it, not both.")


def _check_model(pair: Pair, two_stacks: bool, attention: str, **options: Any) -> None:
    """Options that these models don't have."""
    name = type(bare(pair.base.model)).__name__
    if attention != "self" and not two_stacks:
        raise BadInput(f"{name} has one stack, so there is no attention {attention!r}: choose 'self'.")
    if options["chat"] and (two_stacks or not pair.causal):
        raise BadInput(f"A chat template is for decoders, and {name} is none: compare without it (chat=False).")
    if options["text_pair"] is not None and (two_stacks or pair.causal):
        raise BadInput(f"A sentence pair is for encoders, and {name} is none: give a single text.")
    if options["target"] is not None and not two_stacks:
        raise BadInput(f"A target is for encoder-decoders, and {name} is none: give a single text.")
    generate = options["generate"]
    if generate is not None and (problem := cannot_generate(pair, _writer(pair, generate))):
        raise BadInput(problem)


def _read_text(pair: Pair, text: Any, chat: bool, generate: Generation | None, progress: Progress | None) -> _Read:
    """One text, as it is or as a chat, with a continuation if that is asked for."""
    both = _both(pair, text)
    if chat:
        given, owner = chat_prompt(pair, text)
        both = _both(pair, given, markers=True)
        lengths.check_chat(pair, both, given, text)
        read = _Read(both, (given,), notes=(f"the text stands in the chat template of the {owner} model",))
    else:
        lengths.check_text(pair, zip(_tokenizers(pair), both, strict=True), text)
        read = _Read(both, (text,))
    return read if generate is None else _continued(pair, read, generate, markers=chat, progress=progress)


def _continued(pair: Pair, read: _Read, generate: Generation, *, markers: bool, progress: Progress | None) -> _Read:
    """The same with what a model writes after it."""
    given, prompts = read.texts[0], [without_end(side) for side in read.sides]
    writer = _writer(pair, generate)
    prompt = prompts[writer is pair.tuned]
    space = lengths.room(pair, len(prompt.tokens))
    written = continuation(pair, writer, prompt.inputs, generate, space, progress)
    whole, tokens = spelled(writer.tokenizer, prompt.ids, written.ids, given, markers=markers)
    exact = same_content(*prompts) and _shared(pair, written)
    both = [
        extended(own, written.ids, tokens)
        if exact or side is writer
        else reread(side.tokenizer, whole, len(given), markers=markers)
        for side, own in zip((pair.base, pair.tuned), prompts, strict=True)
    ]
    lengths.check_texts(pair, both, "The text with its continuation")
    return _Read((both[0], both[1]), (whole,), notes=(*read.notes, _note("continued", generate, written)))


def _read_source(
    pair: Pair, text: Any, target: Any, generate: Generation | None, attention: str, progress: Progress | None
) -> _Read:
    """An encoder's text, and what the decoder reads: the target that was given, one that is written now, or its start."""
    sources = _both(pair, text)
    lengths.check_text(pair, zip(_tokenizers(pair), sources, strict=True), text)
    sides = (pair.base, pair.tuned)
    if target is not None:
        targets = [encode(side.tokenizer, target, token_types=False, as_target=True) for side in sides]
        lengths.check_texts(pair, targets, "The target")
        base, tuned = map(read_target, sides, sources, targets)
        return _Read((base, tuned), (text,), target)
    if generate is None and attention == "self":
        base, tuned = (with_decoder(side, own, (start_token(side),)) for side, own in zip(sides, sources, strict=True))
        return _Read((base, tuned), (text,))
    return _written(pair, text, sources, generate or Generation(), progress)


def _written(
    pair: Pair, text: str, sources: tuple[Encoding, Encoding], generate: Generation, progress: Progress | None
) -> _Read:
    """A source, and the target that a model writes for it."""
    writer = _writer(pair, generate)
    source = sources[writer is pair.tuned]
    written = continuation(pair, writer, source.inputs, generate, lengths.room(pair, 1), progress)
    whole, tokens = spelled(writer.tokenizer, (), written.ids, "")
    exact = _shared(pair, written)
    both = []
    for side, own in zip((pair.base, pair.tuned), sources, strict=True):
        start = written.start if side is writer and written.start is not None else start_token(side)
        if exact or side is writer or not whole.strip():
            ids, rest = (written.ids, tokens) if exact or side is writer else ((), ())
            both.append(with_decoder(side, own, (start, *ids), rest))
        else:
            target = reread(side.tokenizer, whole, 0, as_target=True)
            lengths.check_texts(pair, [target], "The target that was written")
            both.append(read_target(side, own, target))
    return _Read((both[0], both[1]), (text,), whole, (_note("target written", generate, written),))


def _writer(pair: Pair, generate: Generation) -> Side:
    return pair.base if generate.by == "base" else pair.tuned


def _shared(pair: Pair, written: Continuation) -> bool:
    """Whether both models know the very tokens that one of them wrote."""
    rows = [bare(side.model).get_input_embeddings().weight.shape[0] for side in (pair.base, pair.tuned)]
    return max(written.ids, default=0) < min(rows) and same_words(_tokenizers(pair), written.ids)


def _note(what: str, generate: Generation, written: Continuation) -> str:
    ended = "ended by the model itself" if written.ended else "cut off at the limit"
    return f"{what} by the {generate.by} model ({generate.how}): {len(written.ids)} tokens, {ended}"


def _tokenizers(pair: Pair) -> tuple[Any, Any]:
    return pair.base.tokenizer, pair.tuned.tokenizer


def _both(pair: Pair, text: Any, *, text_pair: Any = None, markers: bool = False) -> tuple[Encoding, Encoding]:
    """The text as each side takes it."""
    types = _takes_types(pair)
    base, tuned = _tokenizers(pair)
    first = encode(base, text, text_pair=text_pair, token_types=types, markers=markers)
    if tuned is base:
        return first, first
    return first, encode(tuned, text, text_pair=text_pair, token_types=types, markers=markers)


def _takes_types(pair: Pair) -> bool:
    """Whether the models have token types.

    Decoders such as GPT-2 take an argument of that name too, look it up among their words, and add that to every token:
    tokenizers without a class of their own return zeros for it, so it is left out. So is it where there is one type only.
    """
    model = bare(pair.base.model)
    named = "token_type_ids" in inspect.signature(model.forward).parameters
    return named and not pair.causal and getattr(model.config, "type_vocab_size", 2) > 1


def _with_sinks(pair: Pair, side: Side, encoding: Encoding) -> Encoding:
    sinks = sink_positions(side.tokenizer, encoding.ids, causal=pair.causal)
    marked = replace(encoding, tokens=mark_sinks(encoding.tokens, sinks))
    if encoding.target is None:
        return marked
    sinks = sink_positions(side.tokenizer, encoding.target_ids or (), causal=True)
    return replace(marked, target=mark_sinks(encoding.target, sinks))


def _aligned(read: _Read, level: Any, *, decoder: bool) -> Alignment:
    """The units of one stack: of the decoder, or of the encoder or only stack."""
    base, tuned = read.sides
    if not decoder:
        return align(base.tokens, tuned.tokens, read.texts, level, same_ids=base.ids == tuned.ids)
    same = base.target_ids == tuned.target_ids
    return align(base.target or (), tuned.target or (), (read.target_text or "",), level, same_ids=same)


def _shown(alignment: Alignment, *, causal: bool) -> tuple[Token, ...]:
    """The units with their sinks marked: those that hold a sink of the base, and the first of a causal model."""
    sinks = [i for i, token in enumerate(alignment.base_tokens) if token.sink]
    return mark_sinks(alignment.units, [*alignment.holding(sinks), *([0] if causal else [])])


def _key(encoding: Encoding) -> InputKey:
    return tuple(
        (name, tuple(values[0].tolist())) for name, values in encoding.inputs.items() if name != "attention_mask"
    )
