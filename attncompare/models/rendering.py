"""Renders one chat template, in a process of its own: :mod:`attncompare.models.chat` runs this file as a script.

A template is a program by a stranger. transformers renders it in Jinja's sandbox, which keeps it from this machine but not
from running for ever: one ``range`` is limited to 100,000 items, loops inside loops and powers such as ``9 ** (9 ** 9)``
are not, and nothing inside a process could stop the latter. So time, memory and the length of what comes out are limited
here.

Reads ``{"template", "variables", "text", "max_chars"}`` as JSON from standard input, writes ``{"rendered"}`` or
``{"error"}`` to standard output.
"""

import json
import sys
from pathlib import Path
from typing import Any

SECONDS = 2
"""Processor time that a template may take."""

MEMORY_BYTES = 512 * 2**20
"""Memory that a template may take, where the system can limit it (Linux)."""


def limit() -> None:
    """Limit this process from here on; without the means (Windows) the parent's clock remains."""
    try:
        import resource
    except ImportError:
        return
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(spent.ru_utime + spent.ru_stime) + 1 + SECONDS)
    pages = Path("/proc/self/statm")
    if pages.is_file():
        taken = int(pages.read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, taken + MEMORY_BYTES)


def _lower(what: int, to: int) -> None:
    import resource

    _, hard = resource.getrlimit(what)
    if hard == resource.RLIM_INFINITY or to < hard:
        resource.setrlimit(what, (to, hard))


def render(asked: dict[str, Any]) -> dict[str, str]:
    """What transformers' ``apply_chat_template`` renders for one message of a user."""
    from transformers.utils.chat_template_utils import render_jinja_template

    limit()
    message = {"role": "user", "content": asked["text"]}
    try:
        chats = render_jinja_template(
            conversations=[[message]],
            chat_template=asked["template"],
            add_generation_prompt=True,
            **asked["variables"],
        )[0]
    except MemoryError:
        return {"error": "it takes too much memory"}
    except Exception as error:  # a template can fail in any way that a program can
        return {"error": (str(error).splitlines() or [""])[0].strip() or type(error).__name__}
    rendered = str(chats[0])
    if len(rendered) > asked["max_chars"]:
        return {"error": f"it renders more than {asked['max_chars']:,} characters"}
    return {"rendered": rendered}


if __name__ == "__main__":
    json.dump(render(json.load(sys.stdin)), sys.stdout)
