"""Random changes: as large as the real one by numpy's decomposition, in directions of no preference, in a copy."""

import copy
import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attncompare.models.change import Change, acting, changes, is_wrapped
from attncompare.models.checkpoint import any_folder, resolve
from attncompare.models.draws import DrawnModel, Frames, random_change, sharing
from attncompare.models.pair import unwrapped
from attncompare.models.tokens import Encoding
from attncompare.models.twin import twin
from tests.models.checkpoints import CONFIGS, model, tensors
from tests.models.test_change import OUTSIDE, adapted, beside, has_size, outermost, tuned_from, unheard, wide
from tests.models.test_kinds import CASES, IDS, fresh, logits, save_kind

ROWS = sorted(set(IDS[0].tolist()))

pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")


def encoding(ids: Tensor = IDS, target: Tensor | None = None) -> Encoding:
    inputs = {"input_ids": ids} | ({} if target is None else {"decoder_input_ids": target})
    return Encoding(inputs, tokens=())


def drawn_beside(base: Any, tuned: Any, **read: Tensor) -> tuple[DrawnModel, tuple[Change, ...]]:
    listed = changes(beside(base, tuned), unheard)
    return DrawnModel(base, listed, encoding(**read)), listed


@cache
def full(family: str) -> tuple[Any, Any]:
    """A base and a full checkpoint tuned from it, not to be modified."""
    base = wide(family)
    return base, tuned_from(base)


@cache
def twins(first: str, second: str) -> tuple[Any, Any]:
    """Two adapters on one base."""
    base, made = fresh().requires_grad_(False), []
    for seed, case in enumerate((first, second)):
        with tempfile.TemporaryDirectory() as folder:
            kind, options = CASES[case]
            save_kind(Path(folder), kind, **options)
            made.append(twin(base, resolve(Path(folder), any_folder), task="SEQ_CLS"))
            for parameter in _own(made[-1], base):
                parameter.data *= 1 + 0.3 * seed  # both are saved with the same numbers
    return made[0], made[1]


def _own(adapter: nn.Module, base: nn.Module) -> list[nn.Parameter]:
    shared = tensors(base)
    return [p for p in adapter.parameters() if p.is_floating_point() and p.untyped_storage().data_ptr() not in shared]


def weight_of(made: Any, change: Change) -> Tensor:
    """The weight as it acts in this model, adapter and all."""
    module = unwrapped(made).get_submodule(change.path)
    return acting(module).get_parameter(change.name)


def moved(drawn: DrawnModel, base: Any, change: Change) -> np.ndarray:
    return weight_of(drawn.model, change).double().numpy() - weight_of(base, change).double().numpy()


def check_sizes(drawn: DrawnModel, base: Any, listed: tuple[Change, ...], rows: list[int] = ROWS) -> None:
    """Every weight moved as far as the change says, and elsewhere than the tuning moved it."""
    words = unwrapped(base).get_input_embeddings()
    for change in listed:
        difference = moved(drawn, base, change)
        if change.tuned is None:
            assert np.linalg.norm(difference) == pytest.approx(change.norm, rel=1e-4)
            has_size(change, difference.reshape(change.shape), rounding=1e-4)
            continue
        before = weight_of(base, change).double().numpy()
        after = change.tuned.double().numpy()
        embeds = change.path in [path for path, module in unwrapped(base).named_modules() if module is words]
        drawn_rows = rows if embeds else list(range(len(before)))
        same = np.ones(len(before), bool)
        same[drawn_rows] = False
        assert (difference[same] == 0).all()
        real = np.zeros_like(before)
        real[: len(after)] = after[: len(before)] - before[: len(after)]
        # Turned together: what a row is long, and the angle between any two, stays.
        gram = real[drawn_rows] @ real[drawn_rows].T
        np.testing.assert_allclose(difference[drawn_rows] @ difference[drawn_rows].T, gram, atol=1e-4 * gram.max())


# ---- size


@pytest.mark.parametrize("family", OUTSIDE)
def test_every_weight_of_a_full_checkpoint_moves_as_far(family: str) -> None:
    base, tuned = full(family)
    drawn, listed = drawn_beside(base, tuned)
    assert len(listed) > 10
    for index in range(2):
        drawn.draw(0, index)
        check_sizes(drawn, base, listed)
        assert drawn.worst_error() < 1e-3


