"""The bias probe in words, every one computed from its numbers: what was found, what to try next, what not to conclude."""

from typing import TYPE_CHECKING

import numpy as np

from attncompare.analyses.verdict import listing, printable

if TYPE_CHECKING:
    from attncompare.analyses.bias_record import Bias

CAUTION = (
    "This is the outcome of a probe on one text, not a verdict: it says where these models look and what moves their "
    "answer, not that they are fair or unfair to anybody."
)

SAME = 5e-4
"""A share that changed by less stayed the same: it would be printed as 0.0%."""


def answers(found: "Bias") -> tuple[str, ...]:
    """Findings, then one sentence a kind of finding on what to try next, then what that is not."""
    kinds = (_swap(found), _attention(found), _leakage(found), _taken(found))
    next_steps = [step for said, step in zip(kinds, _NEXT, strict=True) if said]
    return *(sentence for said in kinds for sentence in said), *next_steps, CAUTION


_NEXT = (
    "To try next on the swap: swap a list of texts, since one text says nothing of a direction that others share.",
    "To try next on attention: take out of the lists what is no sign of its group here, and see whether the shares hold.",
    "To try next on leakage: open the named heads, see which word they look at, and whether they do in other texts.",
    "To try next on erasing: erase other words as short and as common, since any hole in a text moves an answer.",
)


def _swap(found: "Bias") -> list[str]:
    swap, readout = found.swap, found.readout
    if swap is None:
        return []
    words = f"With {_counted(len(swap.changes), 'word')} swapped ({_pairs(found)})"
    said = []
    if readout is not None:
        under = " (under the tuned model's head)" if readout.base_head == "borrowed" else ""
        said.append(
            f"{words}, {readout.name} moves by {_signed(found.change('tuned'))} {readout.unit} in the tuned model, from "
            f"{_plain(found.outputs['tuned'])}; in the base{under} by {_signed(found.change('base'))}, from "
            f"{_plain(found.outputs['base'])}."
        )
    if all(np.isfinite(values).any() for values in swap.bits.values()):
        tops = []
        for side in ("tuned", "base"):
            row, head = np.unravel_index(int(np.nanargmax(swap.bits[side])), swap.bits[side].shape)
            tops.append(f"{found.name(int(row), int(head))} in {side} ({swap.bits[side][row, head]:.2g} bits)")
        means = [float(np.nanmean(swap.bits[side])) for side in ("tuned", "base")]
        mean = f"the mean over heads is {means[0]:.2g} bits in tuned, {means[1]:.2g} in base"
        said.append(
            f"{words}, the rows of {listing(tops)} move most; {mean}."
            if readout is None
            else f"The same swap moves the rows of {listing(tops)} most; {mean}."
        )
    if swap.attribution:
        before, after = swap.attribution["tuned"]
        said.append(
            f"The swapped words hold {_percent(before)} of the size of the tuned model's attribution before the swap and "
            f"{_percent(after)} after it; in the base {_percent(swap.attribution['base'][0])} and "
            f"{_percent(swap.attribution['base'][1])}."
        )
    return said


def _attention(found: "Bias") -> list[str]:
    said = []
    for name in found.present:
        base, tuned, even = (found.mean(side, name) for side in ("base", "tuned", "even"))
        if not np.isfinite(tuned):
            continue
        moved = (
            f"{_percent(tuned)} in tuned as in base"
            if abs(tuned - base) < SAME
            else f"{_percent(base)} in base and {_percent(tuned)} in tuned"
        )
        said.append(
            f"‘{printable(name)}’ ({_words(found, name)}) draws {moved} of the attention to content, mean over heads; "
            f"evenly spread attention would give {_percent(even)}."
        )
    if found.attribution and found.present:
        of = found.attribution
        parts = [
            f"‘{printable(name)}’ {_percent(float(of['tuned'][at]))} (base {_percent(float(of['base'][at]))})"
            for at, name in enumerate(found.groups)
            if found.found[name]
        ]
        said.append(f"Of the size of the tuned model's attribution to content: {listing(parts)}.")
    return said


def _leakage(found: "Bias") -> list[str]:
    leak = found.leakage
    if leak is None:
        return []
    read = leak.read["tuned"]
    where = f"From the {len(read)} words that the answer is read from"
    if len(read) == 1:
        at = f" ‘{printable(found.words[read[0]].text)}’" if found.about.attention != "cross" else ""
        where = f"From{at}, where the answer is read" if at else "From where the answer is read"
    tops = {
        side: f"{found.name(*leak.most(side))} in {side} ({_percent(float(leak.share[side].max()))} of its row)"
        for side in ("tuned", "base")
    }
    moved = leak.moved
    shift = [_percent(float(leak.share[side][moved])) for side in ("base", "tuned")]
    means = [float(leak.share[side].mean()) for side in ("base", "tuned")]
    measured = np.isfinite(leak.content["base"]) & np.isfinite(leak.content["tuned"])
    said = [
        f"{where}, {listing([*tops.values()])} give most to the gendered words. "
        f"{found.name(*moved)} changed most, from {shift[0]} in base to {shift[1]} in tuned; the mean over heads is "
        f"{_percent(means[0])} in base and {_percent(means[1])} in tuned."
    ]
    if measured.any():
        base, tuned = (float(leak.content[side][measured].mean()) for side in ("base", "tuned"))
        said.append(
            f"Of what those rows give to content, gendered words get {_percent(base)} in base and {_percent(tuned)} in tuned"
            f", mean over {_counted(int(measured.sum()), 'head')}; they are {_percent(leak.even)} of the content words."
        )
    return said


def _taken(found: "Bias") -> list[str]:
    readout, said = found.readout, []
    if readout is None:
        return []
    if found.off:
        tuned, base = found.off["tuned"], found.off["base"]
        said.append(
            f"With {found.name(tuned.row, tuned.head)} switched off, the head with most of that leakage, the tuned readout "
            f"moves by {_signed(tuned.effect)} {readout.unit}; the base's, without {found.name(base.row, base.head)}, by "
            f"{_signed(base.effect)}."
        )
    if found.erased:
        parts = [
            f"{'all gendered words' if name == 'gendered' else f'‘{printable(name)}’'} {_signed(sides['tuned'])} "
            f"(base {_signed(sides['base'])})"
            for name, sides in found.erased.items()
        ]
        said.append(f"With words deleted, the tuned readout moves by so many {readout.unit}: {listing(parts)}.")
    return said


def _pairs(found: "Bias") -> str:
    """What was swapped, each once."""
    assert found.swap is not None
    pairs = [f"‘{printable(one.before)}’ to ‘{printable(one.after)}’" for one in found.swap.changes]
    once = list(dict.fromkeys(pairs))
    return ", ".join(once[:4]) + (" …" if len(once) > 4 else "")


def _words(found: "Bias", name: str) -> str:
    """The words of a group in this text, each once."""
    words = list(dict.fromkeys(f"‘{printable(found.words[at].text)}’" for at in found.found[name]))
    return ", ".join(words[:5]) + (" …" if len(words) > 5 else "")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _percent(share: float) -> str:
    return "an unknown share" if np.isnan(share) else f"{share:.1%}"


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−")


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
