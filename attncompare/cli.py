"""The command line: the same analyses to JSON, CSV, NPZ and PNG. Results in files, progress and errors on stderr.

Exit codes: 0 done, 1 the input could not be used (one sentence says why), 2 wrong usage, 130 interrupted.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from attncompare.cli_options import Asked, asks
from attncompare.errors import AttnCompareError, BadInput
from attncompare.version import __version__

if TYPE_CHECKING:
    from attncompare import Routes

app = typer.Typer(
    name="attncompare",
    help="Compare the attention of a base checkpoint with one fine-tuned from it. "
    "Without --base and --tuned the embedded pair is compared: all-MiniLM-L6-v2 and a movie-sentiment LoRA.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"attncompare {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


@app.command()
@asks
def compare(
    asked: Asked,
    floor: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Hold every head against K random changes of the weights, each as large as the tuning's: 3 or more, 19 to "
            "test by, 39 is a good number; 0 draws none.",
        ),
    ] = None,
    floor_seed: Annotated[
        int | None, typer.Option(help="With --floor: the same seed, the same random changes.", show_default="0")
    ] = None,
    replicate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Another training of the same base, by hub id or folder, to hold every head against; may be given several "
            "times. Without --floor no random changes are drawn.",
        ),
    ] = None,
) -> None:
    """Compare every head on a text.

    Writes comparison.json, heads.csv, rollout.npz, heads.png, layers.png, movers.png and rollout.png; prints the verdict.
    Cross-attention has no rollout, so its two files are left out. --floor and --replicate say what divergence is measured
    by: they add noise.json, noise.csv and noise.png, and the floors to comparison.json and heads.csv.
    """
    from attncompare import compare as compare_pair
    from attncompare import plots
    from attncompare.analyses.routes import rollout

    if floor_seed is not None and floor is None:
        raise typer.BadParameter("--floor-seed: only with --floor, which draws random changes.")
    text, reading, folder = asked.words(), asked.reading(), _writable(asked.out)
    pair = asked.pair()
    trainings = [asked.training(one) for one in replicate or ()]
    measured: dict[str, Any] = {"floor": floor, "floor_seed": floor_seed or 0, "replicates": trainings}
    result = compare_pair(pair, text, **measured, progress=_tell, **reading)
    routes = result.rollout
    if routes is None and result.attention != "cross":
        routes = rollout(pair, text, progress=_tell, **reading)
    _write_json(folder / "comparison.json", result.to_dict())
    result.frame().to_csv(folder / "heads.csv", index=False)
    pictures = {"heads": plots.heads(result), "layers": plots.layers(result), "movers": plots.movers(result)}
    if routes is None:
        _say(f"No rollout.npz and rollout.png: {result.rollout_omitted}.")
    else:
        _write_routes(folder / "rollout.npz", routes)
        pictures["rollout"] = plots.rollout(routes)
    if result.noise is not None:
        _write_json(folder / "noise.json", result.noise.to_dict())
        result.noise.frame().to_csv(folder / "noise.csv", index=False)
        pictures["noise"] = plots.noise(result.noise)
    for name, figure in pictures.items():
        (folder / f"{name}.png").write_bytes(plots.png(figure))
    _done(folder)
    typer.echo(result.verdict)


@app.command()
@asks
def head(
    asked: Asked,
    layer: Annotated[int, typer.Option(help="Layer, by the model's own number, counted from 0.")],
    head: Annotated[int, typer.Option(help="Head, counted from 0.")],
    queries: Annotated[
        str | None,
        typer.Option(metavar="START:STOP", help="Part of the text: these queries, STOP left out. Default: all."),
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option(metavar="START:STOP", help="Part of the text: these keys, STOP left out. Default: all."),
    ] = None,
) -> None:
    """Write one head's maps in both models.

    head.npz (base, tuned, delta, tokens, key_tokens, and the windows queries and keys) and head.png.
    """
    from attncompare import head_maps, plots

    windows = {"queries": _window("--queries", queries), "keys": _window("--keys", keys)}
    text, reading, folder = asked.words(), asked.reading(), _writable(asked.out)
    maps = head_maps(asked.pair(), text, layer, head, **windows, progress=_tell, **reading)
    np.savez_compressed(
        folder / "head.npz",
        base=maps.base,
        tuned=maps.tuned,
        delta=maps.delta,
        tokens=np.array([token.text for token in maps.tokens]),
        key_tokens=np.array([token.text for token in maps.key_tokens]),
        queries=np.array(maps.queries),
        keys=np.array(maps.keys),
    )
    (folder / "head.png").write_bytes(plots.png(plots.head(maps)))
    _done(folder)
    bits, moved = _measured(maps.jsd_bits, 3, "bits"), _measured(maps.wasserstein_tokens, 2, "positions on average")
    typer.echo(f"{maps.name}: divergence {bits}, distance moved {moved}.")


@app.command()
@asks
def reach(asked: Asked) -> None:
    """Write how far the heads look, near, mid and far, and the strongest far links: reach.json, reach.csv and reach.png."""
    from attncompare import plots
    from attncompare.analyses.distance import reach as reach_of

    text, reading, folder = asked.words(), asked.reading(), _writable(asked.out)
    found = reach_of(asked.pair(), text, progress=_tell, **reading)
    _write_json(folder / "reach.json", found.to_dict())
    found.frame().to_csv(folder / "reach.csv", index=False)
    (folder / "reach.png").write_bytes(plots.png(plots.reach(found)))
    _done(folder)


def _window(name: str, typed: str | None) -> tuple[int, int] | None:
    """``START:STOP`` as two numbers; whether the text has them is found later."""
    if typed is None:
        return None
    start, colon, stop = typed.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal()):
        raise typer.BadParameter(f"{name} is {typed!r}: give START:STOP, two whole numbers, such as 0:64.")
    return int(start), int(stop)


def _measured(value: float, places: int, unit: str) -> str:
    return "not measured" if np.isnan(value) else f"{value:.{places}f} {unit}"


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


def _write_routes(path: Path, routes: "Routes") -> None:
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


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _tell(step: str, done: int, total: int) -> None:
    """Progress on one line of a terminal; silent where stderr is a file."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r\033[K{step} {done}/{total}", end=end, file=sys.stderr, flush=True)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _done(folder: Path) -> None:
    _say(f"Results are in {folder}")


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
