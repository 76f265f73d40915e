"""The command line: the same analyses to JSON, CSV, NPZ and PNG. Results in files, progress and errors on stderr.

Exit codes: 0 done, 1 the input could not be used (one sentence says why), 2 wrong usage, 130 interrupted.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from attncompare.errors import AttnCompareError, BadInput

Base = Annotated[
    str | None,
    typer.Option(
        help="Base checkpoint: hub id (org/name or org/name@revision) or folder. "
        "Left out: the adapter's own base, or the embedded pair's."
    ),
]
Tuned = Annotated[
    str | None,
    typer.Option(help="Tuned checkpoint: hub id or folder, an adapter or whole. Left out: the embedded pair's."),
]
Text = Annotated[str, typer.Option(help="The text that both models read.")]
Out = Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps. Left out: a GPU where there is one.")]
Dtype = Annotated[
    str | None,
    typer.Option(help="float32, bfloat16 or float16. Left out: float32 on a CPU, else the checkpoint's."),
]

app = typer.Typer(
    name="attncompare",
    help="Compare the attention of a base checkpoint with one fine-tuned from it. "
    "Without --base and --tuned the embedded pair is compared: all-MiniLM-L6-v2 and a movie-sentiment LoRA.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def compare(
    text: Text,
    out: Out,
    base: Base = None,
    tuned: Tuned = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Compare every head on a text.

    Writes comparison.json, heads.csv, rollout.npz, heads.png, layers.png, movers.png and rollout.png; prints the verdict.
    """
    from attncompare import compare as compare_pair
    from attncompare import load_pair, plots
    from attncompare.analyses.routes import rollout

    folder = _writable(out)
    pair = load_pair(base, tuned, device=device, dtype=dtype)
    result = compare_pair(pair, text, progress=_tell)
    routes = result.rollout or rollout(pair, text, progress=_tell)
    _write_json(folder / "comparison.json", result.to_dict())
    result.frame().to_csv(folder / "heads.csv", index=False)
    lifts = {"log2_lift_base": routes.log2_lift_base, "log2_lift_tuned": routes.log2_lift_tuned}
    np.savez_compressed(
        folder / "rollout.npz",
        base=routes.base,
        tuned=routes.tuned,
        delta=routes.delta,
        queries=np.array(routes.queries),
        tokens=np.array([token.text for token in routes.tokens]),
        **{name: lift for name, lift in lifts.items() if lift is not None},
    )
    pictures = {"heads": plots.heads(result), "layers": plots.layers(result)}
    pictures |= {"movers": plots.movers(result), "rollout": plots.rollout(routes)}
    for name, figure in pictures.items():
        (folder / f"{name}.png").write_bytes(plots.png(figure))
    _done(folder)
    typer.echo(result.verdict)


@app.command()
def head(
    text: Text,
    out: Out,
    layer: Annotated[int, typer.Option(help="Layer, counted from 0.")],
    head: Annotated[int, typer.Option(help="Head, counted from 0.")],
    base: Base = None,
    tuned: Tuned = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Write one head's maps in both models: head.npz (base, tuned, delta, tokens) and head.png."""
    from attncompare import head_maps, load_pair, plots

    folder = _writable(out)
    maps = head_maps(load_pair(base, tuned, device=device, dtype=dtype), text, layer, head)
    tokens = np.array([token.text for token in maps.tokens])
    np.savez_compressed(folder / "head.npz", base=maps.base, tuned=maps.tuned, delta=maps.delta, tokens=tokens)
    (folder / "head.png").write_bytes(plots.png(plots.head(maps)))
    _done(folder)
    typer.echo(f"{maps.name}: {maps.jsd_bits:.3f} bits, mass moved {maps.wasserstein_tokens:.2f} tokens on average.")


def _writable(folder: Path) -> Path:
    """The folder, made and tried, before any model is loaded for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".attncompare-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or "it can't be used"
        raise BadInput(f"Nothing can be written to {folder}: {reason}; choose another --out folder.") from None
    return folder


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _tell(step: str, done: int, total: int) -> None:
    """Progress on one line of a terminal; silent where stderr is a file."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r\033[K{step} {done}/{total}", end=end, file=sys.stderr, flush=True)


def _done(folder: Path) -> None:
    print(f"Results are in {folder}", file=sys.stderr)


def main() -> None:
    """Run the command line; errors that we raise on purpose are one sentence, never a traceback."""
    try:
        app()
    except AttnCompareError as error:
        print(f"attncompare: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("attncompare: interrupted", file=sys.stderr)
        sys.exit(130)
