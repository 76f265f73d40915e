"""Everything attncompare raises on purpose: one sentence on what was expected, what came, and what to do.

::

    AttnCompareError            any of them; a ValueError
    ├── BadInput                text, head, metric or folder that cannot be used
    ├── CheckpointError         a checkpoint that cannot be found, reached, trusted or read
    │   └── NotAllowed          a local folder asked for where only hub ids are served
    ├── PairMismatch            two checkpoints that cannot be compared with each other
    ├── UnsupportedModel        a model whose attention cannot be read exactly
    └── TraceGone               a result asked for maps that are no longer kept
"""


class AttnCompareError(ValueError):
    """Base of every error that attncompare raises on purpose."""


class BadInput(AttnCompareError):
    """A text, head, metric or output folder that cannot be used."""


class CheckpointError(AttnCompareError):
    """A checkpoint that cannot be found, reached, trusted or read."""


class NotAllowed(CheckpointError):
    """A local folder asked for where only hub ids are served."""


class PairMismatch(AttnCompareError):
    """Two checkpoints that cannot be compared with each other."""


class UnsupportedModel(AttnCompareError):
    """A model whose attention cannot be read exactly."""


class TraceGone(AttnCompareError):
    """A result asked for maps whose trace is no longer kept."""
