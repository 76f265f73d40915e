"""The yardstick: floors that are what they say, found by hand; a test that errs no more often than it may."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from scipy.spatial.distance import jensenshannon

import attncompare
from attncompare.analyses.divergence import divergence
from attncompare.analyses.noise import Noise
from attncompare.analyses.replicates import Replicates
from attncompare.analyses.verdict import NO_YARDSTICK, SEEDS, YARDSTICK
from attncompare.analyses.yardstick import judge
from attncompare.attention import About
from attncompare.errors import BadInput
from attncompare.metrics import COLUMNS, FLOORS
from attncompare.models import draws, variants
from attncompare.models.change import CHANGES, changes
from attncompare.models.draws import DrawnModel
from attncompare.models.pair import Pair
from attncompare.models.reading import prepare
from tests.analyses.simulated import RUNS, SENTENCE, beside, random_change
from tests.conftest import TEXT, eager_attentions, save_tiny, tiny_pair
from tests.models import readers

STEPS = Path(attncompare.__file__).parents[1] / "assets" / "movie-sentiment"


@pytest.fixture(scope="module")
def small() -> Pair:
    """A base beside itself; tests put other models at its side."""
    made = readers.pair("bert", output_kind="none", kind="AutoModel")
    return replace(made, tuned=made.base)


@pytest.fixture(scope="module")
def wide() -> Pair:
    """The same with more heads: 16 of width 4."""
    config = transformers.BertConfig(
        vocab_size=readers.VOCABULARY, hidden_size=64, num_hidden_layers=2, num_attention_heads=16, intermediate_size=48
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(readers.CONFIGS, "wide", config)
        made = readers.pair("wide", output_kind="none", kind="AutoModel")
    return replace(made, tuned=made.base)


@pytest.fixture(scope="module", params=["bert", "gpt2", "llama", "mistral", "gemma2"])
def tuned(request, tmp_path_factory) -> Pair:
    """Full checkpoints whose weights all changed."""
    return tiny_pair(tmp_path_factory.mktemp("noise"), request.param)


def naive_bits(base: list[torch.Tensor], other: list[torch.Tensor]) -> np.ndarray:
    """scipy's Jensen-Shannon divergence of every row that sees several keys, mean over rows, ``[layer, head]``."""
    found = []
    for one, two in zip(base, other, strict=True):
        several = [q for q in range(one.shape[1]) if (one[0, q] > 0).sum() > 1]
        rows = [jensenshannon(one[:, q].double(), two[:, q].double(), axis=-1, base=2) ** 2 for q in several]
        found.append(np.mean(rows, axis=0))
    return np.array(found)


def test_draws_are_the_bases_attention_under_other_weights(tuned: Pair) -> None:
    """Each draw's weights put into a model of the family's own, its eager attention beside the base's by scipy."""
    found = attncompare.noise(tuned, TEXT, draws=4, seed=3)
    read = prepare(tuned, TEXT)
    ids = read.base.inputs["input_ids"]
    backbone = tuned.base.model.base_model
    expected = eager_attentions(backbone, ids)
    drawn = DrawnModel(tuned.base.model, changes(tuned, quiet), read.base)
    for index in (3, 0, 2, 1):
        drawn.draw(3, index)
        bits = naive_bits(expected, eager_attentions(drawn.model.base_model, ids))
        assert found.draws[index] == pytest.approx(bits, abs=2e-6)
        assert bits.min() > 1e-4
    assert found.jsd_bits == pytest.approx(divergence(tuned, TEXT), abs=1e-7)
    assert found.floor is not None
    assert found.floor.mean == pytest.approx(found.draws.astype(float).mean(0), rel=1e-12)


