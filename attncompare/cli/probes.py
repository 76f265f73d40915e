"""Commands that probe both models: what they make of groups of words."""

from pathlib import Path
from typing import Annotated, Any

import typer

from attncompare.cli.answers import Against, Wanted, write_found
from attncompare.cli.files import tell, writable
from attncompare.cli.options import Asked, asks
from attncompare.errors import BadInput


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
