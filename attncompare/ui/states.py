"""What the page knows of a visitor's session: the latest answer, and everything found about it since.

Tabs share states and nothing else: none touches another tab's widgets. Records are small and frozen; models and traces stay
in the bounded caches of :mod:`attncompare.models`.
"""

from dataclasses import dataclass, field

import gradio as gr


@dataclass(frozen=True)
class States:
    """One state for each record; every one but the answers is None until it was measured, and again with a new answer."""

    answer: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.ui.questions.Answer`."""
    settled: gr.State = field(default_factory=gr.State)
    """The same, once the tab that is open after Compare shows it: the other tabs go by it, so nobody waits for them."""
    noise: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.noise.Noise`, the yardstick."""
    reach: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.distance.Reach`."""
    patterns: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.pattern_record.PatternClasses`."""
    attribution: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.attribution.Attribution`."""
    erasure: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.erasure.Erasure`."""
    zeroing: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.routes.Routes` by value zeroing."""
    patching: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.patching.Patching`."""
    ablation: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.ablation.Ablation`."""
    bias: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.bias_record.Bias`."""
    bias_many: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.bias_many_record.BiasOfMany`."""
    coreference: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.coreference_record.Coreference`."""
    coreference_many: gr.State = field(default_factory=gr.State)
    """:class:`~attncompare.analyses.coreference_accuracy.CoreferenceMany`."""
