"""The named endpoints of the probes: stateless, typed, documented; a dict first, then pictures.

As in :mod:`attncompare.ui.endpoints` the annotations are read by gradio, which enforces none of them.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.bias_asking import about_text, ask_bias, sent_groups
from attncompare.ui.endpoints import ONE_BY_ONE, errors_as_text, reported, sent
from attncompare.ui.questions import question
from attncompare.ui.reading import sent_reading
from attncompare.ui.sought import sought


def probe_endpoints(local: LocalRule) -> None:
    """Add ``/bias`` to the page being built."""
    for endpoint in (_bias,):
        function = endpoint(local)
        gr.api(function, api_name=function.__name__, **ONE_BY_ONE)


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
