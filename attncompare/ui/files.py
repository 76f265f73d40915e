"""Files that the page serves: its assets, and pictures and tables written into gradio's own cache, which deletes them."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from gradio.utils import get_upload_folder

from attncompare import plots


def asset(name: str) -> Path:
    """A file of ``assets/``: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "assets" / name
    return inside if inside.exists() else package.parent / "assets" / name


def script(name: str) -> str:
    """The page's own JavaScript ``assets/js/name.js``, the body of a function as ``gr.HTML(js_on_load=)`` takes it."""
    return asset(f"js/{name}.js").read_text(encoding="utf-8")


def examples() -> list[dict[str, str]]:
    """Texts to try, each with a ``title``."""
    return list(json.loads(asset("examples.json").read_text(encoding="utf-8")))


def picture(name: str, figure: Any) -> str:
    """Path of the figure as ``name.png``."""
    return kept(f"{name}.png", plots.png(figure))


def shown(name: str, figure: Any, alt_text: str) -> Any:
    """The figure as an update of a ``gr.Image``, with what it shows in words."""
    return gr.update(value=picture(name, figure), alt_text=alt_text, visible=True)


def numbers(name: str, content: dict[str, Any]) -> str:
    """Path of the content as ``name.json``."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return kept(f"{name}.json", f"{text}\n".encode())


def table(name: str, frame: pd.DataFrame) -> str:
    """Path of the table as ``name.csv``."""
    return kept(f"{name}.csv", frame.to_csv(index=False).encode())


def kept(name: str, content: bytes) -> str:
    """Path of a file below gradio's cache, named by its content: the same content is the same file."""
    folder = Path(get_upload_folder()) / hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    # Another session may be reading the same file: it is replaced whole.
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(content)
    os.replace(file.name, folder / name)
    return str(folder / name)
