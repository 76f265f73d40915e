"""The named endpoints of probes: stateless, typed, documented; a dict first, then a picture.

As in :mod:`attncompare.ui.endpoints` the annotations are read by gradio, which enforces none of them: what comes in is
judged in :mod:`attncompare.ui.probing`.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.endpoints import ONE_BY_ONE, errors_as_text, reported, sent
from attncompare.ui.probing import ask_coreference
from attncompare.ui.questions import question
from attncompare.ui.reading import sent_reading


def probe_endpoints(local: LocalRule) -> None:
    """Add ``/coreference`` to the page being built."""
    for endpoint in (_coreference,):
        function = endpoint(local)
        gr.api(function, api_name=function.__name__, **ONE_BY_ONE)


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