def test_heads_that_have_nothing_to_do_with_each_other(tuned: Pair) -> None:
    found = attncompare.noise(tuned, TEXT, draws=0)
    ids = prepare(tuned, TEXT).base.inputs["input_ids"]
    base, other = (eager_attentions(side.model.base_model, ids) for side in (tuned.base, tuned.tuned))
    for layer, bits in enumerate(found.unrelated):
        shifts = [naive_bits(base[layer : layer + 1], [other[layer].roll(-by, 0)])[0] for by in (1, 2, 3)]
        assert any(bits == pytest.approx(shifted, abs=2e-6) for shifted in shifts)
    assert found.ceiling_bits == pytest.approx(float(found.unrelated.mean()))
    assert found.ceiling_bits > found.jsd_bits.mean()


def test_arithmetic_alone_does_little(tuned: Pair) -> None:
    found = attncompare.noise(tuned, TEXT, draws=0)
    single = tuned.base.info.attention_path != "tap"
    assert found.numeric.keys() == {"dtype", "padding"} | (set() if single else {"implementation"})
    assert found.numeric["padding"].max() < 1e-9
    assert single or found.numeric["implementation"].max() < 1e-9
    assert 1e-9 < found.numeric["dtype"].max() < 0.05 * found.jsd_bits.max()
    assert np.array_equal(found.numeric_bits, np.max(list(found.numeric.values()), axis=0))
    assert any("without another implementation" in note for note in found.notes) == single


