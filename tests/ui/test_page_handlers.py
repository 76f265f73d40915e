"""The page's handlers, called as plain functions with the embedded pair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from attncompare import METRICS, Comparison
from attncompare.models.checkpoint import any_folder
from attncompare.ui import changed, flow, header
from attncompare.ui.files import asset, examples, numbers, table
from attncompare.ui.questions import MAX_CHARACTERS, Answer, Question, failure, question
from attncompare.ui.verdict import CAUTIONS, verdict_html

from .conftest import NEGATION, is_png
