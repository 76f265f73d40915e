"""Speaking for the libraries below: their load reports kept off stderr, their errors cut to one line."""

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_QUIET: ContextVar[bool] = ContextVar("attncompare_quiet", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' load reports and progress bars off stderr in this context: what matters in them is
    raised or noted by us. Verbosity belongs to the process and other threads, so it is not touched; instead a
    filter and a hook, set once, look at a context variable."""
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


def first_line(error: BaseException) -> str:
    """What a library's error says, as the end of a sentence: one line, not too long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".: ") + "."
