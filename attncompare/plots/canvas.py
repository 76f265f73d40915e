"""A white card laid out in pixels: figure, boxes, writing, PNG bytes. Knows nothing about attention.

Every box stands at a fixed place, so a pixel of the PNG can be traced back to the cell it shows. Nothing here touches
pyplot or rcParams: figures are drawn by many threads of a server at once.
"""

from io import BytesIO
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from attncompare.plots.colors import INK, MASKED, MASKED_HATCH, MUTED
from attncompare.plots.labels import families, width, wrap

DPI = 150
PAD = 36
"""White border of every card, in pixels."""
TITLE, BODY, SMALL = 12.5, 9.0, 8.0
"""Sizes of type, in points."""
LINE = 25
"""Distance of two lines of body type, in pixels."""
HEADING = 68
"""Height of a title and one line below it, in pixels."""


def card(width: float, height: float) -> Figure:
    """An empty white figure of ``width`` x ``height`` pixels, made whole."""
    width, height = ceil(width), ceil(height)
    # The hair's breadth keeps the renderer, which cuts off fractions, from losing a pixel.
    figure = Figure(figsize=((width + 1e-6) / DPI, (height + 1e-6) / DPI), dpi=DPI, facecolor="white", layout="none")
    FigureCanvasAgg(figure)
    return figure


def box(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Bare axes at pixels ``x`` and ``y`` from the top left corner: no ticks, no frame, no grid."""
    full_width, full_height = figure.get_size_inches() * DPI
    axes = figure.add_axes(
        (x / full_width, 1 - (y + height) / full_height, width / full_width, height / full_height), facecolor="none"
    )
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def ground(axes: Axes) -> None:
    """A hatched ground, seen where an image has no value: what is missing must never look like a small number."""
    axes.patch.set(facecolor=MASKED, edgecolor=MASKED_HATCH, hatch="////", linewidth=0, visible=True)
    axes.patch.set_hatch_linewidth(0.6)


def style(points: float = SMALL, color: str = INK, **more: Any) -> dict[str, Any]:
    """Text properties that every piece of writing shares; a ``$`` in a token is a dollar, never mathematics."""
    plain = {"fontfamily": list(families()), "parse_math": False, "usetex": False}
    return {"fontsize": points, "color": color, **plain, **more}


def write(figure: Figure, x: float, y: float, text: str, **properties: Any) -> Text:
    """Text whose baseline starts at pixels ``x`` and ``y`` from the top left corner; :func:`style` takes the rest."""
    width, height = figure.get_size_inches() * DPI
    return figure.text(x / width, 1 - y / height, text, **style(**properties))


def heading(figure: Figure, title: str, below: str) -> None:
    """The title and one muted line below it, in the top :data:`HEADING` pixels inside the border."""
    write(figure, PAD, PAD + 22, title, points=TITLE, fontweight="bold")
    write(figure, PAD, PAD + 22 + LINE + 4, below, points=BODY, color=MUTED)


def heading_width(title: str, below: str = "") -> float:
    """Width in pixels of a card on which this heading is not cut."""
    # Hinting widens some letters.
    return 1.02 * max(width(title, TITLE, DPI, bold=True), width(below, BODY, DPI)) + 2 * PAD


def room(width: float) -> float:
    """How many ems of body type fit between the borders of a card."""
    return (width - 2 * PAD) / (BODY * DPI / 72)


def lines(text: str, width: float) -> list[str]:
    """The text broken into lines of body type that fit ``width`` pixels."""
    return wrap(text, width, BODY, DPI)


def footer(figure: Figure, y: float, text: list[str]) -> None:
    """Muted lines of body type that start at pixel ``y`` from the top; each takes :data:`LINE` pixels."""
    for index, line in enumerate(text):
        write(figure, PAD, y + 17 + index * LINE, line, points=BODY, color=MUTED)


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes of exactly its size in inches times its dpi, whatever ``savefig`` settings say.

    A natural pixel of the picture is a pixel of the layout (see :func:`attncompare.plots.heads_cell`).
    """
    buffer = BytesIO()
    _image(figure).save(buffer, "png", compress_level=4, dpi=(figure.dpi, figure.dpi))
    return buffer.getvalue()


def webp(figure: Figure) -> bytes:
    """The same pixels as :func:`png` in lossless WebP, a third as large: for pages that carry their pictures inside."""
    buffer = BytesIO()
    _image(figure).save(buffer, "webp", lossless=True, method=4)
    return buffer.getvalue()


def _image(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    size = canvas.get_width_height()
    return Image.frombuffer("RGBA", size, canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")


def svg(figure: Figure) -> bytes:
    """The figure as SVG bytes: letters as outlines, so that it looks the same everywhere; maps as images inside."""
    buffer, dpi = BytesIO(), figure.dpi
    # Not savefig: a user's savefig settings (a tight box, another dpi) are for other figures.
    try:
        FigureCanvasSVG(figure).print_svg(buffer, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    finally:
        figure.dpi = dpi  # print_svg leaves it at the 72 points of an SVG's inch
    return buffer.getvalue()