@pytest.mark.parametrize("case", [case for case in CASES if case != "LILY"])
def test_every_adapted_weight_moves_as_far(case: str) -> None:
    base, tuned = adapted(case)
    drawn, listed = drawn_beside(base, tuned)
    drawn.draw(3, 1)
    check_sizes(drawn, base, listed)
    assert drawn.worst_error() < 1e-3
    assert (logits(drawn.model) - logits(base)).abs().max() > 1e-4


@pytest.mark.parametrize("family", ["bert", "mixtral"])
def test_the_directions_are_not_the_tunings(family: str) -> None:
    """Unrelated directions of a thousand numbers have cosines of a few hundredths."""
    base, tuned = full(family)
    drawn, listed = drawn_beside(base, tuned)
    drawn.draw(0, 0)
    cosines = []
    for change in listed:
        if change.rank is not None and math.prod(change.shape) >= 1000:
            real = weight_of(tuned, change).double().numpy() - weight_of(base, change).double().numpy()
            cosines.append((real * moved(drawn, base, change)).sum() / change.norm**2)
    assert np.abs(cosines).max() < 0.15
    assert abs(np.mean(cosines)) < 0.02


def test_a_weight_that_is_one_number() -> None:
    """It has a sign for a direction."""
    base = fresh().requires_grad_(False)
    base.bert.pooler.scale = nn.Parameter(torch.tensor(2.0), requires_grad=False)
    tuned = copy.deepcopy(base)
    tuned.bert.pooler.scale -= 0.5
    drawn, listed = drawn_beside(base, tuned)
    assert [(change.shape, change.rank, float(change.size)) for change in listed] == [((), None, 0.5)]
    seen = set()
    for index in range(20):
        drawn.draw(0, index)
        seen.add(float(drawn.model.bert.pooler.scale))
    assert seen == {1.5, 2.5}
    assert drawn.worst_error() == 0


def test_draws_cancel_out() -> None:
    """Their mean is nothing: of 25 independent changes a fifth of the norm is left."""
    base, tuned = full("bert")
    found = changes(beside(base, tuned), unheard)
    listed = tuple(change for change in found if change.tuned is None and "layer.2" in change.path)
    drawn = DrawnModel(base, listed, encoding())
    total = {change: np.zeros(1) for change in listed}
    for index in range(25):
        drawn.draw(0, index)
        for change in listed:
            total[change] = total[change] + moved(drawn, base, change) / 25
    for change in listed:
        assert np.linalg.norm(total[change]) / change.norm == pytest.approx(1 / 5, rel=0.5)


@pytest.mark.parametrize(("before", "after"), [(40, 45), (45, 40)])
def test_words_that_one_of_both_lacks(before: int, after: int) -> None:
    made = [model("ForCausalLM", CONFIGS["gpt2"], seed=seed).requires_grad_(False) for seed in (0, 1)]
    for one, rows in zip(made, (before, after), strict=True):
        one.resize_token_embeddings(rows)
    rows = [2, 4, 7, min(before, 43) - 1]
    drawn, listed = drawn_beside(*made, ids=torch.tensor([rows]))
    drawn.draw(0, 0)
    check_sizes(drawn, made[0], listed, rows)
    words = next(change for change in listed if change.path == "transformer.wte")
    changed = np.abs(moved(drawn, made[0], words)).max(1).nonzero()[0].tolist()
    assert changed == [row for row in rows if row < after]


def test_rows_of_source_and_target() -> None:
    base, tuned = full("t5")
    drawn, listed = drawn_beside(base, tuned, ids=torch.tensor([[5, 6, 1]]), target=torch.tensor([[0, 9, 5]]))
    drawn.draw(0, 0)
    words = next(change for change in listed if change.path == "shared")
    assert np.abs(moved(drawn, base, words)).max(1).nonzero()[0].tolist() == [0, 1, 5, 6, 9]


# ---- the copy


