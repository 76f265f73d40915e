"""What both models answer: bars as long as the probabilities, numbers in words, and what is not listed."""

from dataclasses import replace

import numpy as np
import pytest

from attncompare import plots
from attncompare.analyses.outputs import Outputs
from tests.plots.layout import judge
from tests.plots.records import HOSTILE, comparison

LABELS = Outputs("label", (("bad", 0.6), ("good", 0.4)), (("good", 0.9), ("bad", 0.1)), "borrowed", 0.7, False)
TOKENS = Outputs(
    "next_token", ((" it", 0.4), (" the", 0.2), (" he", 0.1)), ((" the", 0.6), (" trophy", 0.05), (" it", 0.01)),
    "own", 0.77, False,
)  # fmt: skip


def drawn(found: Outputs):
    return replace(comparison(), outputs=found)


def bars(figure) -> dict[str, list[float]]:
    (axes,) = figure.axes
    return {found.get_label(): [bar.get_width() for bar in found] for found in axes.containers}


def written(figure) -> str:
    texts = [text.get_text() for text in figure.texts]
    return " ".join([*texts, *(text.get_text() for axes in figure.axes for text in axes.texts)])


def test_bars_are_the_probabilities_in_one_order_on_a_scale_from_0_to_1() -> None:
    figure = plots.outputs(drawn(LABELS))
    judge(figure)
    assert figure.axes[0].get_xlim() == (0, 1)
    assert bars(figure) == {"base": [0.4, 0.6], "tuned": [0.9, 0.1]}
    assert "borrowed" in written(figure)
    assert "0.7 bits" in written(figure)


def test_what_a_model_does_not_list_is_below_its_last_and_no_bar() -> None:
    figure = plots.outputs(drawn(TOKENS))
    judge(figure)
    assert bars(figure) == {"base": [0.2, 0.4, 0.1, 0], "tuned": [0.6, 0.01, 0, 0.05]}
    assert "base < 0.1" in written(figure)
    assert "tuned < 0.01" in written(figure)
    assert "borrowed" not in written(figure)
    frame = TOKENS.frame()
    assert frame["answer"].tolist() == [" the", " it", " he", " trophy"]
    assert np.isnan(frame["tuned"][2])


def test_the_alt_text_has_true_numbers() -> None:
    alt = plots.outputs_alt(drawn(TOKENS))
    assert "base 0.2, tuned 0.6" in alt
    assert "base 0.1, tuned < 0.01" in alt
    assert "differ" in alt
    assert "the same" in plots.outputs_alt(drawn(replace(TOKENS, same=True)))


def test_models_that_answer_nothing_are_told() -> None:
    nothing = Outputs("none", (), (), "own", None, None)
    assert "no answer" in written(plots.outputs(drawn(nothing)))
    assert "no answer" in plots.outputs_alt(drawn(nothing))


@pytest.mark.filterwarnings("error")
def test_hostile_answers_stay_text() -> None:
    sizes = np.linspace(0.2, 0.01, 10).tolist()
    first, second = (tuple(zip(texts, sizes, strict=True)) for texts in (HOSTILE[:10], HOSTILE[10:20]))
    hostile = Outputs("next_token", first, second, "own", None, False)
    figure = plots.outputs(drawn(hostile))
    assert plots.png(figure)
    assert plots.svg(figure)
