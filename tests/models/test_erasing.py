"""Versions of a text without some tokens, beside a plain loop that edits lists of ids and runs them one at a time."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attncompare.errors import BadInput
from attncompare.models import fillers
from attncompare.models.erasing import Eraser, Erasing, Positions
from attncompare.models.pair import Pair
from attncompare.models.reading import prepare
from attncompare.models.tokens import Encoding
from tests.models import readers
from tests.models.checkpoints import refused
from tests.models.test_gradients import CLASSIFIER, FAMILIES, asked, unheard

FROM_THE_END = [(), (1,), (3, 2), (2, 3), (5,), (1, 4, 7, 8, 9), (2, 3, 4, 5, 6), (9,), (1,)]
"""Near where a decoder answers: a sliding window shows it no more."""
PAD = 2


def versions(encoding: Encoding) -> list[Positions]:
    size = len(encoding.tokens)
    return [tuple(size - 1 - i for i in version) for version in FROM_THE_END]


def first_two(logits: Tensor) -> Tensor:
    return logits[:, 0] - 2 * logits[:, 1]


def naive(pair: Pair, encoding: Encoding, gone: Positions, erasing: Erasing, *, decoder: bool = False) -> float:
    """One version by lists, without a batch."""
    prefix = "decoder_" if decoder else ""
    rows = {name: value[0].tolist() for name, value in encoding.inputs.items()}
    size = len(rows[f"{prefix}input_ids"])
    if erasing == "delete":
        own = [name for name in rows if name.startswith("decoder_") == decoder]
        rows |= {name: [value for i, value in enumerate(rows[name]) if i not in gone] for name in own}
    elif erasing == "mask":
        name = f"{prefix}input_ids"
        rows[name] = [PAD if i in gone else value for i, value in enumerate(rows[name])]
    else:
        rows[f"{prefix}attention_mask"] = [0 if i in gone else 1 for i in range(size)]
    with torch.no_grad():
        logits = pair.tuned.model(**{name: torch.tensor([row]) for name, row in rows.items()}).logits
    logits = logits if pair.output_kind == "label" else logits[:, -1]
    return float(first_two(logits)[0])


@pytest.mark.parametrize("erasing", ["delete", "mask", "hide"])
@pytest.mark.parametrize("family", [*FAMILIES, "bloom"])
def test_versions_equal_a_plain_loop(family: str, erasing: Erasing) -> None:
    pair, encoding, _ = asked(family)
    found = Eraser(pair, erasing).numbers(pair.tuned, encoding, versions(encoding), first_two, unheard)
    expected = [naive(pair, encoding, gone, erasing) for gone in versions(encoding)]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
    assert len({round(value, 3) for value in expected}) > 4


@pytest.mark.parametrize("erasing", ["delete", "mask", "hide"])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_the_decoders_own_tokens(family: str, erasing: Erasing) -> None:
    pair, encoding, _ = asked(family)
    chosen: list[Positions] = [(), (1,), (3, 2), (5, 1)]
    found = Eraser(pair, erasing, decoder=True).numbers(pair.tuned, encoding, chosen, first_two, unheard)
    expected = [naive(pair, encoding, gone, erasing, decoder=True) for gone in chosen]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("erasing", ["delete", "mask", "hide"])
def test_token_types_go_with_their_tokens(erasing: Erasing) -> None:
    pair, encoding, _ = asked("bert")
    types = (torch.arange(len(encoding.tokens)) > 4).long()[None]
    typed = replace(encoding, inputs={**encoding.inputs, "token_type_ids": types})
    found = Eraser(pair, erasing).numbers(pair.tuned, typed, versions(typed), first_two, unheard)
    assert found.tolist() == pytest.approx([naive(pair, typed, gone, erasing) for gone in versions(typed)], abs=1e-4)
    assert not torch.allclose(
        found, Eraser(pair, erasing).numbers(pair.tuned, encoding, versions(encoding), first_two, unheard)
    )


class Watched(nn.Module):
    """A model that notes what it is given."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.config = inner, inner.config
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, **inputs: Any) -> Any:
        self.shapes.append(tuple(inputs["input_ids"].shape))
        assert bool((inputs["attention_mask"] == 1).all())
        return self.inner(**inputs)


def test_each_version_runs_once_with_others_of_its_length_and_without_padding() -> None:
    pair, encoding, _ = asked("llama")
    size = len(encoding.tokens)
    pair = replace(pair, tuned=replace(pair.tuned, model=Watched(pair.tuned.model)))
    Eraser(pair, "delete").numbers(pair.tuned, encoding, versions(encoding), first_two, unheard)
    assert sorted(pair.tuned.model.shapes) == [(1, size - 2), (1, size), (2, size - 5), (3, size - 1)]


