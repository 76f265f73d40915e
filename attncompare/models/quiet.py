"""Speaking for the libraries below: their load reports kept off stderr, their errors cut to one line."""

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from attncompare.models.folder import Checkpoint

_QUIET: ContextVar[bool] = ContextVar("attncompare_quiet", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' load reports and progress bars off stderr: what matters in them is raised or noted by us.

    Verbosity belongs to the process and so to other threads; it is not touched. A filter and a hook, set once, look at
    a context variable instead.
    """
    _listen_for_quiet()
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


@functools.cache
def _listen_for_quiet() -> None:
    from transformers.utils import logging as their_logging

    def passes(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or not _QUIET.get()

    def progress(factory: Any, args: Any, kwargs: Any) -> Any:
        if _QUIET.get():
            factory = their_logging.EmptyTqdm
        return previous(factory, args, kwargs) if previous else factory(*args, **kwargs)

    for handler in logging.getLogger("transformers").handlers:
        handler.addFilter(passes)
    previous = their_logging.set_tqdm_hook(None)
    their_logging.set_tqdm_hook(progress)


def reason(error: BaseException, checkpoint: Checkpoint) -> str:
    """What a library's error says, as the end of a sentence: its most telling line, without this machine's paths."""
    text = str(error).replace(str(checkpoint.folder), checkpoint.id)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    # torch puts a title above the sizes that differ.
    line = next((line for line in lines if line.startswith("size mismatch")), lines[0])
    return line.split(". ")[0][:200].rstrip(".: ") + "."
