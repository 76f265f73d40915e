"""What both models read: a text, a sentence pair, a chat, a text and its continuation, or a source and its target.

Every option is judged here, before a model runs; each side reads with its own tokenizer. Knows nothing about attention
maps.
"""

from dataclasses import replace
from typing import Any, TypedDict, get_args

from attncompare.attention import AttentionKind, Progress, Token
from attncompare.errors import BadInput
from attncompare.models.alignment import Alignment, align
from attncompare.models.generation import Generation, cannot_generate
from attncompare.models.pair import Pair, Side, unwrapped
from attncompare.models.question import NULL_TOKEN, PairText
from attncompare.models.texts import Texts, read_pair, read_source, read_text, writer_of
from attncompare.models.tokens import Encoding, mark_sinks, sink_positions


class Reading(TypedDict, total=False):
    """How a text is read, the same for every analysis; :func:`prepare` explains each."""

    text_pair: str | None
    target: str | None
    chat: bool
    generate: Generation | None
    attention: AttentionKind
    level: str


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
    two_stacks = bool(unwrapped(pair.base.model).config.is_encoder_decoder)
    _check_options(attention, chat, generate, target, level)
    _check_model(pair, two_stacks, attention, text_pair=text_pair, target=target, chat=chat, generate=generate)
    if two_stacks:
        read = read_source(pair, text, target, generate, attention, progress)
    elif text_pair is None:
        read = read_text(pair, text, bool(chat), generate, progress)
    else:
        read = read_pair(pair, text, text_pair)
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
    name = type(unwrapped(pair.base.model)).__name__
    if attention != "self" and not two_stacks:
        raise BadInput(f"{name} has one stack, so there is no attention {attention!r}: choose 'self'.")
    if options["chat"] and (two_stacks or not pair.causal):
        raise BadInput(f"A chat template is for decoders, and {name} is none: compare without it (chat=False).")
    if options["text_pair"] is not None and (two_stacks or pair.causal):
        raise BadInput(f"A sentence pair is for encoders, and {name} is none: give a single text.")
    if options["target"] is not None and not two_stacks:
        raise BadInput(f"A target is for encoder-decoders, and {name} is none: give a single text.")
    generate = options["generate"]
    if generate is not None and (problem := cannot_generate(pair, writer_of(pair, generate))):
        raise BadInput(problem)


def _with_sinks(pair: Pair, side: Side, encoding: Encoding) -> Encoding:
    sinks = sink_positions(side.tokenizer, encoding.ids, causal=pair.causal)
    marked = replace(encoding, tokens=mark_sinks(encoding.tokens, sinks))
    if encoding.target is None:
        return marked
    sinks = sink_positions(side.tokenizer, encoding.target_ids or (), causal=True)
    return replace(marked, target=mark_sinks(encoding.target, sinks))


def _aligned(read: Texts, level: Any, *, decoder: bool) -> Alignment:
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
