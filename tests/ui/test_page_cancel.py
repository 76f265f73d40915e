"""Compare shows its layers, and cancelling stops the models within one of them."""

import re
import time
from collections.abc import Iterator

import pytest

from attncompare import Pair
from attncompare.models.checkpoint import any_folder
from attncompare.ui import header
from tests.ui.conftest import PLAIN

SLOW_SECONDS = 0.3
"""A layer's forward pass; several beats of the page."""


@pytest.fixture
def layers_run(embedded_pair: Pair) -> Iterator[list[float]]:
    """When a layer of either model began, with the models made slow."""
    began: list[float] = []

    def slow(*_: object) -> None:
        began.append(time.monotonic())
        time.sleep(SLOW_SECONDS)

    modules = {module for side in (embedded_pair.base, embedded_pair.tuned) for module in side.model.modules()}
    layers = [module for module in modules if type(module).__name__ == "BertLayer"]
    assert len(layers) in (6, 12)
    hooks = [layer.register_forward_pre_hook(slow) for layer in layers]
    yield began
    for hook in hooks:
        hook.remove()


def test_progress_tells_layer_after_layer(layers_run: list[float]) -> None:
    steps = list(header.run(any_folder, "", "", "A text that is read slowly.", *PLAIN))
    counts = {int(found[1]) for step in steps if (found := re.search(r": (\d+) of \d+<", str(step[2])))}
    assert counts >= {2, 3, 4, 5}
    assert len(layers_run) == 12


def test_cancelling_stops_the_models_within_one_layer(layers_run: list[float]) -> None:
    steps = header.run(any_folder, "", "", "Another text that is read slowly.", *PLAIN)
    for _ in steps:
        if len(layers_run) >= 2:
            break
    steps.close()  # what gradio does with the generator of an event that is cancelled
    closed = time.monotonic()
    time.sleep(4 * SLOW_SECONDS)
    assert sum(began > closed for began in layers_run) <= 1
    assert len(layers_run) < 6