def test_a_classifier_on_a_decoder_without_a_padding_number_runs_one_at_a_time() -> None:
    pair, encoding, _ = asked("gpt2", **CLASSIFIER)
    found = Eraser(pair, "delete").numbers(pair.tuned, encoding, versions(encoding), first_two, unheard)
    assert found.tolist() == pytest.approx(
        [naive(pair, encoding, gone, "delete") for gone in versions(encoding)], abs=1e-4
    )


def test_nothing_left_is_refused() -> None:
    pair = readers.pair("gpt2")
    question = prepare(pair, "film")
    everything = tuple(range(len(question.tuned.tokens)))
    with refused(BadInput, "Nothing would be left"):
        Eraser(pair, "delete").numbers(pair.tuned, question.tuned, [everything], first_two, unheard)
    hidden = Eraser(pair, "hide").numbers(pair.tuned, question.tuned, [everything], first_two, unheard)
    assert hidden.isfinite().all()


def tokenizer(**tokens: str | None) -> Any:
    made = readers.byte_level.__wrapped__()  # not the one that all tests share
    for name, token in tokens.items():
        setattr(made, name, token)
    return made


def test_what_stands_for_a_masked_token_is_said() -> None:
    masked = readers.pair("bert", tokenizer(mask_token="<|user|>", unk_token="<s>"), **CLASSIFIER)
    assert Eraser(masked, "mask").how == "replaced by <|user|>"
    unknown = readers.pair("bert", tokenizer(unk_token="<s>"), **CLASSIFIER)
    assert Eraser(unknown, "mask").how == "replaced by <s>, since the models have no mask token in common"
    padded = readers.pair("bert", **CLASSIFIER)
    assert Eraser(padded, "mask").how == "replaced by <pad>, since the models have no mask token in common"
    two = readers.pair("bert", tokenizer(mask_token="<|user|>"), tokenizer(mask_token="<s>"), **CLASSIFIER)
    assert Eraser(two, "mask").how == "replaced by <|user|> (base) and <s> (tuned)"
    assert Eraser(two, "delete").how == "deleted"
    assert "attention mask" in Eraser(two, "hide").how


def test_that_a_hidden_last_token_still_answers_is_said_of_decoders() -> None:
    """Its own place keeps it: with every token hidden, another last token is still another answer."""
    pair = readers.pair("gpt2")
    question = prepare(pair, "The film is not good.")
    everything = tuple(range(len(question.tuned.ids)))
    eraser, found = Eraser(pair, "hide"), []
    for last in (question.tuned.ids[-1], question.tuned.ids[-1] + 1):
        ids = question.tuned.inputs["input_ids"].clone()
        ids[0, -1] = last
        encoding = replace(question.tuned, inputs={**question.tuned.inputs, "input_ids": ids})
        found.append(eraser.numbers(pair.tuned, encoding, [everything], first_two, unheard))
    assert (found[0] - found[1]).abs().max() > 1e-3
    assert "still works on it from its own place" in eraser.how
    assert "still works" not in Eraser(readers.pair("bert"), "hide").how


def test_what_only_one_model_has_stands_for_nothing() -> None:
    pair = readers.pair("bert", tokenizer(mask_token="<|user|>"), tokenizer(pad_token=None), **CLASSIFIER)
    with refused(BadInput, "neither mask nor unknown nor padding token in common", "'delete' or 'hide'"):
        Eraser(pair, "mask")


def test_padding_never_stands_for_a_token_where_a_classifier_reads_it_as_the_end() -> None:
    pair = readers.pair("gpt2", **CLASSIFIER)
    with refused(BadInput, "neither mask nor unknown token in common", "'delete' or 'hide'"):
        Eraser(pair, "mask")


def test_a_filler_without_an_embedding_is_none() -> None:
    made = tokenizer()
    made.add_special_tokens({"mask_token": "<mask>"})
    pair = readers.pair("bert", made, **CLASSIFIER)
    assert fillers.number(pair.base, "mask") == 300 < readers.VOCABULARY
    made.add_tokens([f"word{i}" for i in range(30)])
    made.add_special_tokens({"mask_token": "<other mask>"})
    assert made.mask_token_id >= readers.VOCABULARY
    assert fillers.number(pair.base, "mask") is None


def test_progress_can_stop_it_between_batches() -> None:
    pair, encoding, _ = asked("bert")
    heard: list[tuple[str, int, int]] = []

    def stop(*step: Any) -> None:
        heard.append(step)
        if len(heard) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Eraser(pair, "delete").numbers(pair.base, encoding, versions(encoding), first_two, stop)
    assert heard == [("erasing from the text of the base", 0, 7), ("erasing from the text of the base", 1, 7)]