@pytest.mark.parametrize("family", OUTSIDE)
def test_the_base_stays_and_shares_the_rest(family: str) -> None:
    base, _ = full(family)
    tuned = copy.deepcopy(base)
    names = [name for name, _ in base.named_parameters()]
    changed = names[len(names) // 2 :: 7]
    for name in changed:
        tuned.get_parameter(name).data.add_(0.1)
    before = {name: (tensor, tensor.clone()) for name, tensor in base.state_dict(keep_vars=True).items()}
    drawn, listed = drawn_beside(base, tuned)
    for index in range(3):
        drawn.draw(0, index)
    after = base.state_dict(keep_vars=True)
    assert all(after[name] is tensor and torch.equal(tensor, old) for name, (tensor, old) in before.items())
    mine = {f"{change.path}.{change.name}" for change in listed}
    assert mine == {name for name in changed if not name.startswith(OUTSIDE[family])}
    for name, tensor in drawn.model.named_parameters():
        assert (tensor.data_ptr() == base.get_parameter(name).data_ptr()) == (name not in mine), name
    for name, tensor in drawn.model.named_buffers():
        assert tensor.data_ptr() == base.get_buffer(name).data_ptr()
    extra = sum(size for at, size in tensors(drawn.model).items() if at not in tensors(base))
    assert extra == sum(base.get_parameter(name).untyped_storage().nbytes() for name in mine)


@pytest.mark.parametrize("family", ["gpt2", "t5", "albert", "bart"])
def test_tied_weights_stay_tied(family: str) -> None:
    base, tuned = full(family)
    drawn, _ = drawn_beside(base, tuned)
    drawn.draw(0, 0)

    def ties(made: nn.Module) -> list[list[str]]:
        users: dict[int, list[str]] = {}
        for name, parameter in made.named_parameters(remove_duplicate=False):
            users.setdefault(parameter.data_ptr(), []).append(name)
        return sorted(names for names in users.values() if len(names) > 1)

    assert ties(base)
    assert ties(drawn.model) == ties(base)
    words, head = drawn.model.get_input_embeddings().weight, drawn.model.get_output_embeddings().weight
    assert words is head
    assert not torch.equal(words, base.get_input_embeddings().weight)


def test_a_copy_is_the_base_until_it_is_drawn() -> None:
    base, tuned = adapted("LoRA with biases")
    drawn, _ = drawn_beside(base, tuned)
    assert torch.equal(logits(drawn.model), logits(base))
    drawn.draw(0, 0)
    assert not torch.allclose(logits(drawn.model), logits(base), atol=1e-3)


def test_sharing_is_a_model_of_its_own() -> None:
    base = fresh().requires_grad_(False)
    other = sharing(base)
    assert tensors(other) == tensors(base)
    assert not {id(module) for module in base.modules()} & {id(module) for module in other.modules()}
    other.config.num_labels = 7
    other.bert.encoder.layer[0].attention.self.query = nn.Identity()
    assert base.config.num_labels != 7
    assert isinstance(base.bert.encoder.layer[0].attention.self.query, nn.Linear)


# ---- a base that is itself an adapter


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("rsLoRA", "LORA"), ("rsLoRA", "VERA"), ("DoRA", "LoRA of several ranks"), ("LoRA on embeddings", "rsLoRA"),
        ("LoRA with a pooler", "LoRA with trained tokens"), ("LoRA with biases", "IA3"), ("LN_TUNING", "LN_TUNING"),
        ("TRAINABLE_TOKENS", "TRAINABLE_TOKENS"), ("VERA", "VERA"),
    ],
)  # fmt: skip
def test_a_base_with_an_adapter(first: str, second: str) -> None:
    """The copy computes what the base with its adapter does, and moves from there; the base keeps its wrappers."""
    base, tuned = twins(first, second)
    alone, wrapped = logits(base), outermost(unwrapped(base)).keys()
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    drawn, listed = drawn_beside(base, tuned)
    assert listed
    torch.testing.assert_close(logits(drawn.model), alone, atol=2e-4, rtol=1e-4)
    drawn.draw(0, 0)
    check_sizes(drawn, base, listed)
    bare = unwrapped(drawn.model)
    assert not any(is_wrapped(bare.get_submodule(change.path)) for change in listed)
    assert outermost(unwrapped(base)).keys() == wrapped
    assert torch.equal(logits(base), alone)
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.state_dict().items())


