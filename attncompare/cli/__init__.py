"""The command line: the same analyses to JSON, CSV, NPZ and PNG. Results in files, progress and errors on stderr.

Exit codes: 0 done, 1 the input could not be used (one sentence says why), 2 wrong usage, 130 interrupted.
"""

import sys
from typing import Annotated

import typer

from attncompare.cli.answers import ablation, attribution, erasure, patching
from attncompare.cli.attention import compare, head, reach, value_zeroing
from attncompare.cli.probes import bias, coreference, patterns
from attncompare.cli.report import report
from attncompare.errors import AttnCompareError
from attncompare.version import __version__

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


for _command in (
    compare, report, head, reach, patterns, coreference, bias, value_zeroing, attribution, erasure, patching, ablation,
):  # fmt: skip
    app.command()(_command)


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
