"""The texts that both models of a pair read, each with its own tokenizer, before they are aligned.

A sentence pair, a text or a chat, what a model writes after it, a source and its target. Options have been judged before;
lengths are judged here. Knows nothing about attention.
"""

import inspect
from typing import Any, NamedTuple

from attncompare.attention import Progress
from attncompare.models import lengths
from attncompare.models.chat import chat_prompt
from attncompare.models.continued import extended, reread, same_content, same_words, spelled, without_end
from attncompare.models.generation import Continuation, Generation, continuation
from attncompare.models.pair import Pair, Side, unwrapped
from attncompare.models.targets import read_target, start_token, with_decoder
from attncompare.models.tokens import Encoding, encode


class Texts(NamedTuple):
    """What both models read, before it is aligned."""

    sides: tuple[Encoding, Encoding]
    """The base's and the tuned model's."""
    texts: tuple[str, ...]
    target_text: str | None = None
    notes: tuple[str, ...] = ()


def read_pair(pair: Pair, text: Any, text_pair: Any) -> Texts:
    """Two texts behind one another, as encoders are trained on them."""
    both = _both(pair, text, text_pair=text_pair)
    lengths.check_texts(pair, both, "The sentence pair")
    untyped = _takes_types(pair) and any("token_type_ids" not in own.inputs for own in both)
    notes = ("the tokenizer gives no token types, so the models read both texts as the first",) if untyped else ()
    return Texts(both, (text, text_pair), notes=notes)


def read_text(pair: Pair, text: Any, chat: bool, generate: Generation | None, progress: Progress | None) -> Texts:
    """One text, as it is or as a chat, with a continuation if that is asked for."""
    both = _both(pair, text)
    if chat:
        given, owner = chat_prompt(pair, text)
        both = _both(pair, given, markers=True)
        lengths.check_chat(pair, both, given, text)
        read = Texts(both, (given,), notes=(f"the text stands in the chat template of the {owner} model",))
    else:
        lengths.check_text(pair, zip(_tokenizers(pair), both, strict=True), text)
        read = Texts(both, (text,))
    return read if generate is None else _continued(pair, read, generate, markers=chat, progress=progress)


def _continued(pair: Pair, read: Texts, generate: Generation, *, markers: bool, progress: Progress | None) -> Texts:
    """The same with what a model writes after it."""
    given, prompts = read.texts[0], [without_end(side) for side in read.sides]
    writer = writer_of(pair, generate)
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
    return Texts((both[0], both[1]), (whole,), notes=(*read.notes, _note("continued", generate, written)))


def read_source(
    pair: Pair, text: Any, target: Any, generate: Generation | None, attention: str, progress: Progress | None
) -> Texts:
    """An encoder's text, and what the decoder reads: the target that was given, one that is written now, or its start."""
    sources = _both(pair, text)
    lengths.check_text(pair, zip(_tokenizers(pair), sources, strict=True), text)
    sides = (pair.base, pair.tuned)
    if target is not None:
        targets = [encode(side.tokenizer, target, token_types=False, as_target=True) for side in sides]
        lengths.check_texts(pair, targets, "The target")
        base, tuned = map(read_target, sides, sources, targets)
        return Texts((base, tuned), (text,), target)
    if generate is None and attention == "self":
        base, tuned = (with_decoder(side, own, (start_token(side),)) for side, own in zip(sides, sources, strict=True))
        return Texts((base, tuned), (text,))
    return _written(pair, text, sources, generate or Generation(), progress)


def _written(
    pair: Pair, text: str, sources: tuple[Encoding, Encoding], generate: Generation, progress: Progress | None
) -> Texts:
    """A source, and the target that a model writes for it."""
    writer = writer_of(pair, generate)
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
    return Texts((both[0], both[1]), (text,), whole, (_note("target written", generate, written),))


def writer_of(pair: Pair, generate: Generation) -> Side:
    """The side that continues the text."""
    return pair.base if generate.by == "base" else pair.tuned


def _shared(pair: Pair, written: Continuation) -> bool:
    """Whether both models know the very tokens that one of them wrote."""
    rows = [unwrapped(side.model).get_input_embeddings().weight.shape[0] for side in (pair.base, pair.tuned)]
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
    model = unwrapped(pair.base.model)
    named = "token_type_ids" in inspect.signature(model.forward).parameters
    return named and not pair.causal and getattr(model.config, "type_vocab_size", 2) > 1