# ---- which draw it is


def values(drawn: DrawnModel, seed: int, index: int) -> list[Tensor]:
    drawn.draw(seed, index)
    return [parameter.clone() for parameter in drawn.model.parameters()]


def equal(one: list[Tensor], other: list[Tensor]) -> list[bool]:
    return [torch.equal(a, b) for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize("family", ["bert", "mixtral"])
def test_the_same_draw_is_the_same_bits(family: str) -> None:
    """In whatever order, in whatever copy, whatever else drew random numbers in between."""
    base, tuned = full(family)
    (one, listed), (other, _) = drawn_beside(base, tuned), drawn_beside(base, tuned)
    first = [values(one, 5, index) for index in (0, 1, 2)]
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again = [values(other, 5, index) for index in (2, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state), "the program's own random numbers are left alone"
    assert all(equal(first[0], again[1]) + equal(first[1], again[2]) + equal(first[2], again[0]))
    assert all(equal(values(one, 5, 0), first[0])), "and not on top of the draw before"
    mine = {id(parameter) for parameter in base.parameters()}
    assert len(listed) <= len(mine)


def test_other_draws_are_others() -> None:
    base, tuned = full("bert")
    drawn, listed = drawn_beside(base, tuned)
    seen = []
    for seed, index in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2**40), (2**40, 0)]:
        drawn.draw(seed, index)
        seen.append([moved(drawn, base, change) for change in listed])
    for at, one in enumerate(seen):
        for other in seen[:at]:
            for change, a, b in zip(listed, one, other, strict=True):
                assert not np.array_equal(a, b), change.path
                if change.rank:
                    assert abs((a * b).sum()) < 0.2 * change.norm**2


# ---- frames

HEIGHT, COLUMNS, TIMES = 5, 3, 2000


@pytest.fixture(scope="module")
def frames() -> Tensor:
    """``[time, user, row, column]``: two users' frames of each of many draws."""
    generator = torch.Generator().manual_seed(3)
    made = (Frames(generator, {HEIGHT: COLUMNS}) for _ in range(TIMES))
    return torch.stack([torch.stack([one.draw((HEIGHT,), COLUMNS) for _ in range(2)]) for one in made]).double()


def test_frames_are_orthonormal(frames: Tensor) -> None:
    torch.testing.assert_close(
        frames.mT @ frames, torch.eye(COLUMNS).expand(TIMES, 2, -1, -1).double(), atol=1e-5, rtol=0
    )


def test_frames_have_the_moments_of_a_uniform_frame(frames: Tensor) -> None:
    """Of each user: mean 0, covariance of all entries 1/n, and the fourth moment of an entry 3 / (n (n + 2)).

    Entries have a standard deviation below 1, products and powers of them below 1/2; limits are five standard errors.
    """
    error = 5 / math.sqrt(TIMES)
    for user in range(2):
        flat = frames[:, user].reshape(TIMES, -1)
        assert flat.mean(0).abs().max() < error / math.sqrt(HEIGHT)
        covariance = flat.T @ flat / TIMES
        off = (covariance - torch.eye(HEIGHT * COLUMNS) / HEIGHT).abs().max()
        assert off < error / HEIGHT * math.sqrt(2)
        assert ((flat**4).mean(0) - 3 / (HEIGHT * (HEIGHT + 2))).abs().max() < error * 0.25


def test_the_frames_of_two_matrices_are_uncorrelated(frames: Tensor) -> None:
    """No entry of the one goes with any entry of the other; their columns meet at angles of independent directions."""
    error = 5 / math.sqrt(TIMES)
    one, other = (frames[:, user].reshape(TIMES, -1) for user in range(2))
    assert (one.T @ other / TIMES).abs().max() < error / HEIGHT * math.sqrt(2)
    cosines = (frames[:, 0].mT @ frames[:, 1]).reshape(TIMES, -1)
    assert cosines.mean(0).abs().max() < error / math.sqrt(HEIGHT)
    assert (cosines**2).mean(0) == pytest.approx(1 / HEIGHT, abs=error * 0.3)


