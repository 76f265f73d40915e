"""Colours and colour scales. Knows nothing about attention.

Base is blue, tuned is orange; lost mass is blue, gained mass is red: pairs that colour-blind people tell apart. The
sequential scale falls evenly in lightness from white, so it also reads in grey.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb

INK, MUTED, FAINT, LINE_COLOR = "#1c1b29", "#5f5d70", "#8a889b", "#d5d4df"
BASE, TUNED = "#3266ad", "#d9690f"
LOST, GAINED = "#2166ac", "#b2182b"
NEW = "#0b7a4a"
"""Names of tokens that a model wrote."""
SINK, WITHIN, CONTENT = "#c3c1d0", "#8f86b8", "#6a2a86"
BANDS = ("#d3e8e8", "#74b3b8", "#0f5964")
"""Near, mid and far."""
FLOOR, BETWEEN = "#cfcedb", "#3266ad"
"""What random changes give; what differs between trainings."""
MASKED, MASKED_HATCH = "#f3f3f7", "#dcdbe5"
GUTTER = "#e7e6ee"


def luminance(color: object) -> float:
    """Relative luminance of a colour, 0 black to 1 white (WCAG 2)."""
    channels: np.ndarray = np.asarray(to_rgb(color))  # type: ignore[arg-type]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def lightness(color: object) -> float:
    """CIE L* of a colour, 0 black to 100 white: equal steps look equal."""
    y = luminance(color)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def text_on(color: object) -> str:
    """White or ink, whichever stands out more on ``color``."""
    y = luminance(color)
    on_white, on_ink = 1.05 / (y + 0.05), (y + 0.05) / (luminance(INK) + 0.05)
    return "white" if on_white > on_ink else INK


def _even(name: str, colors: list[str]) -> Colormap:
    """A scale through ``colors``, each put where its lightness belongs on a straight line."""
    levels = np.array([lightness(color) for color in colors])
    places = (levels - levels[0]) / (levels[-1] - levels[0])
    return _blank(LinearSegmentedColormap.from_list(name, list(zip(places, colors, strict=True)), N=256))


def _blank(scale: Colormap) -> Colormap:
    """The scale with nothing drawn where a value is NaN; also fills its table now, before threads share it."""
    scale = scale.with_extremes(bad=(0, 0, 0, 0))
    scale(0.0)
    return scale


SEQUENTIAL = _even(
    "attncompare", ["#ffffff", "#f6b48f", "#f37651", "#e13342", "#ad1759", "#701f57", "#35193e", "#03051a"]
)
"""0 is white, much is dark."""
REVERSED = _blank(SEQUENTIAL.reversed())
"""For similarities: 1 = unchanged is white, so dark still means that much changed."""
DIVERGING = _blank(colormaps["RdBu_r"])
"""Signed values around 0: blue below, red above."""


def top(*arrays: np.ndarray) -> float:
    """The largest finite value of all arrays; 1 where there is none above 0, so that a scale always has a length."""
    finite = [array[np.isfinite(array)] for array in arrays]
    value = max((float(array.max()) for array in finite if array.size), default=0.0)
    return value if value > 0 else 1.0


def furthest(*arrays: np.ndarray) -> float:
    """How far from 0 the arrays go; 1 where they are 0 everywhere."""
    return top(*(np.abs(array) for array in arrays))
