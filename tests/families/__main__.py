"""Measure every model type and write docs/families.md."""

import warnings

import transformers

from tests.families.table import write

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
write()
