"""The questions that the page and its endpoints ask of probes: patterns, who a word looks at, groups of words."""

from typing import Any

from attncompare.analyses.pattern_classes import PatternClasses, pattern_classes
from attncompare.attention import Progress
from attncompare.metrics.pattern_rules import Thresholds
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.questions import Question, ready


def ask_pattern_classes(
    asked: Question, local: LocalRule, progress: Progress, thresholds: Thresholds
) -> PatternClasses:
    """The class of every head, by these thresholds."""
    with ready(asked, local, progress) as pair:
        how: dict[str, Any] = {"thresholds": thresholds, "progress": progress}
        return pattern_classes(pair, asked.text, **how, **asked.reading)
