"""Items of coreference as they are written in code: objects of JSON, read and written.

The text of an item brings its words: a pronoun and its candidates are named as in :func:`attncompare.probes.coreference`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attncompare.analyses.coreference import mentioned, which_correct
from attncompare.analyses.coreference_items import Item
from attncompare.analyses.mentions import Span, Wanted, find, numbered
from attncompare.analyses.verdict import printable
from attncompare.errors import BadInput

NEEDED = ("text", "pronoun", "candidates", "correct")
MAY_HAVE = ("labels", "group")

LONGEST_LABEL, MOST_LABELS, MOST_VALUES = 40, 5, 12
"""Characters of a label; labels; values of one of them: an accuracy is told for each."""


def items_of(written: Any) -> tuple[Item, ...]:
    """Items from objects: ``{"text": "…", "pronoun": "it", "candidates": ["trophy", "suitcase"], "correct": "trophy"}``.

    ``pronoun``, each of the 2 to 10 ``candidates`` and ``correct`` are words that stand once in the text (``it@2`` names the
    second ``it``), or their characters ``[start, end]``. ``labels`` may say by what accuracies are also given, such as
    ``{"gender": "female"}``, and ``group`` what an item has in common with others that differ from it in few words; without
    one it stands for itself.

    Raises:
        BadInput: no list of such objects; the sentence says which one is wrong.
    """
    if isinstance(written, str | Mapping) or not isinstance(written, Sequence) or not written:
        raise BadInput(
            f"Expected items to be a list of objects with {', '.join(NEEDED)}, got {written!r:.60}: give one or more."
        )
    found: list[Item] = []
    for number, one in enumerate(written, 1):
        try:
            found.append(_item(one, number))
        except BadInput as error:
            raise BadInput(f"Item {number}: {error}") from None
    _require_few_labels(found)
    return tuple(found)


def written(item: Item) -> dict[str, Any]:
    """An item as :func:`items_of` reads it, words as words wherever that names them."""
    candidates = [_named(item.text, span) for span in item.candidates]
    pronoun = _named(item.text, item.pronoun)
    found = {"text": item.text, "pronoun": pronoun, "candidates": candidates, "correct": candidates[item.correct]}
    return {**found, **({"labels": dict(item.labels)} if item.labels else {}), "group": item.group}


def _item(one: Any, number: int) -> Item:
    known = (*NEEDED, *MAY_HAVE)
    if not isinstance(one, Mapping):
        raise BadInput(f"Expected an object with {', '.join(NEEDED)}, got {one!r:.60}.")
    if missing := [name for name in NEEDED if name not in one]:
        raise BadInput(f"There is no {missing[0]}: give {', '.join(NEEDED)}.")
    if unknown := [name for name in one if name not in known]:
        raise BadInput(f"There is no {unknown[0]!r:.40} in an item: it may have {', '.join(known)}.")
    text = one["text"]
    if not isinstance(text, str) or not text.strip():
        raise BadInput(f"Expected text to be a sentence, got {text!r:.60}.")
    pronoun, candidates = mentioned(text, one["pronoun"], one["candidates"])
    correct = which_correct(text, one["correct"], candidates)
    if correct is None:
        raise BadInput("Expected correct to be one of the candidates, got None: say which one is right.")
    group = one.get("group", f"item {number}")
    if not isinstance(group, str):
        raise BadInput(f"Expected group to be a string, got {group!r:.40}.")
    labels = _labels(one.get("labels", {}))
    return Item(text, pronoun.span, tuple(each.span for each in candidates), correct, group, labels)


def _labels(labels: Any) -> tuple[tuple[str, str], ...]:
    words = [*labels.keys(), *labels.values()] if isinstance(labels, Mapping) else [None]
    if not all(isinstance(word, str) and word.strip() and len(word) <= LONGEST_LABEL for word in words):
        raise BadInput(
            f"Expected labels to be an object of words of up to {LONGEST_LABEL} characters, such as "
            f'{{"gender": "female"}}, got {labels!r:.60}.'
        )
    return tuple(labels.items())


def _require_few_labels(items: Sequence[Item]) -> None:
    values: dict[str, set[str]] = {}
    for item in items:
        for name, value in item.labels:
            values.setdefault(name, set()).add(value)
    most = max(values, key=lambda name: len(values[name]), default="")
    if len(values) > MOST_LABELS or len(values.get(most, ())) > MOST_VALUES:
        raise BadInput(
            f"The items have {len(values)} labels, ‘{printable(most)}’ with {len(values[most])} values, and at most "
            f"{MOST_LABELS} with {MOST_VALUES} values each are told apart: leave some out."
        )


def _named(text: str, span: Span) -> Wanted | list[int]:
    """Words that are found again where they stand, else characters."""
    words = numbered(text, text[slice(*span)], span[0])
    try:
        again = find(text, words, "words").span == span
    except BadInput:
        again = False
    return words if again else list(span)
