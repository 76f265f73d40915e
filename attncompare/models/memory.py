"""How much memory there is, and a refusal with a way out before anything large is asked of it.

A process that outgrows its memory is killed without a word, so needs are estimated first. Knows nothing about models.
"""

from pathlib import Path

import torch

from attncompare.errors import AttnCompareError, BadInput

_CGROUP = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def require(needed: int, what: str, hint: str, *, free: int | None, error: type[AttnCompareError] = BadInput) -> None:
    """Refuse what does not fit.

    Args:
        needed: bytes that ``what`` is going to take.
        what: subject of the sentence, "The attention of these 4096 tokens".
        hint: what to do instead, "shorten the text to 1024 tokens".
        free: bytes there are, see :func:`available`; None where nobody can say, and then nothing is refused.
        error: class of the refusal.

    >>> require(3 * 10**9, "The pair", "give dtype='bfloat16'", free=2 * 10**9)
    Traceback (most recent call last):
    attncompare.errors.BadInput: The pair needs 3 GB of memory and 2 GB are free: give dtype='bfloat16'.
    """
    if free is not None and needed > free:
        raise error(f"{what} needs {gigabytes(needed)} of memory and {gigabytes(free)} are free: {hint}.")


def gigabytes(number: int) -> str:
    """Bytes as a person reads them, in units of 1e9."""
    return f"{number / 1e9:.3g} GB"


def available(device: torch.device) -> int | None:
    """Bytes that can still be taken on a device; None where the device does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds and does not use goes to the next tensor.
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    import psutil  # type: ignore[import-untyped]

    machine = int(psutil.virtual_memory().available)  # mps shares the machine's memory
    return min([machine, *_container_limits(_CGROUP, _MEMBERSHIP)])


def _container_limits(root: Path, membership: Path) -> list[int]:
    """What the container that we run in leaves free, by control groups of version 2 and 1; the machine's own figures know
    nothing of those."""
    found = [
        _left(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        _left(root, "memory.max", "memory.current", "inactive_file"),
    ]
    text = _read(membership) or ""
    path = next((line[3:] for line in text.splitlines() if line.startswith("0::/")), "/")
    for folder in (root / path.strip("/"), *(root / path.strip("/")).parents):
        if folder.is_relative_to(root) and folder != root:
            found.append(_left(folder, "memory.max", "memory.current", "inactive_file"))
    return [left for left in found if left is not None]


def _left(folder: Path, limit: str, used: str, cache: str) -> int | None:
    most, now, state = (_read(folder / name) for name in (limit, used, "memory.stat"))
    if most is None or now is None or not most.isdigit() or not now.isdigit():  # "max": no limit
        return None
    lines = dict(line.split(maxsplit=1) for line in (state or "").splitlines() if " " in line)
    # Files that were read count as used, and are dropped when memory gets short.
    return max(int(most) - int(now) + int(lines.get(cache, 0)), 0)


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
