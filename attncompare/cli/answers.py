"""Commands about what the models answer: what it rests on, and which heads it needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from attncompare.analyses.ablation import Ablating
from attncompare.analyses.patching import Swapped
from attncompare.analyses.scores import Baseline, Method
from attncompare.cli.files import done, tell, writable, write_json, write_pictures, write_table
from attncompare.cli.options import Asked, asks
from attncompare.models.erasing import Erasing

if TYPE_CHECKING:
    import pandas as pd

Wanted = Annotated[
    str | None,
    typer.Option(
        help="The answer that is asked about: a class by its name, or a next token such as he. "
        "Left out: what the tuned model finds likeliest."
    ),
]
Against = Annotated[
    str | None,
    typer.Option(help="With --answer: another answer, whose logit is taken off, such as she."),
]
Erased = Annotated[
    Erasing,
    typer.Option(
        help="How a token is erased: deleted, replaced by the mask token, or hidden by the attention mask (in a decoder it "
        "still acts from its own place)."
    ),
]


class Found(Protocol):
    """What every result about an answer has."""

    @property
    def answers(self) -> tuple[str, ...]: ...
    def frame(self) -> "pd.DataFrame": ...
    def to_dict(self) -> dict[str, Any]: ...


@asks
def attribution(
    asked: Asked,
    method: Annotated[
        Method, typer.Option(help="How it is attributed; occlusion erases one token at a time.")
    ] = "integrated_gradients",
    answer: Wanted = None,
    against: Against = None,
    baseline: Annotated[
        Baseline,
        typer.Option(
            help="With integrated gradients: what stands for no text; that token in place of every token, zero embeddings, "
            "or (auto) the first of pad, eos, unk that there is."
        ),
    ] = "auto",
    erasing: Erased = "delete",
    overlay: Annotated[
        str,
        typer.Option(metavar="mean|rollout|L3.H9", help="Which attention overlay.png lays the attribution over."),
    ] = "mean",
) -> None:
    """Write how much each token moves the answer of both models, beside what attention looks at.

    Writes attribution.json, attribution.csv (tokens), attribution-heads.csv (each head's agreement with it),
    attribution.png, overlay.png and agreement.png; prints what was found.
    """
    from attncompare import attribution as attribution_of
    from attncompare import plots
    from attncompare.analyses.maps import require_head
    from attncompare.analyses.overlaid import overlaid

    over = overlaid(overlay)
    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    how: dict[str, Any] = {"answer": answer, "against": against, "baseline": baseline, "erasing": erasing}
    pair = asked.pair()
    if over["of"] == "head":
        require_head(pair, over["layer"], over["head"], reading)
    found = attribution_of(pair, text, method=method, **how, progress=tell, **reading)
    figures = {"overlay": plots.overlay(found, **over), "agreement": plots.agreement(found)}
    write_table(folder / "attribution-heads.csv", found.head_frame())
    write_found(folder, "attribution", found, {"attribution": plots.attribution(found), **figures})


@asks
def erasure(
    asked: Asked,
    answer: Wanted = None,
    against: Against = None,
    erasing: Erased = "delete",
    draws: Annotated[int, typer.Option(help="Random rankings to hold the others against.")] = 10,
    draws_seed: Annotated[int, typer.Option(help="The same seed, the same random rankings.")] = 0,
) -> None:
    """Write which ranking of the words is faithful: words are erased in its order, and the answer watched.

    Rankings by attention, rollout, gradient x input and integrated gradients. Writes erasure.json, erasure.csv and
    erasure.png; prints what was found.
    """
    from attncompare import erasure as erasure_of
    from attncompare import plots

    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    how: dict[str, Any] = {"answer": answer, "against": against, "erasing": erasing, "draws": draws, "seed": draws_seed}
    found = erasure_of(asked.pair(), text, **how, progress=tell, **reading)
    write_found(folder, "erasure", found, {"erasure": plots.erasure(found)})


@asks
def patching(
    asked: Asked,
    what: Annotated[
        Swapped,
        typer.Option(
            help="What of a head comes from the other model: where it looks (pattern), or all that it gives (output)."
        ),
    ] = "pattern",
    answer: Wanted = None,
    against: Against = None,
) -> None:
    """Write what swapping heads between the models does to the answer: which change matters, and which is idle.

    Every head of each model is put into the other, one at a time, then every layer, then all. Writes patching.json,
    patching.csv, patching.png and scatter.png (divergence against effect); prints what was found.
    """
    from attncompare import patching as patching_of
    from attncompare import plots

    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    found = patching_of(asked.pair(), text, what=what, answer=answer, against=against, progress=tell, **reading)
    write_found(folder, "patching", found, {"patching": plots.patching(found), "scatter": plots.scatter(found)})


@asks
def ablation(
    asked: Asked,
    how: Annotated[
        Ablating,
        typer.Option(
            help="What a head gives when it is off: nothing (zero), its mean, or the plain mean of the values that each "
            "query may see (uniform)."
        ),
    ] = "zero",
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="With --how mean: a text that the mean is over; may be given several times. Left out: this text, so that a "
            "head keeps what it says everywhere in it.",
        ),
    ] = None,
    answer: Wanted = None,
    against: Against = None,
) -> None:
    """Write which heads each model needs: every head switched off in turn, and its importance by gradient.

    Writes ablation.json, ablation.csv and ablation.png; prints what was found.
    """
    from attncompare import ablation as ablation_of
    from attncompare import plots

    if reference and how != "mean":
        raise typer.BadParameter("--reference: only with --how mean, which is over those texts.")
    text, reading, folder = asked.words(), asked.reading(), writable(asked.out)
    options: dict[str, Any] = {"how": how, "references": reference or (), "answer": answer, "against": against}
    found = ablation_of(asked.pair(), text, **options, progress=tell, **reading)
    write_found(folder, "ablation", found, {"ablation": plots.ablation(found)})


def write_found(folder: Path, name: str, found: Found, figures: dict[str, Any]) -> None:
    """The numbers and the pictures; what was found goes to stdout."""
    write_json(folder / f"{name}.json", found.to_dict())
    write_table(folder / f"{name}.csv", found.frame())
    write_pictures(folder, figures)
    done(folder)
    for sentence in found.answers:
        typer.echo(sentence)
