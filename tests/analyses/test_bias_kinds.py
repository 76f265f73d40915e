"""The bias probe of the kinds of pairs that people bring: adapters without a head, chats, sentence pairs, encoder-decoders,
and two models with different tokenizers."""

import json

import numpy as np
import pytest

import attncompare
from attncompare import plots
from attncompare.analyses.bias import bias
from tests.ui.kinds import KINDS, save_kind

TEXT = "She is not good, and her years of dull work led Mr. Smith to her."
SWAPPED = "He is not good, and his years of dull work led Ms. Smith to him."


def readings(name, folder):
    kind = save_kind(name, folder)
    reading = {key: value for key, value in kind.reading.items() if key not in ("generate", "level")}
    pair = attncompare.load_pair(kind.base or None, kind.tuned, device="cpu")
    if name == "t5":
        return pair, [{"attention": which, "target": "He is her brother."} for which in ("decoder", "cross")]
    return pair, [reading]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_probed(name, tmp_path):
    pair, ways = readings(name, tmp_path)
    for reading in ways:
        spoken = pair.output_kind == "next_token"
        same = {"answer": pair.base.tokenizer.convert_ids_to_tokens(40)} if spoken else {}
        found = bias(pair, TEXT, **same, **reading)
        for values in (*found.shares.values(), found.even):
            known = np.isfinite(values).all(0)
            assert known.any()
            assert values.sum(0)[known] == pytest.approx(1, abs=1e-5)
        swap = found.swap
        assert swap.text == SWAPPED
        other = {**reading, **({"target": "She is his sister."} if "target" in reading else {})}
        if "text_pair" in reading:
            assert other["text_pair"] == reading["text_pair"]
        if found.readout and not spoken:
            same = {"answer": found.readout.answer, "against": found.readout.against}
        there = bias(pair, SWAPPED, **same, **other)
        for side in ("base", "tuned"):
            bits = swap.bits[side]
            assert ((bits > 0) & (bits <= 1)).all()
            if found.readout is not None:
                assert swap.outputs[side] == pytest.approx(there.outputs[side], abs=1e-3)
            if there.leakage is not None:
                assert swap.read_after[side] == pytest.approx(there.leakage.share[side], abs=1e-4)
        json.dumps(found.to_dict(), allow_nan=False)
        assert plots.png(plots.bias(found)).startswith(b"\x89PNG")
