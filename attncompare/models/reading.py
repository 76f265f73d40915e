"""What both models read: a text, a sentence pair, a chat, a text and its continuation, or a source and its target.

Every option is judged here, before a model runs; each side reads with its own tokenizer. Knows nothing about attention
maps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypedDict, get_args

from attncompare.attention import AttentionKind, Progress
from attncompare.errors import BadInput
from attncompare.models.chat import chat_prompt
from attncompare.models.continued import extended, reread, spelled, without_end
from attncompare.models.generation import Continuation, Generation, bare, cannot_generate, continuation
from attncompare.models.pair import Pair, Side
from attncompare.models.targets import read_target, start_token, with_decoder
from attncompare.models.tokens import Encoding, encode, mark_sinks, require_same_tokens, sink_positions, too_long
