"""Every model type of transformers' text mappings: our rows against the family's own, or why there are none."""

import pytest

from tests.families.configs import HYBRID, NOT_BUILT, SPECIAL, model_types
from tests.families.measure import Agreement, Family, agreement, family
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
    if SPECIAL.get(name, {}).get("layer_types") == HYBRID:
        assert [place.layer for place in found.layout] == [1, 3]


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
