"""The named endpoints of the probes of many texts: stateless, typed, documented; a dict first, then a picture."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.bias_asking import ask_bias_of_many, sent_groups, sent_texts
from attncompare.ui.endpoints import errors_as_text, reported, sent
from attncompare.ui.probing import about_sentences, ask_coreference_of_items, sent_items
from attncompare.ui.questions import question
from attncompare.ui.reading import sent_reading
from attncompare.ui.sought import sought


def bias_endpoint(local: LocalRule) -> Callable[..., Any]:
    """``/bias_of_many``."""

    def bias_of_many(
        base: str = "",
        tuned: str = "",
        texts: list[str] | None = None,
        groups: dict | None = None,
        answer: str | None = None,
        against: str | None = None,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData]:
        """The same as /bias over many texts: means with intervals over texts, and the mean of what a swap of gender changes.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            texts: 2 to 200 texts, each of at most 512 tokens.
            groups: As in /bias.
            answer: As in /attribution; null for what the tuned model finds likeliest on the first text.
            against: As in /attribution.
            reading: As in /compare, without text_pair, target and generate; words are read as words.

        Returns:
            Mean shares of each group in both models and leakage of every head, each with its 95% interval, and the answer to
            each text and to its swapped version (schema_version 1), and a PNG picture of them. A probe, not a verdict.
        """
        with errors_as_text():
            given, lists, about = sent_texts(texts), sent_groups(groups), sought(answer, against)
            asked = question(base, tuned, given[0], sent_reading(reading))
            found = ask_bias_of_many(asked, given, local, reported(), about, lists)
            return found.to_dict(), sent("bias-many", plots.bias_many(found))

    return bias_of_many


def coreference_endpoint(local: LocalRule) -> Callable[..., Any]:
    """``/coreference_of_many``."""

    def coreference_of_many(
        base: str = "", tuned: str = "", items: list[dict] | None = None, reading: dict | None = None
    ) -> tuple[dict, gr.FileData]:
        """How often pronouns look at whom they mean, in many sentences: accuracies of both models beside guessing.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            items: Up to 1000 objects such as {"text": "…", "pronoun": "it", "candidates": ["trophy", "suitcase"], "correct":
                "trophy"}, words as in /coreference; each may have labels, {"gender": "female"}, that accuracies are also
                given by, and a group, the same for sentences that differ in few words. Null for 24 built-in sentences.
            reading: level and chat, as in /compare.

        Returns:
            Accuracies with 95% intervals by several measures and of every head, baselines, and exact tests of base against
            tuned (schema_version 1), and a PNG picture of them.
        """
        with errors_as_text():
            given = sent_items(items)
            asked = about_sentences(base, tuned, sent_reading(reading))
            found = ask_coreference_of_items(asked, local, reported(), given)
            return found.to_dict(), sent("coreference-many", plots.coreference_many(found))

    return coreference_of_many
