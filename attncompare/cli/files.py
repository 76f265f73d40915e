"""What commands write and say: files in a folder, progress and remarks on stderr."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attncompare.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

    from attncompare import Routes


def writable(folder: Path) -> Path:
    """The folder, made and tried, before any model is loaded for it.

    Raises:
        BadInput: nothing can be written to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".attncompare-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or "it can't be used"
        raise BadInput(f"Nothing can be written to {folder}: {reason}; choose another --out folder.") from None
    return folder


def write_json(path: Path, content: dict[str, Any]) -> None:
    """The content in one line."""
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """The table as CSV."""
    frame.to_csv(path, index=False)


def write_pictures(folder: Path, figures: Mapping[str, Any]) -> None:
    """Each figure as a PNG of its name."""
    from attncompare import plots

    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(plots.png(figure))


def write_routes(path: Path, routes: "Routes") -> None:
    """The matrices of both models as NPZ, with the lifts that there are."""
    lifts = {"log2_lift_base": routes.log2_lift_base, "log2_lift_tuned": routes.log2_lift_tuned}
    np.savez_compressed(
        path,
        base=routes.base,
        tuned=routes.tuned,
        delta=routes.delta,
        queries=np.array(routes.queries),
        tokens=np.array([token.text for token in routes.tokens]),
        **{name: lift for name, lift in lifts.items() if lift is not None},  # type: ignore[arg-type]
    )


def tell(step: str, at: int, total: int) -> None:
    """Progress on one line of a terminal; silent where stderr is a file."""
    if sys.stderr.isatty():
        end = "\n" if at == total else ""
        print(f"\r\033[K{step} {at}/{total}", end=end, file=sys.stderr, flush=True)


def say(sentence: str) -> None:
    """A remark."""
    print(sentence, file=sys.stderr)


def done(folder: Path) -> None:
    """Where the results are."""
    say(f"Results are in {folder}")