def test_these_checks_can_fail() -> None:
    """A frame whose signs are LAPACK's own is not uniform: its first entry is never positive."""
    q = torch.linalg.qr(torch.randn(2000, HEIGHT, COLUMNS, generator=torch.Generator().manual_seed(0)))[0]
    assert q[:, 0, 0].mean().abs() > 5 / math.sqrt(2000 * HEIGHT)


@pytest.mark.parametrize(("shape", "rank"), [((6,), 6), ((1,), 1), ((4, 6), 2), ((2, 3, 6), 6)])
def test_stacks_of_frames(shape: tuple[int, ...], rank: int) -> None:
    made = Frames(torch.Generator().manual_seed(0), {shape[-1]: rank})
    stack = made.draw(shape, rank)
    assert stack.shape == (*shape, rank)
    torch.testing.assert_close(stack.mT @ stack, torch.eye(rank).expand(*shape[:-1], rank, rank), atol=1e-5, rtol=0)
    matrices = stack.reshape(-1, shape[-1], rank)
    assert len({tuple(matrix.flatten().tolist()) for matrix in matrices}) == len(matrices)


def test_narrower_frames_of_a_height() -> None:
    made = Frames(torch.Generator().manual_seed(0), {8: 5})
    for rank in (5, 1, 3):
        frame = made.draw((8,), rank)
        assert frame.shape == (8, rank)
        torch.testing.assert_close(frame.mT @ frame, torch.eye(rank), atol=1e-5, rtol=0)


# ---- precision


def sparse_change(base: Any, kind: torch.dtype) -> tuple[Any, Any]:
    """A few numbers of each matrix moved by their last digit: spread over all of them that is less than half a digit."""
    base = copy.deepcopy(base).to(kind)
    tuned = copy.deepcopy(base)
    for layer in tuned.bert.encoder.layer:
        weight = layer.attention.self.query.weight.data
        weight[0, :3] *= 1 + torch.finfo(kind).eps
    return base, tuned


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_small_changes_away_and_says_so(kind: torch.dtype) -> None:
    base, tuned = sparse_change(fresh().requires_grad_(False), kind)
    drawn, listed = drawn_beside(base, tuned)
    drawn.draw(0, 0)
    assert drawn.worst_error() > 0.01
    off = [abs(np.linalg.norm(moved(drawn, base, change)) / change.norm - 1) for change in listed]
    assert drawn.worst_error() == pytest.approx(max(off), rel=1e-3)
    assert {parameter.dtype for parameter in drawn.model.parameters()} == {kind}


@pytest.mark.parametrize(("kind", "limit"), [(torch.float32, 1e-3), (torch.bfloat16, 0.01)])
def test_changes_that_are_not_small_are_as_large_as_they_should_be(kind: torch.dtype, limit: float) -> None:
    base = fresh().requires_grad_(False).to(kind)
    tuned = tuned_from(base, by=0.1)
    drawn, _ = drawn_beside(base, tuned)
    drawn.draw(0, 0)
    assert drawn.worst_error() < limit


@pytest.mark.parametrize("where", ["bert.embeddings.word_embeddings", "bert.encoder.layer.0.output.LayerNorm"])
def test_the_error_is_of_the_worst_weight(where: str) -> None:
    base = fresh().requires_grad_(False)
    drawn, _ = drawn_beside(base, tuned_from(base))
    drawn.draw(0, 0)
    before, own = (made.get_submodule(where).weight for made in (base, drawn.model))
    own.copy_(before + 1.5 * (own - before))
    assert drawn.worst_error() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("spectrum", ["flat", "gaussian"])
def test_a_square_change_of_full_rank_has_no_favoured_places(spectrum: str) -> None:
    """Left and right frames of one height must not pair up: their product would come close to a signed permutation."""
    values = torch.ones(96) if spectrum == "flat" else torch.linalg.svdvals(torch.randn(96, 96))
    change = Change("", "", (96, 96), values, 1.0, 1.0)
    kurtosis = []
    for seed in range(5):
        frames = Frames(torch.Generator().manual_seed(seed), {96: 96})
        drawn = random_change(change, frames).flatten().numpy()
        kurtosis.append(float((drawn**4).mean() / (drawn**2).mean() ** 2))
    assert np.mean(kurtosis) == pytest.approx(3, abs=0.3)  # of independent frames nearly normal: 3
