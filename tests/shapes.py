"""A plugin of pytest: every module that names shapes of arrays has them checked while tests run.

The others are left alone: checking plain types at run time, as mypy does without running, would take a quarter longer.
"""

from pathlib import Path

from jaxtyping import install_import_hook

ROOT = Path(__file__).parents[1]

SHAPED = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "attncompare").rglob("*.py"))
    if "from jaxtyping import" in path.read_text(encoding="utf-8")
]

install_import_hook(SHAPED, "beartype.beartype")
