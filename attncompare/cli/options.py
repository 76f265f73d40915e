"""The options that every command of the command line has, defined once. Knows nothing about what commands do with them."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from attncompare.attention import AttentionKind
from attncompare.errors import AttnCompareError, BadInput

if TYPE_CHECKING:
    from attncompare import Pair
    from attncompare.models.reading import Reading


@dataclass(frozen=True)
class Asked:
    """The options that every command has: which pair, which text, how it is read, where the results go."""

    out: Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")]
    text: Annotated[str | None, typer.Option(help="The text that both models read; an encoder-decoder's source.")] = (
        None
    )
    text_file: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with the text, instead of --text; - is stdin.")
    ] = None
    base: Annotated[
        str | None,
        typer.Option(
            help="Base: a checkpoint or an adapter, by hub id (org/name or org/name@revision) or folder. "
            "Left out: the tuned adapter's own base, or the embedded pair's."
        ),
    ] = None
    tuned: Annotated[
        str | None,
        typer.Option(help="Tuned: a checkpoint or an adapter, by hub id or folder. Left out: the embedded pair's."),
    ] = None
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps. Left out: a GPU where there is one.")] = (
        None
    )
    dtype: Annotated[
        str | None,
        typer.Option(help="float32, bfloat16 or float16. Left out: float32 on a CPU, else the checkpoint's."),
    ] = None
    text_pair: Annotated[
        str | None, typer.Option(help="Second text, for encoders: both are read together, as a sentence pair.")
    ] = None
    target: Annotated[
        str | None,
        typer.Option(help="What an encoder-decoder's decoder reads. Left out where needed: the tuned model writes it."),
    ] = None
    chat: Annotated[
        bool,
        typer.Option(
            "--chat",
            help="Put the text as a user's message into the chat template, the tuned model's, else the base's.",
        ),
    ] = False
    generate: Annotated[
        Literal["tuned", "base"] | None,
        typer.Option(help="Let this model continue the text (or write the target), and compare over all of it."),
    ] = None
    max_new_tokens: Annotated[
        int | None, typer.Option(help="With --generate: longest continuation.", show_default="64")
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(
            help="With --generate: 0 takes the likeliest token each time, else tokens are drawn.", show_default="0"
        ),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(help="With --generate and a temperature: the same seed, the same text.", show_default="0"),
    ] = None
    attention: Annotated[
        AttentionKind,
        typer.Option(
            help="Which attention of an encoder-decoder: the encoder's (self), the decoder's, "
            "or the decoder's over the encoder (cross).",
        ),
    ] = "self"
    level: Annotated[
        Literal["auto", "token", "word"],
        typer.Option(
            help="Compare tokens where both models read the same and else what both tokenizers share (auto), "
            "tokens or nothing, or words.",
        ),
    ] = "auto"

    def words(self) -> str:
        """The text.

        Raises:
            BadInput: the file can't be read. typer.BadParameter: no text, or two.
        """
        if self.text is not None and self.text_file is not None:
            raise typer.BadParameter("--text and --text-file are two texts: give one of them.")
        if self.text is not None:
            return self.text
        if self.text_file is None:
            raise typer.BadParameter("give a text: --text, or --text-file.")
        try:
            source = sys.stdin.buffer.read() if str(self.text_file) == "-" else self.text_file.read_bytes()
            return source.decode("utf-8-sig")
        except OSError as error:
            raise BadInput(
                f"The text in {self.text_file} can't be read: {error.strerror}; choose another file."
            ) from None
        except UnicodeDecodeError:
            raise BadInput(f"{self.text_file} is no text in UTF-8: save it as one, or choose another file.") from None

    def pair(self) -> "Pair":
        """Both models."""
        from attncompare import load_pair

        return load_pair(self.base, self.tuned, device=self.device, dtype=self.dtype)

    def training(self, other: str) -> "Pair":
        """Another training of the same base.

        Raises:
            BadInput: it can't be opened, or makes no pair with the base.
        """
        try:
            return replace(self, tuned=other).pair()
        except AttnCompareError as error:
            raise BadInput(f"--replicate {other!r} can't be used: {error}") from None

    def reading(self) -> "Reading":
        """How the text is read.

        Raises:
            BadInput: numbers that make no generation. typer.BadParameter: a way of writing without a writer.
        """
        from attncompare.models.generation import Generation

        how = {"max_new_tokens": self.max_new_tokens, "temperature": self.temperature, "seed": self.seed}
        given = {name: value for name, value in how.items() if value is not None}
        if given and self.generate is None:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise typer.BadParameter(f"{names}: only with --generate tuned, or base, which lets that model write.")
        generate = None if self.generate is None else Generation(self.generate, **given)  # type: ignore[arg-type]
        return {
            "text_pair": self.text_pair,
            "target": self.target,
            "chat": self.chat,
            "generate": generate,
            "attention": self.attention,
            "level": self.level,
        }


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of :class:`Asked`; it takes them as its first argument."""
    shared = inspect.signature(Asked).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    def run(**values: Any) -> None:
        command(Asked(**{name: values.pop(name) for name in shared}), **values)

    options = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared.values())]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {one.name: one.annotation for one in options}
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return run
