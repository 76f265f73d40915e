"""The PNG is exactly the layout, whatever a user's settings, and drawing touches no global state."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import matplotlib
import pytest
from PIL import Image

from attncompare import plots
from tests.plots.records import NULL, comparison, continued, head_maps, noise, reach, routes, tokens
from tests.plots.records_of_causes import ablated, attributed, erased, patched

PICTURES = {
    "heads": lambda: plots.heads(comparison()),
    "layers": lambda: plots.layers(comparison()),
    "movers": lambda: plots.movers(comparison()),
    "head": lambda: plots.head(head_maps(causal=True)),
    "rollout": lambda: plots.rollout(routes(causal=True, lift=True)),
    "window": lambda: plots.head(
        head_maps(texts=continued(60, 40), keys=(*continued(60, 40), NULL), causal=True, window=((50, 70), (40, 101)))
    ),
    "cross": lambda: plots.head(head_maps(texts=tokens(5), keys=tokens(140))),
    "reach": lambda: plots.reach(reach()),
    "noise": lambda: plots.noise(noise(trainings=3)),
    "heads beside noise": lambda: plots.heads(comparison(measured=noise())),
    "layers beside noise": lambda: plots.layers(comparison(measured=noise())),
    "movers beside noise": lambda: plots.movers(comparison(measured=noise())),
    "row": lambda: plots.rollout(routes(query=3)),
}

CAUSES = {
    "attribution": lambda: plots.attribution(attributed()),
    "overlay": lambda: plots.overlay(attributed()),
    "agreement": lambda: plots.agreement(attributed(15, 3, 4)),
    "erasure": lambda: plots.erasure(erased()),
    "ablation": lambda: plots.ablation(ablated()),
    "patching": lambda: plots.patching(patched(3, 4)),
    "scatter": lambda: plots.scatter(patched()),
}
"""Drawn with the same means: what threads do to one they do to all."""


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    """Every picture, drawn once by itself under the default settings."""
    return {name: plots.png(draw()) for name, draw in (PICTURES | CAUSES).items()}


@pytest.mark.parametrize("name", PICTURES | CAUSES)
def test_a_png_has_the_size_of_its_figure(name, drawn):
    figure, data = (PICTURES | CAUSES)[name](), drawn[name]
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    expected = figure.get_size_inches() * figure.dpi
    assert Image.open(BytesIO(data)).size == tuple(round(length) for length in expected)
    assert len(data) < 400_000


def test_a_users_settings_change_nothing(drawn):
    mine = {
        "savefig.bbox": "tight", "savefig.dpi": 40, "figure.dpi": 60, "axes.grid": True, "font.size": 30,
        "image.origin": "lower", "image.interpolation": "bicubic", "axes.facecolor": "red", "text.parse_math": True,
        "figure.constrained_layout.use": True, "axes.xmargin": 0.4, "font.family": ["monospace"],
    }  # fmt: skip
    with matplotlib.rc_context(mine):
        before = dict(matplotlib.rcParams)
        assert {name: plots.png(draw()) for name, draw in (PICTURES | CAUSES).items()} == drawn
        assert dict(matplotlib.rcParams) == before


def test_threads_draw_the_same_pictures(drawn):
    names = [*PICTURES] * 2
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda name: plots.png(PICTURES[name]()), names))
    assert together == [drawn[name] for name in names]


def test_pyplot_is_never_loaded():
    script = (
        "import sys\n"
        "from attncompare import plots\n"
        "from tests.plots.test_canvas import PICTURES\n"
        "for draw in PICTURES.values(): plots.png(draw())\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'gradio' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_picture_is_a_plain_figure_on_white():
    for draw in PICTURES.values():
        figure = draw()
        assert type(figure) is matplotlib.figure.Figure
        assert figure.get_facecolor() == (1, 1, 1, 1)
