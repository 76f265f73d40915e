"""Which call made each finding: function, options, and what of the reading it was asked with."""

from dataclasses import dataclass, field
from typing import Any

from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.coreference_items import Item
from attncompare.analyses.coreference_many import is_built_in
from attncompare.analyses.mentions import numbered
from attncompare.analyses.word_groups import DEFAULT
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout
from attncompare.report.findings import Findings


@dataclass(frozen=True)
class Call:
    """The function that makes a finding, and what it was asked with."""

    function: str
    options: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
    """Where it is not the compared one."""
    texts: tuple[str, ...] = ()
    """Where it is asked of many."""
    items: tuple[Item, ...] = ()
    """Sentences with a pronoun, where it is asked of many."""
    built_in: bool = False
    """Whether those are the ones that come with the package."""
    unread: frozenset[str] = frozenset()
    """What of the reading it was not asked with."""
    by_report: bool = True
    """Whether the command ``report`` measures the same when it is asked for it by name."""

    @property
    def command(self) -> str:
        """The command line's name of it; one command asks about one text and about many."""
        return self.function.removeprefix("probes.").removesuffix("_of_many").replace("_", "-")

    def read(self, read: dict[str, Any]) -> dict[str, Any]:
        """What of the reading it was asked with."""
        return {name: value for name, value in read.items() if name not in self.unread}


def calls(comparison: Comparison, findings: Findings) -> dict[str, Call]:
    """The call of each finding, by the name it has in :class:`Findings`."""
    found: dict[str, Call] = {}
    if (noise := findings.noise) is not None:
        others = noise.replicates.ids[1:] if noise.replicates else ()
        drawn = {"draws": len(noise.draws), "seed": noise.seed} if len(noise.draws) else {}
        found["noise"] = Call("noise", {**drawn, **({"replicates": others} if others else {})})
    found |= probe_calls(comparison.text, findings)
    if (one := findings.attribution) is not None:
        found["attribution"] = Call("attribution", {"method": one.method, **answered(one.readout)})
    if (two := findings.erasure) is not None:
        draws = {"draws": len(two.random_only["tuned"]), "seed": two.seed}
        found["erasure"] = Call("erasure", {"erasing": two.erasing, **draws, **answered(two.readout)})
    if findings.zeroing is not None:
        found["zeroing"] = Call("value_zeroing")
    if (three := findings.patching) is not None:
        found["patching"] = Call("patching", {"what": three.what, **answered(three.readout)})
    if (four := findings.ablation) is not None:
        found["ablation"] = Call("ablation", {"how": four.how, **answered(four.readout)})
    return found


def probe_calls(compared: str, findings: Findings) -> dict[str, Call]:
    """The calls of probes; with a text other than the compared one what belongs to that is left out of the reading."""

    def other(asked: str) -> tuple[str | None, frozenset[str]]:
        return (None, frozenset()) if asked == compared else (asked, frozenset({"text_pair", "target"}))

    found: dict[str, Call] = {}
    if (patterns := findings.patterns) is not None:
        changed = patterns.thresholds.changed()
        options: dict[str, Any] = {"thresholds": changed} if changed else {}
        found["patterns"] = Call("probes.patterns", options, by_report=not changed)
    if (meant := findings.coreference) is not None:
        asked = meant.source.text
        text, unread = other(asked)
        named = [numbered(asked, one.text, one.start) for one in meant.candidates]
        options = {"pronoun": numbered(asked, meant.pronoun.text, meant.pronoun.start), "candidates": named}
        options |= {} if meant.correct is None else {"correct": named[meant.correct]}
        unread |= {"generate", "attention"} if text else set()
        found["coreference"] = Call("probes.coreference", options, text, unread=unread, by_report=False)
    if (sentences := findings.coreference_many) is not None:
        ours = is_built_in(sentences)
        alone = frozenset(Reading.__annotations__) - (set() if ours else {"level", "chat"})
        found["coreference_many"] = Call(
            "probes.coreference_of_many", items=sentences.items, built_in=ours, unread=alone, by_report=False
        )
    if (bias := findings.bias) is not None:
        text, unread = other(bias.source.text)
        options = _grouped(bias)
        plain = not options and text is None
        found["bias"] = Call("probes.bias", options, text, unread=unread | {"generate", "level"}, by_report=plain)
    if (texts := findings.bias_many) is not None:
        unread = frozenset({"text_pair", "target", "generate", "level"})
        found["bias_many"] = Call(
            "probes.bias_of_many", _grouped(texts), texts=texts.texts, unread=unread, by_report=False
        )
    if findings.reach is not None:
        found["reach"] = Call("reach")
    return found


def _grouped(found: Bias | BiasOfMany) -> dict[str, Any]:
    """The groups that are not the usual ones, and the answer where one was named."""
    own = {} if found.groups == DEFAULT else {"groups": {name: list(words) for name, words in found.groups.items()}}
    return own | (answered(found.readout) if found.readout and found.sought else {})


def answered(readout: Readout) -> dict[str, Any]:
    """The answer that was asked about, and what it is held against."""
    against = {} if readout.against is None else {"against": readout.against}
    return {"answer": readout.answer, **against}
