"""The wheel carries the adapters: built, installed in a clean environment, used from an empty folder."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import attncompare

ROOT = Path(attncompare.__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "tree"
    # From a copy: a build leaves its own folders beside the sources.
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, files):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", out, source], check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_it_carries_code_and_adapters(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "attncompare").rglob("*.py")}
    assert modules <= names
    for step in ("final", "step-0000", "step-0350"):
        assert f"attncompare/assets/movie-sentiment/{step}/adapter_model.safetensors" in names
    assert not any(name.startswith(("tests", "benchmarks", "training")) for name in names)


def test_it_compares_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """A clean environment that sees this one's libraries, but not this checkout."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    packages = next((home / "lib").glob("python3*/site-packages"))
    (packages / "libraries.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages")) + "\n"
    )
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", packages, wheel],
        check=True,
        capture_output=True,
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [home / "bin/python", "-I", "-m", "attncompare", "compare", "--text", "A dull film.", "--out", "out"]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "moved most" in done.stdout
    found = [home / "bin/python", "-I", "-c", "import attncompare; print(attncompare.__file__)"]
    where = subprocess.run(found, cwd=empty, capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) in where
    assert (empty / "out" / "heads.png").is_file()
