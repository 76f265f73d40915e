"""What has been found about a text so far, each part by itself or not at all."""

from dataclasses import dataclass, fields

from attncompare.analyses.ablation import Ablation
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.coreference_accuracy import CoreferenceMany
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.distance import Reach
from attncompare.analyses.erasure import Erasure
from attncompare.analyses.maps import HeadMaps
from attncompare.analyses.noise import Noise
from attncompare.analyses.patching import Patching
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.analyses.routes import Routes
from attncompare.errors import BadInput


@dataclass(frozen=True, eq=False)
class Findings:
    """Beside a comparison; None where nothing was measured."""

    noise: Noise | None = None
    reach: Reach | None = None
    patterns: PatternClasses | None = None
    coreference: Coreference | None = None
    """Of this text or another one."""
    coreference_many: CoreferenceMany | None = None
    bias: Bias | None = None
    """Of this text or another one."""
    bias_many: BiasOfMany | None = None
    attribution: Attribution | None = None
    erasure: Erasure | None = None
    zeroing: Routes | None = None
    """By value zeroing."""
    patching: Patching | None = None
    ablation: Ablation | None = None
    maps: tuple[HeadMaps, ...] = ()
    """Heads to show; without any, those that moved most, as far as the models' trace is still there."""

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the parts that there are."""
        return tuple(one.name for one in fields(self) if one.name != "maps" and getattr(self, one.name) is not None)

    def belonging_to(self, comparison: Comparison) -> Comparison:
        """The comparison beside its noise, once it is known that all of this was found about the same.

        Raises:
            BadInput: something was found about another pair or, but for probes that have a text of their own, about another
                text or reading.
        """
        models = comparison.base, comparison.tuned
        for name in ("attribution", "erasure", "patching", "ablation", "patterns"):
            found = getattr(self, name)
            if found is None:
                continue
            source = found.source
            if (source.base, source.tuned, source.text, source.reading) != (
                *models, comparison.text, comparison.reading
            ):  # fmt: skip
                raise _foreign(name, "pair and text")
        for name in ("reach", "zeroing"):
            found = getattr(self, name)
            if found is not None and found.tokens != comparison.tokens:
                raise _foreign(name, "pair and text")
        for name in ("coreference", "bias", "bias_many"):
            found = getattr(self, name)
            if found is not None and (found.source.base, found.source.tuned) != models:
                raise _foreign(name, "pair")
        many = self.coreference_many
        if many is not None and (many.models["base"], many.models["tuned"]) != models:
            raise _foreign("coreference of many", "pair")
        return comparison if self.noise is None else comparison.with_noise(self.noise)


def _foreign(name: str, same: str) -> BadInput:
    return BadInput(f"The {name} was measured for another question: measure it for the same {same}.")
