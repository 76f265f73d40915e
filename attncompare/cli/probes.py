"""Commands of the probes: patterns of heads, whom a pronoun looks at, and groups of words."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from attncompare.analyses.coreference_items import Format, Item, Items, read_items
from attncompare.analyses.winograd import SENTENCES
from attncompare.cli.answers import Against, Wanted, write_found
from attncompare.cli.files import done, tell, writable, write_json, write_pictures, write_table
from attncompare.cli.options import Asked, asks
from attncompare.errors import BadInput
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


@asks
def bias(
    asked: Asked,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='A JSON file of words by group, such as {"female": ["she"], "male": ["he"]}. Left out: English lists. The '
            "words of female and male are the gendered ones.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Many texts instead of --text: one a line, or CSV or TSV with a column called text. Means with intervals "
            "over texts.",
        ),
    ] = None,
    answer: Wanted = None,
    against: Against = None,
) -> None:
    """Write what both models make of groups of words, how far gendered words reach the answer, and what a swap changes.

    Writes bias.json, bias.csv (heads) and bias.png; prints what was found. A probe, not a verdict.
    """
    from attncompare import plots
    from attncompare.analyses.bias import bias as bias_of
    from attncompare.analyses.bias_many import bias_of_many
    from attncompare.analyses.text_lists import texts_of_file
    from attncompare.analyses.word_groups import groups_from_json

    if file is not None and (asked.text is not None or asked.text_file is not None):
        raise typer.BadParameter("--file has the texts: leave --text and --text-file out.")
    lists = None if groups is None else groups_from_json(_read(groups).decode("utf-8-sig", "replace"), groups.name)
    options: dict[str, Any] = {"groups": lists, "answer": answer, "against": against, "progress": tell}
    if file is None:
        text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
        one = bias_of(asked.pair(), text, **options, **reading)
        write_found(folder, "bias", one, {"bias": plots.bias(one)})
        return
    texts, reading, folder = texts_of_file(_read(file), file.name), asked.reading(), writable(asked.out)
    many = bias_of_many(asked.pair(), texts, **options, **reading)
    write_found(folder, "bias", many, {"bias": plots.bias_many(many)})


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}; choose another file.") from None


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
    built_in: Annotated[
        bool, typer.Option("--built-in", help="Instead of a text: the 24 sentences that come with attncompare.")
    ] = False,
    occupations: Annotated[
        Path | None,
        typer.Option(help="With --format winobias: a file of occupations, one a line, instead of WinoBias's 40."),
    ] = None,
) -> None:
    """Write whom a pronoun looks at in both models, in one text or in many sentences with known answers.

    Of a text: coreference.json, coreference.csv (every head and candidate) and coreference.png. Of many sentences:
    coreference-many.json, coreference-many.csv (accuracy of every head) and coreference-many.png. Prints what was found.
    """
    if file or built_in:
        given = {"--pronoun": pronoun, "--candidate": candidate, "--correct": correct, "--text": asked.text,
                 "--text-file": asked.text_file}  # fmt: skip
        if alone := [name for name, value in given.items() if value]:
            raise typer.BadParameter(f"{', '.join(alone)}: not with many sentences, which bring their own.")
    if built_in:
        if file or format is not None or occupations is not None:
            raise typer.BadParameter("--built-in: leave --file, --format and --occupations out.")
        _many(asked, [sentence.item for sentence in SENTENCES])
        return
    if file:
        if format is None:
            raise typer.BadParameter("--file: with --format winobias, winogender or gap.")
        _many(asked, read_items(file, format, occupations))
        return
    if format is not None or occupations is not None:
        raise typer.BadParameter("--format and --occupations: only with --file.")
    if pronoun is None or not candidate or len(candidate) < 2:
        raise typer.BadParameter(
            "give --pronoun and --candidate twice or more, a --file with its --format, or --built-in."
        )
    _one(asked, pronoun, candidate, correct)


def _one(asked: Asked, pronoun: str, candidates: list[str], correct: str | None) -> None:
    from attncompare import plots
    from attncompare.analyses.coreference import coreference as coreference_of

    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    found = coreference_of(asked.pair(), text, pronoun, candidates, correct=correct, progress=tell, **reading)
    _write(folder, "coreference", found, plots.coreference(found))


def _many(asked: Asked, items: Items | Sequence[Item]) -> None:
    from attncompare import plots
    from attncompare.analyses.coreference_many import coreference_of_many

    reading, folder = asked.reading(), writable(asked.out)
    found = coreference_of_many(asked.pair(), items, progress=tell, **reading)
    _write(folder, "coreference-many", found, plots.coreference_many(found))


def _write(folder: Path, name: str, found: Any, figure: Any) -> None:
    write_json(folder / f"{name}.json", found.to_dict())
    write_table(folder / f"{name}.csv", found.frame())
    write_pictures(folder, {name: figure})
    done(folder)
    for sentence in found.answers:
        typer.echo(sentence)
