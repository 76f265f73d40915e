"""A title of any length and muted lines below it, broken so that they fit the card. Knows nothing about attention."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from attncompare.plots.canvas import BODY, DPI, LINE, PAD, TITLE, lines, write
from attncompare.plots.colors import MUTED
from attncompare.plots.labels import wrap

_TITLE_LINE = 34  # distance of two lines of title, in pixels


@dataclass(frozen=True, slots=True)
class Opening:
    """A title and what is below it, in lines."""

    title: tuple[str, ...]
    below: tuple[str, ...]

    @property
    def end(self) -> int:
        """The pixel below it, from the top of the card."""
        return PAD + 28 + _TITLE_LINE * (len(self.title) - 1) + LINE * len(self.below) + 14

    def draw(self, figure: Figure) -> None:
        """Write it in the top left corner."""
        y = PAD + 22
        for index, line in enumerate(self.title):
            write(figure, PAD, y + _TITLE_LINE * index, line, points=TITLE, fontweight="bold")
        y += _TITLE_LINE * (len(self.title) - 1) + LINE + 4
        for index, line in enumerate(self.below):
            write(figure, PAD, y + LINE * index, line, points=BODY, color=MUTED)


def opening(title: str, below: str, width: float) -> Opening:
    """The words broken so that they fit a card of ``width`` pixels."""
    room = width - 2 * PAD
    return Opening(tuple(_even(title, room)), tuple(lines(below, room)))


def _even(title: str, room: float) -> list[str]:
    """The title in as few lines as there is room for, of about the same length: no last word stands alone."""
    best = wrap(title, room, TITLE, DPI, bold=True)
    for share in (0.9, 0.8, 0.7, 0.6):
        if len(narrower := wrap(title, room * share, TITLE, DPI, bold=True)) > len(best):
            break
        best = narrower
    return best
