"""Where characters and words begin in a text: the places between which no unit may be cut.

A character is what a person sees: a letter with its accents, an emoji with its skin tone, a flag, a Hangul syllable written
in parts. Words are runs of letters and digits; every other sign is a word of its own, and so is every character of a
script that puts no spaces between words (Chinese, Japanese, Thai …). A rule of thumb from the Unicode character database,
close to Unicode Standard Annex 29 where texts have spaces. Knows nothing about tokens or models.
"""

import unicodedata
from functools import lru_cache

JOINER = "\u200d"
"""Zero-width joiner: what follows it belongs to what it follows."""

UNSPACED = {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"}
"""First words of the Unicode names of the scripts that are written without spaces."""

INSIDE_WORDS = "'\u2019"
INSIDE_NUMBERS = ".,"


def character_starts(text: str) -> list[bool]:
    """For each code point, whether a character as a person sees it begins there."""
    starts: list[bool] = []
    cluster = ""
    for code in text:
        begins = not cluster or not _belongs(cluster, code)
        cluster = code if begins else cluster + code
        starts.append(begins)
    return starts


def word_starts(text: str) -> list[bool]:
    """For each code point, whether a word, a lone sign or a run of white space begins there.

    >>> [i for i, starts in enumerate(word_starts("It isn't 3.5, 你好!")) if starts]
    [0, 2, 3, 8, 9, 12, 13, 14, 15, 16]
    """
    starts = character_starts(text)
    firsts = [i for i, begins in enumerate(starts) if begins]
    signs = " ", *(text[i] for i in firsts), " "
    for number, at in enumerate(firsts):
        starts[at] = number == 0 or not _one_word(*signs[number - 1 : number + 3])
    return starts


def _belongs(cluster: str, code: str) -> bool:
    """Whether a code point belongs to the character before it."""
    if code.isascii() and code.isprintable():
        return False
    if cluster[-1].isspace() or code.isspace():
        return False
    if cluster[-1] == JOINER or unicodedata.category(code) in ("Mn", "Mc", "Me", "Cf", "Cc"):
        return True
    if "\U0001f3fb" <= code <= "\U0001f3ff":  # skin tones
        return True
    if _regional(code):
        return _regional(cluster)  # two of them make a flag
    return _length(cluster + code) <= _length(cluster)  # Hangul in parts, half-width voicing marks


def _regional(cluster: str) -> bool:
    return len(cluster) == 1 and "\U0001f1e6" <= cluster <= "\U0001f1ff"


@lru_cache(maxsize=4096)
def _length(cluster: str) -> int:
    return len(unicodedata.normalize("NFKC", cluster))


@lru_cache(maxsize=4096)
def _kind(code: str) -> str:
    if code.isspace():
        return "space"
    if not (code.isalnum() or code == "_"):
        return "sign"
    return "unspaced" if unicodedata.name(code, "").split(" ")[0] in UNSPACED else "letter"


def _one_word(before: str, left: str, right: str, after: str) -> bool:
    """Whether two neighbours, ``left`` and ``right``, belong to one word."""
    kinds = _kind(left), _kind(right)
    if kinds in (("letter", "letter"), ("space", "space")):
        return True
    if kinds == ("letter", "sign"):
        return _inside(left, right, after)
    return kinds == ("sign", "letter") and _inside(before, left, right)


def _inside(left: str, sign: str, right: str) -> bool:
    """Whether a sign stands inside a word (isn't) or a number (3.5)."""
    if sign in INSIDE_WORDS:
        return _kind(left) == _kind(right) == "letter"
    return sign in INSIDE_NUMBERS and left.isdigit() and right.isdigit()
