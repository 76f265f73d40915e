"""Commands of the probes: patterns of heads."""

from dataclasses import fields
from typing import Annotated

import typer

from attncompare.cli.answers import write_found
from attncompare.cli.files import tell, writable
from attncompare.cli.options import Asked, asks
from attncompare.metrics.pattern_rules import Thresholds


@asks
def patterns(
    asked: Asked,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="A threshold of the rules: both, together, diagonal, vertical, block, broad or above_null; may be given "
            "several times.",
        ),
    ] = None,
) -> None:
    """Write which pattern each head is in both models: vertical, diagonal, both, block, broad or heterogeneous.

    Writes patterns.json, patterns.csv, patterns.png (grids and the flow of classes) and patterns-examples.png; prints what
    was found.
    """
    from attncompare import plots
    from attncompare.analyses.pattern_classes import pattern_classes

    rules = _thresholds(threshold or [])
    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    found = pattern_classes(asked.pair(), text, thresholds=rules, progress=tell, **reading)
    figures = {"patterns": plots.pattern_classes(found), "patterns-examples": plots.class_examples(found)}
    write_found(folder, "patterns", found, figures)


def _thresholds(given: list[str]) -> Thresholds:
    values: dict[str, float] = {}
    known = [one.name for one in fields(Thresholds)]
    for one in given:
        name, _, number = one.partition("=")
        try:
            values[name] = float(number)
        except ValueError:
            raise typer.BadParameter(f"--threshold {one!r}: write NAME=NUMBER, such as diagonal=0.5.") from None
        if name not in known:
            raise typer.BadParameter(f"--threshold: there is no {name!r}; choose from {', '.join(known)}.")
    return Thresholds(**values)
