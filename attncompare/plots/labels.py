"""Any string as writing that the installed fonts can show, and how wide it is. Knows nothing about attention.

Tokens come from strangers: control and direction marks would change the picture around them, and a missing glyph would
be an empty box. Both are written as ``U+1F600``.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ft2font import LoadFlags

from attncompare.attention import Token
from attncompare.plots.colors import FAINT, INK, NEW

_FAMILY = "DejaVu Sans"  # comes with matplotlib, so pictures look the same everywhere
_FALLBACKS = (
    "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Noto Sans KR", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Emoji",
    "Symbola", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Arial Unicode MS", "PingFang SC",
    "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Segoe UI Symbol",
)  # fmt: skip
_VISIBLE = {" ": "␣", "\u00a0": "␣", "\n": "⏎", "\r": "⏎", "\t": "⇥"}


@cache
def families() -> tuple[str, ...]:
    """Font families to write with: DejaVu Sans, then installed ones that hold scripts it lacks."""
    installed = {font.name for font in fontManager.ttflist}
    return (_FAMILY, *(name for name in _FALLBACKS if name in installed))


@lru_cache(maxsize=16384)
def _advance(character: str, bold: bool) -> float | None:
    """Width of a character in ems; None where no font has it."""
    for family in families():
        # get_font keeps one font object a thread, so it is asked for each time; only the number is kept.
        font = get_font(findfont(FontProperties(family=[family], weight="bold" if bold else "normal")))
        if font.get_char_index(ord(character)):
            return font.load_char(ord(character), LoadFlags.NO_SCALE).horiAdvance / font.units_per_EM
    return None


def _shown(character: str, first: bool) -> str:
    category = unicodedata.category(character)
    # C: control, direction marks, unassigned, lone surrogates. Zl, Zp: line and paragraph separators.
    # A combining mark needs something before it to stand on.
    hidden = category[0] == "C" or category in ("Zl", "Zp") or (first and category[0] == "M")
    if hidden or _advance(character, False) is None:
        return f"U+{ord(character):04X}"
    return character


@lru_cache(maxsize=4096)
def readable(text: str, ems: float = 8.0) -> str:
    """The text so that a reader sees every character of it, cut with … to a width of ``ems``.

    >>> readable(""), readable("\\n"), readable("a\\u202eb")
    ('␣', '⏎', 'aU+202Eb')
    """
    if not text.strip():
        units = [_VISIBLE.get(character) or _shown(character, True) for character in text] or ["␣"]
    else:
        units = [
            _VISIBLE[character] if character in "\n\r\t" else _shown(character, index == 0)
            for index, character in enumerate(text[:400])
        ]
    if width("".join(units)) <= ems:
        return "".join(units)
    kept = ""
    for unit in units:  # a whole escape or none of it
        if width(kept + unit + "…") > ems and kept:
            break
        kept += unit
    return kept + "…"


def tail(text: str, ems: float) -> str:
    """The end of a text that was made readable, cut with … to a width of ``ems``."""
    start = next((i for i in range(len(text)) if width("…" + text[i:]) <= ems), len(text))
    return text if width(text) <= ems else "…" + text[start:]


def width(text: str, points: float = 1.0, dpi: float = 72.0, *, bold: bool = False) -> float:
    """Width of one line: in ems, or in pixels when ``points`` and ``dpi`` are given."""
    advances = (_advance(character, bold) for character in text)
    return sum(1.0 if advance is None else advance for advance in advances) * points * dpi / 72


def widest(texts: Iterable[str], points: float, dpi: float) -> float:
    """Width in pixels of the widest text; 0 for none."""
    return max((width(text, points, dpi) for text in texts), default=0.0)


def wrap(text: str, room: float, points: float, dpi: float, *, bold: bool = False) -> list[str]:
    """The text in lines of at most ``room`` pixels, broken at spaces."""
    done: list[str] = []
    for word in text.split():
        if done and width(f"{done[-1]} {word}", points, dpi, bold=bold) * 1.02 <= room:  # hinting widens some letters
            done[-1] += f" {word}"
        else:
            done.append(word)
    return done


def token_label(tokens: Sequence[Token], index: int, ems: float = 8.0) -> str:
    """A token where it stands alone: with its position when the text holds it more than once."""
    text = readable(tokens[index].text, ems)
    return f"{text} ({index})" if is_repeated(tokens, index) else text


def is_repeated(tokens: Sequence[Token], index: int) -> bool:
    """Whether the text holds this token more than once."""
    return sum(token.text == tokens[index].text for token in tokens) > 1


def is_marked(token: Token) -> bool:
    """Whether labels of this token are grey and italic: special tokens and sinks."""
    return token.special or token.sink


def is_null(token: Token) -> bool:
    """Whether this key is no token at all: the model's null key, which takes what a logit sink leaves of a row."""
    return token.special and not token.raw


def look(token: Token, text: str, faint: str = FAINT) -> dict[str, str]:
    """Text properties of a token's label: grey italic where marked (if the slanted font has it), green where new."""
    slanted = is_marked(token) and text.isascii()
    color = NEW if token.generated else faint if is_marked(token) else INK
    return {"color": color, "fontstyle": "italic" if slanted else "normal"}
