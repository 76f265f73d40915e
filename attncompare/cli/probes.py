"""Commands that probe attention: whom pronouns look at."""

from pathlib import Path
from typing import Annotated, Any

import typer

from attncompare.analyses.coreference_items import Format
from attncompare.cli.files import done, tell, writable, write_json, write_pictures, write_table
from attncompare.cli.options import Asked, asks


@asks
def coreference(
    asked: Asked,
    pronoun: Annotated[
        str | None, typer.Option(help="The pronoun, as it stands in the text; it@2 is the second it.")
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(metavar="WORDS", help="Words of the text that it may mean; given twice, or more often."),
    ] = None,
    correct: Annotated[str | None, typer.Option(help="Which of the candidates is right, written as there.")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(help="Instead of a text: a file of many sentences; may be given several times (pro and anti)."),
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="With --file: how it is written, as WinoBias, Winogender or GAP publish it.")
    ] = None,
    occupations: Annotated[
        Path | None,
        typer.Option(help="With --format winobias: a file of occupations, one a line, instead of WinoBias's 40."),
    ] = None,
) -> None:
    """Write whom a pronoun looks at in both models, in one text or in many sentences with known answers.

    Of a text: coreference.json, coreference.csv (every head and candidate) and coreference.png. Of files:
    coreference-many.json, coreference-many.csv (accuracy of every head) and coreference-many.png. Prints what was found.
    """
    if file:
        given = {"--pronoun": pronoun, "--candidate": candidate, "--correct": correct, "--text": asked.text,
                 "--text-file": asked.text_file}  # fmt: skip
        if alone := [name for name, value in given.items() if value]:
            raise typer.BadParameter(f"{', '.join(alone)}: not with --file, whose sentences bring their own.")
        if format is None:
            raise typer.BadParameter("--file: with --format winobias, winogender or gap.")
        _many(asked, file, format, occupations)
        return
    if format is not None or occupations is not None:
        raise typer.BadParameter("--format and --occupations: only with --file.")
    if pronoun is None or not candidate or len(candidate) < 2:
        raise typer.BadParameter("give --pronoun and --candidate twice or more, or a --file with its --format.")
    _one(asked, pronoun, candidate, correct)


def _one(asked: Asked, pronoun: str, candidates: list[str], correct: str | None) -> None:
    from attncompare import plots
    from attncompare.analyses.coreference import coreference as coreference_of

    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    found = coreference_of(asked.pair(), text, pronoun, candidates, correct=correct, progress=tell, **reading)
    _write(folder, "coreference", found, plots.coreference(found))


def _many(asked: Asked, files: list[Path], format: Format, occupations: Path | None) -> None:
    from attncompare import plots
    from attncompare.analyses.coreference_items import read_items
    from attncompare.analyses.coreference_many import coreference_of_many

    reading, folder = asked.reading(), writable(asked.out)
    read = read_items(files, format, occupations)
    found = coreference_of_many(asked.pair(), read, progress=tell, **reading)
    _write(folder, "coreference-many", found, plots.coreference_many(found))


def _write(folder: Path, name: str, found: Any, figure: Any) -> None:
    write_json(folder / f"{name}.json", found.to_dict())
    write_table(folder / f"{name}.csv", found.frame())
    write_pictures(folder, {name: figure})
    done(folder)
    for sentence in found.answers:
        typer.echo(sentence)
