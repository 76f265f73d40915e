"""The named endpoints about answers: stateless, typed, documented; a dict first, then pictures.

As in :mod:`attncompare.ui.endpoints` the annotations are read by gradio, which enforces none of them: names of options are
judged by the analyses, everything else in :mod:`attncompare.ui.sought`.
"""

from collections.abc import Callable
from typing import Any, Literal

import gradio as gr

from attncompare import plots
from attncompare.analyses.overlaid import overlaid
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.causes import ask_ablation, ask_attribution, ask_erasure, ask_patching, ask_value_zeroing
from attncompare.ui.endpoints import ONE_BY_ONE, errors_as_text, reported, sent
from attncompare.ui.questions import question
from attncompare.ui.reading import sent_reading
from attncompare.ui.sought import ranked, referred, sought


def cause_endpoints(local: LocalRule) -> None:
    """Add ``/attribution``, ``/erasure``, ``/patching``, ``/ablation`` and ``/value_zeroing`` to the page being built."""
    for endpoint in (_attribution, _erasure, _patching, _ablation, _value_zeroing):
        function = endpoint(local)
        gr.api(function, api_name=function.__name__, **ONE_BY_ONE)


def _attribution(local: LocalRule) -> Callable[..., Any]:
    def attribution(
        base: str = "",
        tuned: str = "",
        text: str = "",
        method: Literal["integrated_gradients", "gradient_x_input", "saliency", "occlusion"] = "integrated_gradients",
        answer: str | None = None,
        against: str | None = None,
        baseline: Literal["auto", "pad", "mask", "unk", "eos", "zero"] = "auto",
        erasing: Literal["delete", "mask", "hide"] = "delete",
        overlay: str = "mean",
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData, gr.FileData, gr.FileData]:
        """How much each token moves the answer of both models, beside what attention looks at.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare, of at most 512 tokens.
            method: How it is attributed; occlusion erases one token at a time.
            answer: A class by its name, or a next token; null for what the tuned model finds likeliest.
            against: Another answer, whose logit is taken off; null for none.
            baseline: Of integrated gradients: that token in place of every token that is not special, zero embeddings, or
                auto, the first of pad, eos, unk that there is.
            erasing: Of occlusion: a token is deleted, replaced by the mask token, or hidden by the attention mask
            (in a decoder it still acts from its own place).
            overlay: The attention that the second picture lays it over: mean, rollout, or a head such as L3.H9.
            reading: As in /compare.

        Returns:
            Attribution of each token and each head's agreement with it (schema_version 1), and PNG pictures of the
            attribution, of both marks on each token, and of the agreement.
        """
        with errors_as_text():
            over = overlaid(overlay)
            about, asked = sought(answer, against), question(base, tuned, text, sent_reading(reading))
            found = ask_attribution(asked, local, reported(), about, method, baseline, erasing)
            return (
                found.to_dict(),
                sent("attribution", plots.attribution(found)),
                sent("overlay", plots.overlay(found, **over)),
                sent("agreement", plots.agreement(found)),
            )

    return attribution


def _erasure(local: LocalRule) -> Callable[..., Any]:
    def erasure(
        base: str = "",
        tuned: str = "",
        text: str = "",
        answer: str | None = None,
        against: str | None = None,
        erasing: Literal["delete", "mask", "hide"] = "delete",
        draws: int = 10,
        seed: int = 0,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData]:
        """Which ranking of the words is faithful: words are erased in its order, and the answer watched.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare, of at most 512 tokens.
            answer: As in /attribution.
            against: As in /attribution.
            erasing: A word is deleted, replaced by the mask token, or hidden by the attention mask
            (in a decoder it still acts from its own place).
            draws: Random rankings to hold the others against, 10 to 100.
            seed: The same seed, the same random rankings.
            reading: As in /compare.

        Returns:
            Comprehensiveness and sufficiency of each ranking with their curves, and a PNG picture of them.
        """
        with errors_as_text():
            about, many = sought(answer, against), ranked(draws, seed)
            asked = question(base, tuned, text, sent_reading(reading))
            found = ask_erasure(asked, local, reported(), about, erasing, *many)
            return found.to_dict(), sent("erasure", plots.erasure(found))

    return erasure


def _patching(local: LocalRule) -> Callable[..., Any]:
    def patching(
        base: str = "",
        tuned: str = "",
        text: str = "",
        what: Literal["pattern", "output"] = "pattern",
        answer: str | None = None,
        against: str | None = None,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData, gr.FileData]:
        """What swapping heads between the models does to the answer: which change matters, and which is idle.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare, of at most 512 tokens.
            what: What of a head comes from the other model: where it looks (pattern), or all that it gives (output).
            answer: As in /attribution.
            against: As in /attribution.
            reading: As in /compare.

        Returns:
            Effects of every head, of every layer and of all heads, both ways, and PNG pictures: divergence against effect,
            and the effects as grids.
        """
        with errors_as_text():
            about, asked = sought(answer, against), question(base, tuned, text, sent_reading(reading))
            found = ask_patching(asked, local, reported(), about, what)
            return found.to_dict(), sent("scatter", plots.scatter(found)), sent("patching", plots.patching(found))

    return patching


def _ablation(local: LocalRule) -> Callable[..., Any]:
    def ablation(
        base: str = "",
        tuned: str = "",
        text: str = "",
        how: Literal["zero", "mean", "uniform"] = "zero",
        answer: str | None = None,
        against: str | None = None,
        references: list[str] | None = None,
        reading: dict | None = None,
    ) -> tuple[dict, gr.FileData]:
        """Which heads each model needs: every head switched off in turn, and its importance by gradient.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare, of at most 512 tokens.
            how: What a head gives when it is off: nothing (zero), its mean, or the plain mean of the values that each query
                may see (uniform).
            answer: As in /attribution.
            against: As in /attribution.
            references: Texts that the mean is over, at most 16; null for this text alone.
            reading: As in /compare.

        Returns:
            Effects of every head, of every layer and of all heads, in both models, and a PNG picture of them.
        """
        with errors_as_text():
            about, others = sought(answer, against), referred(references)
            asked = question(base, tuned, text, sent_reading(reading))
            found = ask_ablation(asked, local, reported(), about, how, others)
            return found.to_dict(), sent("ablation", plots.ablation(found))

    return ablation


def _value_zeroing(local: LocalRule) -> Callable[..., Any]:
    def value_zeroing(
        base: str = "", tuned: str = "", text: str = "", reading: dict | None = None
    ) -> tuple[dict, gr.FileData]:
        """Where it flows by what tokens give: values zeroed in turn, the changes multiplied through the layers.

        Args:
            base: As in /compare.
            tuned: As in /compare.
            text: As in /compare, of at most 512 tokens.
            reading: As in /compare.

        Returns:
            The share of each input token in each output token, in both models, and a PNG picture of them.
        """
        with errors_as_text():
            asked = question(base, tuned, text, sent_reading(reading))
            routes = ask_value_zeroing(asked, local, reported())
            return routes.to_dict(), sent("value-zeroing", plots.rollout(routes))

    return value_zeroing
