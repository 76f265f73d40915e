"""The command that writes one page of everything."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attncompare.cli.files import done, say, tell, writable
from attncompare.cli.options import Asked, asks
from attncompare.errors import AttnCompareError

if TYPE_CHECKING:
    from attncompare import Pair

PARTS = (
    "noise",
    "patterns",
    "bias",
    "reach",
    "attribution",
    "erasure",
    "value-zeroing",
    "patching",
    "ablation",
)


@asks
def report(
    asked: Asked,
    measure: Annotated[
        str,
        typer.Option(
            metavar="all|nothing|PART,PART",
            help=f"What is measured beside the comparison: all that the pair and the text allow, nothing, or some of "
            f"{', '.join(PARTS)}.",
        ),
    ] = "all",
) -> None:
    """Write everything about a pair and a text as one HTML page that opens offline: report.html.

    Answers in words, pictures, numbers of every head, the receipt, what each number means with its source, and the lines
    that make the same again. What can't be measured for this pair and text is left out, and stderr says why. Prints the
    verdict.
    """
    from attncompare import compare
    from attncompare.report import Findings
    from attncompare.report import report as report_of

    parts = _parts(measure)
    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    pair = asked.pair()
    result = compare(pair, text, progress=tell, **reading)
    found = Findings(**_measured(pair, text, parts, reading, optional=measure == "all"))
    page = report_of(result, found, reading=reading, progress=tell)
    (folder / "report.html").write_text(page, encoding="utf-8")
    done(folder)
    typer.echo(found.belonging_to(result).verdict)


def _parts(measure: str) -> tuple[str, ...]:
    """What is to be measured, in the order in which it is."""
    if measure in ("all", "nothing"):
        return PARTS if measure == "all" else ()
    named = measure.split(",")
    if unknown := [one for one in named if one not in PARTS]:
        raise typer.BadParameter(
            f"--measure: there is no {unknown[0]!r}: give all, nothing, or some of {', '.join(PARTS)}."
        )
    return tuple(part for part in PARTS if part in named)


def _measured(pair: "Pair", text: str, wanted: tuple[str, ...], reading: Any, *, optional: bool) -> dict[str, Any]:
    """What was found, by the names of :class:`attncompare.report.Findings`; with ``optional``, as far as the pair allows.

    Raises:
        AttnCompareError: something that was asked for by name can't be measured.
    """
    import attncompare

    functions: dict[str, Callable[..., Any]] = {
        "noise": attncompare.noise,
        "patterns": attncompare.probes.patterns,
        "bias": attncompare.probes.bias,
        "reach": attncompare.reach,
        "attribution": attncompare.attribution,
        "erasure": attncompare.erasure,
        "value-zeroing": attncompare.value_zeroing,
        "patching": attncompare.patching,
        "ablation": attncompare.ablation,
    }
    found = {}
    for part in wanted:
        try:
            found["zeroing" if part == "value-zeroing" else part] = functions[part](
                pair, text, progress=tell, **reading
            )
        except AttnCompareError as error:
            if not optional:
                raise
            say(f"No {part.replace('-', ' ')}: {error}")
    return found