def test_a_seed_repeats_exactly_and_another_does_not(small: Pair) -> None:
    pair = beside(small, random_change(np.random.default_rng(1)))
    first, again, other = (attncompare.noise(pair, SENTENCE, draws=6, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(first.draws, again.draws)
    assert np.array_equal(first.unrelated, again.unrelated)
    assert first.to_dict() == again.to_dict()
    assert not np.isclose(first.draws, other.draws, rtol=1e-3).any()
    more = attncompare.noise(pair, SENTENCE, draws=8, seed=4)
    assert np.array_equal(more.draws[:6], first.draws)


def test_another_text_costs_forward_passes_only(small: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = beside(small, random_change(np.random.default_rng(2)))
    attncompare.noise(pair, SENTENCE, draws=3)
    kept = CHANGES.get_if_present(pair.key)
    assert kept is not None
    monkeypatch.setattr(torch.linalg, "svdvals", None)  # a second look at the weights would call it
    attncompare.noise(pair, readers.SENTENCES[1], draws=3)
    assert CHANGES.get_if_present(pair.key) is kept


@pytest.fixture(scope="module")
def simulated() -> dict[str, Any]:
    """Hundreds of simulated tunings; last run on 2026-11-23."""
    out = subprocess.run([sys.executable, "-m", "tests.analyses.simulated"], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(out.stdout)
    return found


@pytest.mark.slow
def test_a_further_random_change_is_seldom_called_real(simulated: dict[str, Any]) -> None:
    """At most 5 % of the simulated tunings that are themselves random changes, plus three standard errors."""
    rate = simulated["called_real"]
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)
    assert rate > 0  # a test that never fires has no power


@pytest.mark.slow
def test_flipping_signs_over_texts_is_the_wrong_test(simulated: dict[str, Any]) -> None:
    """All texts share the one change: over 20 of them a random change looks real far more often than 5 % of the time,
    where the same draws as the unit of the test do not."""
    heads, models, right = simulated["over_texts"]
    assert heads > 0.15
    assert models > 0.4
    assert right <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 39)


def test_a_planted_head_is_found_and_no_other(wide: Pair) -> None:
    """One head's queries all turn one way, along what its layer reads; everything else changes at random."""
    rng = np.random.default_rng(0)
    states = wide.base.model(readers.prompt(40), output_hidden_states=True).hidden_states[1][0]
    common = states.mean(0) / states.mean(0).norm()

    def plant(model: Any) -> None:
        towards = torch.tensor(rng.standard_normal(4), dtype=torch.float32)
        model.encoder.layer[1].attention.self.query.weight[20:24] += 0.6 * torch.outer(towards, common)
        for layer in model.encoder.layer:
            weight = layer.attention.self.key.weight
            weight += 0.02 * torch.tensor(rng.standard_normal(weight.shape), dtype=torch.float32)

    found = attncompare.noise(beside(wide, plant), SENTENCE, draws=19)
    assert np.argwhere(found.moved).tolist() == [[1, 5]]
    assert found.sentence().startswith("1 of 32 heads moved beyond a random change of the same size")


@pytest.fixture(scope="module")
def trail() -> Callable[[str], Noise]:
    def at(step: str) -> Noise:
        return attncompare.noise(attncompare.load_pair(tuned=STEPS / step, device="cpu"), SENTENCE, draws=19)

    return at


def test_before_training_nothing_moved_and_after_it_heads_did(trail: Callable[[str], Noise]) -> None:
    before, after = trail("step-0000"), trail("final")
    assert before.moved.sum() == 0
    assert len(before.draws) == 0
    assert before.change is None
    assert "there is no change to draw another of" in " ".join(before.notes)
    assert before.sentence() == "There is no random change to measure by."
    assert np.isfinite(before.numeric_bits).all()
    assert after.moved.sum() > 20
    assert after.change is not None
    assert (after.change["low_rank"], after.change["rank_low"], after.change["rank_high"]) == (True, 8, 8)
    assert after.change["worst_norm_error"] < 1e-4
    assert (after.jsd_bits[after.moved] > after.numeric_bits[after.moved]).all()


def test_comparison_beside_its_floors(small: Pair) -> None:
    pair = beside(small, random_change(np.random.default_rng(3), size=0.5))
    plain = attncompare.compare(pair, SENTENCE)
    measured = attncompare.compare(pair, SENTENCE, floor=19)
    assert plain.noise is None
    assert plain.to_dict()["noise"] is None
    assert plain.verdict.endswith(NO_YARDSTICK)
    assert measured.noise is not None
    assert f" {measured.noise.sentence()} " in measured.verdict
    assert measured.verdict.endswith(YARDSTICK)
    for name in COLUMNS:
        assert np.array_equal(plain.heads[name], measured.heads[name], equal_nan=True)
    for name, values in measured.noise.columns().items():
        assert np.array_equal(measured.metric(name), values)
        assert np.isfinite(values).all(), name
        assert np.isnan(plain.metric(name)).all()
    rows = plain.to_dict()["heads"], measured.to_dict()["heads"]
    assert all(row[name] is None for row in rows[0] for name in FLOORS)
    assert all(isinstance(row[name], float) for row in rows[1] for name in FLOORS)
    assert list(measured.frame()["floor_z"]) == [row["floor_z"] for row in rows[1]]
    with pytest.raises(BadInput, match="another question"):
        attncompare.compare(pair, readers.SENTENCES[1]).with_noise(measured.noise)


def test_too_few_draws_test_nothing(small: Pair) -> None:
    pair = beside(small, random_change(np.random.default_rng(4)))
    found = attncompare.noise(pair, SENTENCE, draws=18)
    assert not found.testable
    assert not found.moved.any()
    assert found.sentence() == "18 random changes are too few to test by: p ≤ 0.05 takes at least 19."
    assert "no p is below 0.053" in " ".join(found.notes)
    columns = found.columns()
    assert np.isnan(columns["floor_p"]).all()
    assert np.isfinite(columns["floor_multiple"]).all()
    assert attncompare.compare(pair, SENTENCE).with_noise(found).verdict.endswith(NO_YARDSTICK)
    assert {row["moved"] for row in found.to_dict()["heads"]} == {None}


@pytest.mark.parametrize("draws", [1, 2, -1, 1000, True])
def test_draws_that_can_not_be_drawn(small: Pair, draws: Any) -> None:
    with pytest.raises(BadInput, match="draws") as raised:
        attncompare.noise(small, SENTENCE, draws=draws)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("seed", [-1, True])
def test_a_seed_is_a_whole_number(small: Pair, seed: Any) -> None:
    with pytest.raises(BadInput, match="Expected seed to be a whole number"):
        attncompare.noise(small, SENTENCE, seed=seed)


def test_a_model_that_is_its_base(small: Pair) -> None:
    found = attncompare.noise(replace(small, key="itself"), SENTENCE, draws=5)
    assert not found.jsd_bits.any()
    assert len(found.draws) == 0
    assert np.isnan(found.columns()["floor_jsd_bits"]).all()
    assert "no change to draw another of" in found.notes[-1]
    said = attncompare.compare(replace(small, key="itself too"), SENTENCE, floor=5).verdict
    assert said == f"No head moved: the two models attend identically on this text. {found.sentence()}"


def test_weights_that_are_no_numbers_to_change(small: Pair) -> None:
    """Quantised checkpoints are refused when they are loaded; what gets past that is said, and the rest measured."""
    base = copy.deepcopy(small.base.model)
    base.unused = torch.nn.Linear(3, 3, bias=False)
    pair = beside(replace(small, base=replace(small.base, model=base)), random_change(np.random.default_rng(5)))
    pair.tuned.model.unused.weight = torch.nn.Parameter(torch.ones(3, 3, dtype=torch.int8), requires_grad=False)
    found = attncompare.noise(pair, SENTENCE, draws=5)
    assert found.notes[-1] == "unused.weight is quantised (int8), so it can't be changed at random."
    assert len(found.draws) == 0
    assert found.jsd_bits.any()


def test_a_text_of_one_token_has_nothing_to_measure(tmp_path: Path) -> None:
    pair = tiny_pair(tmp_path, "gpt2")
    found = attncompare.noise(pair, TEXT.split()[0], draws=19)
    assert np.isnan(found.jsd_bits).all()
    assert not found.moved.any()
    assert np.isnan(found.columns()["floor_p"]).all()
    assert np.isnan(found.ceiling_bits)
    assert found.to_dict()["ceiling_bits"] is None


def test_other_trainings(small: Pair) -> None:
    """Three trainings that share a head's move and differ elsewhere: each against the base and against each other."""
    moved = slice(8, 16)  # the second of four heads

    def training(seed: int) -> Callable[[Any], None]:
        def change(model: Any) -> None:
            own = model.encoder.layer[0].attention.self
            own.query.weight[moved] *= -1
            random_change(np.random.default_rng(seed), size=0.05)(model)

        return change

    first, *others = (beside(small, training(seed), content=str(seed) * 16) for seed in range(1, 4))
    found = attncompare.noise(first, SENTENCE, draws=0, replicates=others).replicates
    assert isinstance(found, Replicates)
    ids = prepare(first, SENTENCE).base.inputs["input_ids"]
    maps = [eager_attentions(model, ids) for model in (first.base.model, *(p.tuned.model for p in (first, *others)))]
    assert found.from_base == pytest.approx(np.stack([naive_bits(maps[0], other) for other in maps[1:]]), abs=2e-6)
    between = [naive_bits(maps[one], maps[two]) for one, two in ((1, 2), (1, 3), (2, 3))]
    assert found.between == pytest.approx(np.stack(between), abs=2e-6)
    assert found.beyond[0, 1]
    assert np.array_equal(found.beyond, found.from_base.min(0) > found.between.max(0))
    result = attncompare.compare(first, SENTENCE, replicates=others)
    assert result.noise is not None
    assert result.noise.replicates is not None
    assert result.noise.replicates.sentence() in result.verdict
    result = attncompare.compare(first, SENTENCE, floor=19, replicates=others)
    assert result.verdict.endswith(SEEDS)


def test_replicates_that_are_none(small: Pair, tmp_path: Path) -> None:
    pair = beside(small, random_change(np.random.default_rng(6)))
    with pytest.raises(BadInput, match="has the same weights as 'org/tuned'"):
        attncompare.noise(pair, SENTENCE, replicates=[pair])
    other = beside(small, random_change(np.random.default_rng(8)), content="2" * 16)
    rebased = replace(other, base=replace(other.base, info=replace(other.base.info, content_hash="3" * 16)))
    with pytest.raises(BadInput, match="tuned from another base"):
        attncompare.noise(pair, SENTENCE, replicates=[rebased])
    with pytest.raises(BadInput, match="have the same weights: give each training once"):
        attncompare.noise(pair, SENTENCE, replicates=[other, other])
    elsewhere = replace(other, tuned=replace(other.tuned, tokenizer=readers.sentence_piece()))
    with pytest.raises(BadInput, match="another tokenizer"):
        attncompare.noise(pair, SENTENCE, replicates=[elsewhere])
    shallow = replace(other, tuned=replace(other.tuned, layout=other.tuned.layout[:1]))
    with pytest.raises(BadInput, match="other layers or heads"):
        attncompare.noise(pair, SENTENCE, replicates=[shallow])


@pytest.mark.parametrize(
    "stop_at", ["drawing random changes", "measuring the change", "repeating the base", "comparing"]
)
def test_progress_is_told_and_may_stop_it(small: Pair, stop_at: str) -> None:
    pair = beside(small, random_change(np.random.default_rng(9)))
    told: list[tuple[str, int, int]] = []

    def tell(step: str, done: int, total: int) -> None:
        told.append((step, done, total))
        assert 0 <= done <= total
        if step.startswith(stop_at):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        attncompare.noise(pair, SENTENCE, draws=5, progress=tell)
    assert told[-1][0].startswith(stop_at)


def test_a_draw_can_be_stopped_within_a_layer(small: Pair) -> None:
    pair = beside(small, random_change(np.random.default_rng(10)))
    told: list[tuple[str, int, int]] = []
    attncompare.noise(pair, SENTENCE, draws=5, progress=lambda *step: told.append(step))
    assert told.count(("drawing random changes", 2, 5)) >= 1 + len(pair.stacks["self"].layers)


@pytest.mark.parametrize("attention", ["self", "decoder", "cross"])
def test_stacks_of_an_encoder_decoder(attention: str) -> None:
    base = readers.pair("t5")
    pair = replace(base, key=f"t5 {attention}")
    found = attncompare.noise(pair, SENTENCE, target=readers.SENTENCES[1], attention=attention, draws=4)
    assert found.draws.shape == (4, 2, 4)
    assert found.draws.min() > 0
    assert found.about == About(attention, "token", encoder_decoder=True)
    assert found.jsd_bits == pytest.approx(
        divergence(pair, SENTENCE, target=readers.SENTENCES[1], attention=attention), abs=1e-7
    )


@pytest.mark.parametrize("level", ["word", "auto"])
def test_merged_tokens(level: str) -> None:
    """Base and draws read the base's tokens, merged into the same units as the pair's."""
    other = readers.byte_level(size=readers.VOCABULARY - 40) if level == "auto" else None
    pair = readers.pair("llama", tuned_tokenizer=other)
    found = attncompare.noise(pair, SENTENCE, draws=3, level=level)
    assert found.about.level == {"word": "word", "auto": "shared"}[level]
    assert found.draws.min() > 0
    assert found.numeric["padding"].max() < 1e-9
    alone = replace(pair, tuned=replace(pair.base, model=pair.base.model), key=f"alone {level}")
    assert not attncompare.noise(alone, SENTENCE, draws=0, level=level).jsd_bits.any()


def test_an_adapter_is_matched_by_its_rank_and_a_checkpoint_by_its_difference(tmp_path: Path) -> None:
    pair = attncompare.load_pair(device="cpu")
    assert attncompare.noise(pair, SENTENCE, draws=3).change["low_rank"]  # type: ignore[index]
    base = save_tiny(tmp_path / "base", "bert", seed=1)
    full = attncompare.load_pair(base, save_tiny(tmp_path / "tuned", "bert", seed=1, tune=0.1), device="cpu")
    found = attncompare.noise(full, TEXT, draws=3)
    assert found.change is not None
    assert not found.change["low_rank"]
    assert not any("adapter" in note for note in found.notes)


def test_too_little_memory_is_said_before_it_is_taken(small: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = beside(small, random_change(np.random.default_rng(12)))
    monkeypatch.setattr(variants, "available", lambda device: 1000)
    found = attncompare.noise(pair, SENTENCE, draws=3)
    assert "dtype" not in found.numeric
    assert any("without another dtype: A copy in torch.bfloat16 needs" in note for note in found.notes)
    monkeypatch.setattr(draws, "available", lambda device: 1000)
    with pytest.raises(BadInput, match="ask for 0 random changes"):
        attncompare.noise(pair, SENTENCE, draws=3)
    assert attncompare.noise(pair, SENTENCE, draws=0).jsd_bits.any()


def test_weights_that_were_zero(small: Pair) -> None:
    """BitFit tunes biases, which may have started at nothing: then there is no relative size."""
    base = copy.deepcopy(small.base.model)
    for layer in base.encoder.layer:
        layer.attention.self.query.bias.zero_()

    def tune(model: Any) -> None:
        for layer in model.encoder.layer:
            layer.attention.self.query.bias += 0.5

    found = attncompare.noise(beside(replace(small, base=replace(small.base, model=base)), tune), SENTENCE, draws=19)
    assert found.change is not None
    assert (found.change["relative_norm"], found.change["matrices"], found.change["weights"]) == (None, 0, 2)
    assert found.draws.min() > 0


def test_weights_without_a_partner_are_no_missing_change(small: Pair) -> None:
    def wrap(model: Any) -> None:
        own = model.encoder.layer[0].attention.self
        own.query = torch.nn.Sequential(copy.deepcopy(own.query))
        own.query[0].weight.mul_(-1)

    found = attncompare.noise(beside(small, wrap), SENTENCE, draws=3)
    assert found.jsd_bits[0].min() > 0.01
    assert len(found.draws) == 0
    assert found.notes[-1].startswith("encoder.layer.0.attention.self.query can't be laid beside the tuned model's")


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError])
def test_whatever_progress_raises_stops_the_numeric_floor_too(small: Pair, error: type[Exception]) -> None:
    def tell(step: str, done: int, total: int) -> None:
        if step.startswith("repeating the base") and done == 1:
            raise error("stop")

    with pytest.raises(error, match="stop"):
        attncompare.noise(small, SENTENCE, draws=0, progress=tell)


def test_options_are_judged_before_anything_runs(small: Pair) -> None:
    told: list[Any] = []
    wrong: list[dict[str, Any]] = [{"floor": 1}, {"floor": -1}, {"floor": 3, "floor_seed": -1}, {"replicates": [small]}]
    for options in wrong:
        with pytest.raises(BadInput):
            attncompare.compare(small, SENTENCE, progress=lambda *step: told.append(step), **options)
    assert told == []
    for number, seed, replicates in ((3.0, 0, ()), ("39", 0, ()), (3, None, ()), (3, 0, small), (3, 0, ["org/name"])):
        with pytest.raises(BadInput):
            judge(small, number, seed, replicates)
    judge(small, np.int64(4), 0, ())


def test_half_precision_rounds_small_changes_and_says_so(small: Pair) -> None:
    base = replace(small.base, model=copy.deepcopy(small.base.model).to(torch.bfloat16))
    base = replace(base, info=replace(base.info, dtype="bfloat16"))
    pair = beside(replace(small, base=base, tuned=base), random_change(np.random.default_rng(11), size=0.005))
    found = attncompare.noise(pair, SENTENCE, draws=3)
    assert found.change is not None
    assert found.change["worst_norm_error"] > 0.01
    assert any(note.startswith("Rounding to bfloat16 makes a drawn change up to") for note in found.notes)
    single = attncompare.noise(beside(small, random_change(np.random.default_rng(11), size=0.005)), SENTENCE, draws=3)
    assert single.notes[-1].startswith("With 3 draws")
    assert not any("Rounding" in note for note in single.notes)


def quiet(step: str, done: int, total: int) -> None:
    """Nobody watches."""
