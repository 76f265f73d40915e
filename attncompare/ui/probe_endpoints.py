"""The named endpoints of the probes: stateless, typed, documented; a dict first, then pictures."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.errors import BadInput
from attncompare.metrics.pattern_rules import Thresholds
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.bias_asking import about_text, ask_bias, sent_groups
from attncompare.ui.endpoints import ONE_BY_ONE, errors_as_text, reported, sent
from attncompare.ui.many_endpoints import bias_endpoint, coreference_endpoint
from attncompare.ui.probing import ask_coreference, ask_pattern_classes
from attncompare.ui.questions import question
from attncompare.ui.reading import sent_reading
from attncompare.ui.sought import sought


def probe_endpoints(local: LocalRule) -> None:
    """Add ``/patterns``, ``/coreference``, ``/bias``, and these two of many texts, to the page being built."""
    for endpoint in (_patterns, _coreference, _bias, coreference_endpoint, bias_endpoint):
        function = endpoint(local)
        gr.api(function, api_name=function.__name__, **ONE_BY_ONE)


def _patterns(local: LocalRule) -> Callable[..., Any]:
    def patterns(
        base: str = "",
        tuned: str = "",
        text: str = "",
        thresholds: dict | None = None,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData, gr.FileData]:
        """Which pattern each head is in both models: vertical, diagonal, both, block, broad or heterogeneous.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare.
            thresholds: Some of both, together, diagonal, vertical, block, broad, above_null with a number each; null for
                the usual ones.
            reading: As in /compare.

        Returns:
            Classes, margins and scores of every head, and PNG pictures: grids with the flow of classes, and a map of each.
        """
        with errors_as_text():
            rules, asked = _thresholds(thresholds), question(base, tuned, text, sent_reading(reading))
            found = ask_pattern_classes(asked, local, reported(), rules)
            pictures = sent("pattern-classes", plots.pattern_classes(found)), plots.class_examples(found)
            return found.to_dict(), pictures[0], sent("class-examples", pictures[1])

    return patterns


def _thresholds(value: Any) -> Thresholds:
    """Thresholds as sent.

    Raises:
        BadInput: no mapping, an unknown name, or a number out of range.
    """
    known = [one.name for one in fields(Thresholds)]
    if value is None:
        return Thresholds()
    if not isinstance(value, dict) or (unknown := [name for name in value if name not in known]):
        said = f"got {value!r:.80}" if not isinstance(value, dict) else f"got {unknown[0]!r:.40}"
        raise BadInput(f"Expected thresholds to name some of {', '.join(known)}, {said}.")
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise BadInput(f"The threshold {name} is {number!r:.40}: give a number.")
    return Thresholds(**{name: float(number) for name, number in value.items()})


def _bias(local: LocalRule) -> Callable[..., Any]:
    def bias(
        base: str = "",
        tuned: str = "",
        text: str = "",
        groups: dict | None = None,
        answer: str | None = None,
        against: str | None = None,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData]:
        """Where heads look among groups of words, what reaches the answer, and what a swap of gender changes.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare, of at most 512 tokens.
            groups: Words of each group by its name, such as {"female": ["she"], "male": ["he"]}; null for English lists.
                No word may be in two groups; the words of female and male are the gendered ones.
            answer: As in /attribution.
            against: As in /attribution.
            reading: As in /compare; words are read as words, and a continuation is left out.

        Returns:
            Shares of attention and attribution of each group in both models, leakage of every head, and what switching off,
            erasing and swapping do to the answer (schema_version 1), and a PNG picture of them. A probe, not a verdict.
        """
        with errors_as_text():
            lists, about = sent_groups(groups), sought(answer, against)
            asked = about_text(question(base, tuned, text, sent_reading(reading)), None)
            found = ask_bias(asked, local, reported(), about, lists)
            return found.to_dict(), sent("bias", plots.bias(found))

    return bias


def _coreference(local: LocalRule) -> Callable[..., Any]:
    def coreference(
        base: str = "",
        tuned: str = "",
        text: str = "",
        pronoun: str | list[int] = "",
        candidates: list[str] | list[list[int]] | None = None,
        correct: str | list[int] | None = None,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData]:
        """Whom a pronoun looks at: what it gives each candidate, head by head, and when the candidates change places.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare, of at most 512 tokens.
            pronoun: Words that stand once in the text (it@2 names the second it), or their characters [start, end].
            candidates: 2 to 10 of them, each in the same way.
            correct: Which of the candidates is right, written as there; null where that isn't known.
            reading: As in /compare, without text_pair, of attention self.

        Returns:
            Scores of each candidate in both models (schema_version 1), and a PNG picture of them.
        """
        with errors_as_text():
            if not isinstance(candidates, list):
                raise BadInput(f"Expected candidates to be a list of words of the text, got {candidates!r:.80}.")
            asked = question(base, tuned, text, sent_reading(reading))
            found = ask_coreference(asked, local, reported(), pronoun, candidates, correct)
            return found.to_dict(), sent("coreference", plots.coreference(found))

    return coreference
