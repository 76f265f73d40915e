"""Every model type of transformers' text mappings: our rows against the family's own, or why there are none."""

import pytest
import torch
from torch import Tensor

from attncompare.models import edits, tap
from attncompare.models.calls import AttentionCall, LayerCall
from attncompare.models.interventions import Clean
from attncompare.models.layout import Place
from attncompare.models.probe import last_hidden
from tests.families.configs import HYBRID, NOT_BUILT, SPECIAL, model_types
from tests.families.measure import Agreement, Family, agreement, family, text
from tests.families.table import PAGE, committed

# The families' own code warns of its own deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")

TYPES = [name for name in model_types() if name not in NOT_BUILT]


def check_rows(measured: Agreement) -> None:
    assert measured.rows <= 1e-5
    assert measured.sums <= 1e-5
    assert measured.forbidden == 0


@pytest.mark.parametrize("name", TYPES)
def test_rows_are_the_familys_own(name: str) -> None:
    found = family(name)
    assert committed()[name] == ("" if found.reason else found.route), "run python -m tests.families"
    if found.reason:
        assert found.reason.startswith(f"The attention of {type(found.model).__name__} can't be read: ")
        assert found.reason.split("can't be read: ")[1].rstrip(".") in PAGE.read_text()
        assert "\n" not in found.reason
        return
    check_text(found)
    check_rows(agreement(found, padded=True))
    if tap.implementation(found.model):
        check_changes(found)
    if SPECIAL.get(name, {}).get("layer_types") == HYBRID:
        assert [place.layer for place in found.layout] == [1, 3]


def check_changes(found: Family) -> None:
    """In a batch, a head's own pattern or output put back does nothing, and nothing in its place does something."""
    kind = found.layout[0].attention
    stack = [place for place in found.layout if place.attention == kind]
    calls: dict[int, LayerCall] = {}
    outputs: dict[int, Tensor] = {}

    def record(place: Place, call: tap.Running) -> Tensor:
        output = call.output()
        if place.attention == kind:
            outputs[stack.index(place)] = output.clone()
        return output

    def keep(place: Place, call: AttentionCall) -> None:
        if place.attention == kind:
            calls[stack.index(place)] = call

    with tap.editing(found.layout, record):
        tap.record(found.model, text(found.model), found.layout, keep)
    clean = Clean(calls, outputs, torch.empty(0))

    def change(place: Place, call: tap.Running) -> Tensor:
        output = call.output()
        if place.attention == kind:
            at = stack.index(place)
            for row, edit in enumerate((edits.pattern(clean), edits.output(clean), edits.zero), start=1):
                rows = torch.tensor([row])
                output[rows, :, 0] = edit(at, call, rows)[:, :, 0]
        return output

    batch = {name: ids.expand(4, -1) for name, ids in text(found.model).items()}
    with torch.no_grad(), tap.editing(found.layout, change):
        control, pattern, output, zero = last_hidden(found.model(**batch))
    size = control.abs().mean()
    assert (pattern - control).abs().max() < 1e-3 * size
    assert (output - control).abs().max() < 1e-3 * size
    assert (zero - control).abs().max() > 1e-3 * size


def check_text(found: Family) -> None:
    measured = agreement(found)
    check_rows(measured)
    assert measured.output <= 1e-4
    assert measured.entropy < 0.8  # on uniform maps every comparison holds


def test_the_page_has_every_type_once() -> None:
    assert sorted(committed()) == model_types()
    lines = PAGE.read_text().splitlines()
    assert len([line for line in lines if line.startswith("| `")]) == len(model_types())


def test_enough_families_are_read() -> None:
    routes = list(committed().values())
    assert routes.count("tap") + routes.count("tap-own") >= 150
    assert routes.count("dense") >= 28
