"""Commands about attention: what changed, how far heads look, and where it flows."""

from typing import Annotated, Any

import numpy as np
import typer

from attncompare.cli.files import done, say, tell, writable, write_json, write_pictures, write_routes, write_table
from attncompare.cli.options import Asked, asks


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
    rollout_layers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Follow attention through N layers, counted from the input.", show_default="all"
        ),
    ] = None,
) -> None:
    """Compare every head on a text.

    Writes comparison.json, heads.csv, rollout.npz, heads.png, layers.png, movers.png and rollout.png; prints the verdict.
    Cross-attention has no rollout, so its two files are left out.

    --floor and --replicate ask whether the change is more than noise: they add noise.json, noise.csv and noise.png, and fill
    the floors of every head in comparison.json and heads.csv.
    """
    from attncompare import compare as compare_pair
    from attncompare import plots
    from attncompare.analyses.routes import rollout

    if floor_seed is not None and floor is None:
        raise typer.BadParameter("--floor-seed: only with --floor, which draws random changes.")
    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    pair = asked.pair()
    trainings = [asked.training(one) for one in replicate or ()]
    measured: dict[str, Any] = {"floor": floor, "floor_seed": floor_seed or 0, "replicates": trainings}
    result = compare_pair(pair, text, **measured, progress=tell, **reading)
    routes = result.rollout
    if (routes is None or rollout_layers is not None) and result.attention != "cross":
        routes = rollout(pair, text, layers=rollout_layers, progress=tell, **reading)
    write_json(folder / "comparison.json", result.to_dict())
    write_table(folder / "heads.csv", result.frame())
    pictures = {"heads": plots.heads(result), "layers": plots.layers(result), "movers": plots.movers(result)}
    if routes is None:
        say(f"No rollout.npz and rollout.png: {result.rollout_omitted}.")
    else:
        write_routes(folder / "rollout.npz", routes)
        pictures["rollout"] = plots.rollout(routes)
    if result.noise is not None:
        write_json(folder / "noise.json", result.noise.to_dict())
        write_table(folder / "noise.csv", result.noise.frame())
        pictures["noise"] = plots.noise(result.noise)
    write_pictures(folder, pictures)
    done(folder)
    typer.echo(result.verdict)


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
    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    maps = head_maps(asked.pair(), text, layer, head, **windows, progress=tell, **reading)
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
    write_pictures(folder, {"head": plots.head(maps)})
    done(folder)
    bits, moved = _measured(maps.jsd_bits, 3, "bits"), _measured(maps.wasserstein_tokens, 2, "positions on average")
    typer.echo(f"{maps.name}: divergence {bits}, distance moved {moved}.")


@asks
def reach(asked: Asked) -> None:
    """Write how far the heads look, near, mid and far, and the strongest far links: reach.json, reach.csv and reach.png."""
    from attncompare import plots
    from attncompare.analyses.reaching import reach as reach_of

    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    found = reach_of(asked.pair(), text, progress=tell, **reading)
    write_json(folder / "reach.json", found.to_dict())
    write_table(folder / "reach.csv", found.frame())
    write_pictures(folder, {"reach": plots.reach(found)})
    done(folder)


@asks
def value_zeroing(asked: Asked) -> None:
    """Write where it flows by what tokens give, not by where heads look: value-zeroing.npz and value-zeroing.png.

    Each token's value is zeroed in turn and the change of every other token measured, layer by layer, then rolled out.
    """
    from attncompare import plots
    from attncompare import value_zeroing as zeroing_of

    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    routes = zeroing_of(asked.pair(), text, progress=tell, **reading)
    write_routes(folder / "value-zeroing.npz", routes)
    write_pictures(folder, {"value-zeroing": plots.rollout(routes)})
    done(folder)


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
