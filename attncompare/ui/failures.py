"""What a visitor is told when something can't be done: one sentence, and nothing about the server."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape

import gradio as gr

from attncompare.errors import AttnCompareError

NO_ANSWER = "There is no comparison to ask about yet: press Compare first."

UNEXPECTED = "Something went wrong on the server; its log says what. Nothing that you typed is lost."

_LOG = logging.getLogger("attncompare.ui")


@dataclass(frozen=True, slots=True)
class Failure:
    """What a visitor is told when a question can't be answered: one sentence."""

    sentence: str

    def toast(self) -> gr.Error:
        """For the page, which renders it as HTML: it may quote what a stranger typed."""
        return gr.Error(escape(self.sentence, quote=False), duration=6, print_exception=False)

    def message(self) -> gr.Error:
        """For a client, which reads it as text."""
        return gr.Error(self.sentence, print_exception=False)


def failure(error: Exception) -> Failure:
    """The sentence of an error raised on purpose; any other goes to the server's log and to nobody else."""
    if isinstance(error, AttnCompareError):
        return Failure(str(error))
    _LOG.error("unexpected error", exc_info=error)
    return Failure(UNEXPECTED)


@contextmanager
def shown_errors() -> Iterator[None]:
    """On the page: whatever is raised inside becomes a toast."""
    try:
        yield
    except Exception as error:
        raise failure(error).toast() from None
