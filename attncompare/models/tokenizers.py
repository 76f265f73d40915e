"""The tokenizers of a pair, from the files beside the weights.

Knows nothing about models or texts; :mod:`attncompare.models.tokens` reads those.
"""

from typing import Any

from attncompare.errors import CheckpointError
from attncompare.models.finding import Sources
from attncompare.models.folder import Checkpoint
from attncompare.models.quiet import quiet, reason

_TOKENIZER_FILES = {
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
}


def load_tokenizers(sources: Sources, configs: tuple[Any, Any]) -> tuple[tuple[Any, Any], tuple[str, ...]]:
    """The tokenizers of base and tuned, and notes on where they came from.

    A side's own, else that of the full checkpoint under the adapters, else the other side's. ``configs`` are those of the
    full checkpoints under base and tuned.

    Raises:
        CheckpointError: if there is none, or one can't say which characters a token stands for.
    """
    sides = (sources.base, sources.tuned)
    owners = [_owner(side, (sources.body, *sides)) for side in sides]
    base, tuned = owners
    found = _load_tokenizer(base, configs[base is sources.tuned])
    other = found if tuned is base else _load_tokenizer(tuned, configs[tuned is sources.tuned])
    notes = []
    for word, side, owner in zip(("base", "tuned model"), sides, owners, strict=True):
        if owner is not side:
            names = ((sources.base, "the base's"), (sources.tuned, "the tuned model's"), (owner, f"that of {owner.id}"))
            name = next(name for checkpoint, name in names if checkpoint is owner)
            notes.append(f"the {word} has no tokenizer of its own, it reads with {name}")
    return (found, other), tuple(notes)


def _owner(side: Checkpoint, others: tuple[Checkpoint, ...]) -> Checkpoint:
    for checkpoint in (side, *others):
        if any((checkpoint.folder / name).is_file() for name in _TOKENIZER_FILES):
            return checkpoint
    names = " nor ".join(dict.fromkeys(repr(checkpoint.id) for checkpoint in others))
    raise CheckpointError(f"Neither {names} has a tokenizer: save it beside the weights (tokenizer.json).")


def vocabulary_note(word: str, tokenizer: Any, model: Any) -> tuple[str, ...]:
    """A note where a tokenizer knows more tokens than its model embeds: a padding token added for training, or a misfit."""
    known, embedded = len(tokenizer), model.get_input_embeddings().weight.shape[0]
    return (f"the {word}'s tokenizer knows {known} tokens, {embedded} of them its model",) if known > embedded else ()


def _load_tokenizer(owner: Checkpoint, config: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                owner.folder, config=config, trust_remote_code=False, local_files_only=True
            )
    except Exception as error:  # tokenizer files can be wrong in as many ways as there are tokenizers
        raise CheckpointError(f"The tokenizer of {owner.id!r} can't be loaded: {reason(error, owner)}") from None
    if not tokenizer.is_fast:
        # transformers converts what it can when it loads; what is left is written in Python for one family.
        raise CheckpointError(
            f"The tokenizer of {owner.id!r} ({type(tokenizer).__name__}) is a tokenizer without offsets: it doesn't say "
            "which characters a token stands for, so save a fast one (tokenizer.json) beside the weights."
        )
    # Saved truncation and padding would be switched off at the first use, which is no safe moment: threads share this.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer
