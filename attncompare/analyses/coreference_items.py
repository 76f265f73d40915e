"""Lists of sentences with a pronoun, two candidates and the right one, read from files in the formats they are published in.

Nothing is downloaded: the files are the reader's own. A line that is in another format is an error that names it; a line
that is in the format but holds no question for two candidates is counted and left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from attncompare.analyses.mentions import Span
from attncompare.analyses.verdict import printable
from attncompare.errors import BadInput

Format = Literal["winobias", "winogender", "gap"]

OCCUPATIONS = (
    "accountant", "analyst", "assistant", "attendant", "auditor", "baker", "carpenter", "cashier", "CEO", "chief", "cleaner",
    "clerk", "construction worker", "cook", "counselor", "designer", "developer", "driver", "editor", "farmer", "guard",
    "hairdresser", "housekeeper", "janitor", "laborer", "lawyer", "librarian", "manager", "mechanic", "mover", "nurse",
    "physician", "receptionist", "salesperson", "secretary", "sheriff", "supervisor", "tailor", "teacher", "writer",
)  # fmt: skip
"""The 40 of WinoBias (Zhao et al. 2018)."""

GENDERS = {
    "male": ("he", "him", "his", "himself"),
    "female": ("she", "her", "hers", "herself"),
    "neutral": ("they", "them", "their", "theirs", "themselves", "themself"),
}

GAP_COLUMNS = (
    "ID", "Text", "Pronoun", "Pronoun-offset", "A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL",
)  # fmt: skip

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"(?:the|a|an)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Item:
    """One question: whom does this pronoun mean?"""

    text: str
    pronoun: Span
    """Characters of the text."""
    candidates: tuple[Span, ...]
    correct: int
    """Which of the candidates is right."""
    group: str
    """Items of one group differ in few words, so what is learnt from one must not be tried on another."""
    labels: tuple[tuple[str, str], ...] = ()
    """What accuracies are also given by: ``("gender", "female")``, ``("stereotype", "pro")``."""


@dataclass(frozen=True, slots=True)
class Items:
    """What a file holds."""

    items: tuple[Item, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    """Lines that hold no question for two candidates, by the reason."""


class _NoQuestion(Exception):
    """A line in the right format that is left out; the message says why."""


def read_items(paths: Sequence[Path], format: Format, occupations: Path | None = None) -> Items:
    """The items of files of one format; ``occupations`` is for WinoBias alone, as :func:`read_winobias` says.

    Raises:
        BadInput: no such format, a file that can't be read, or a line in another format; the sentence names it.
    """
    if format not in get_args(Format):
        raise BadInput(f"There is no format {format!r:.40}: choose one of {', '.join(get_args(Format))}.")
    if occupations is not None and format != "winobias":
        raise BadInput(f"A list of occupations is for winobias; {format} names its candidates itself: leave it out.")
    if not paths:
        raise BadInput("No file was given: name one or more.")
    readers: dict[str, Callable[[Path], Items]] = {
        "winobias": lambda path: read_winobias(path, occupations),
        "winogender": read_winogender,
        "gap": read_gap,
    }
    found = [readers[format](Path(path)) for path in paths]
    left_out = sum((Counter(one.left_out) for one in found), Counter[str]())
    return Items(tuple(item for one in found for item in one.items), dict(left_out))


def read_winobias(path: Path, occupations: Path | None = None) -> Items:
    """Lines such as ``1 [The developer] argued with the designer because [she] did not like the design.``

    The number may be missing. The first bracket that holds no pronoun is the right candidate, the first that does is the
    pronoun; brackets are taken out of the text, and articles out of candidates. The other candidate is not marked in these
    files: it is the first other occupation of the sentence, of WinoBias's 40 or of ``occupations``, a file with one a line.
    Two lines that follow each other are twins, in the pro and the anti file alike. A file name with ``pro_`` or ``anti_``
    labels its items so; the pronoun labels their gender.
    """
    names = OCCUPATIONS if occupations is None else tuple(filter(None, map(str.strip, _lines(occupations))))
    if not names:
        raise BadInput(f"{occupations} names no occupation: give one a line.")
    known = re.compile(
        rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?!\w)", re.IGNORECASE
    )
    name = Path(path).name.lower()
    kind = next((kind for kind in ("anti", "pro") if f"{kind}_" in name), None)
    labels = (("stereotype", kind),) if kind else ()
    part = name.replace("anti_", "").replace("pro_", "")

    def parse(line: str, number: int) -> Item:
        return _bracketed(line, known, f"{part} {(number - 1) // 2}", labels)

    return _read(path, _lines(path), parse, "a sentence with two brackets, [The developer] … [she] …")


def _bracketed(line: str, known: re.Pattern[str], group: str, labels: tuple[tuple[str, str], ...]) -> Item:
    line = re.sub(r"^\d+\s+", "", line)
    text, spans, end = "", [], 0
    for match in _BRACKETS.finditer(line):
        text += line[end : match.start()]
        words = match[1].strip()
        spans.append((len(text), len(text) + len(words)))
        text, end = text + words, match.end()
    text += line[end:]
    pronouns = [span for span in spans if _gender(text[slice(*span)])]
    others = [span for span in spans if span not in pronouns]
    if not pronouns or not others:
        raise ValueError
    start, stop = others[0]
    article = _ARTICLE.match(text[start:stop])
    right = (start + (article.end() if article else 0), stop)
    every = [match.span() for match in known.finditer(text) if match.end() <= start or stop <= match.start()]
    meant = text[slice(*right)].lower()
    different = [span for span in every if text[slice(*span)].lower() != meant]
    if not (different or every):
        raise _NoQuestion("no other occupation")
    candidates = tuple(sorted((right, (different or every)[0])))
    gender = _gender(text[slice(*pronouns[0])])
    return Item(text, pronouns[0], candidates, candidates.index(right), group, (*labels, ("gender", gender)))


def read_winogender(path: Path) -> Items:
    """``all_sentences.tsv``: ``sentid``, a tab, ``sentence``; ids are ``occupation.participant.answer.gender.txt``.

    The answer 0 means the occupation, 1 the participant, who is ``someone`` in half of the sentences. Both are looked for by
    these words, the pronoun by its gender (Rudinger et al. 2018).
    """
    lines = _lines(path)
    if lines and lines[0].split("\t")[:2] == ["sentid", "sentence"]:
        lines[0] = ""
    return _read(path, lines, _schema, "occupation.participant.answer.gender.txt, a tab and a sentence")


def _schema(line: str, number: int) -> Item:
    name, text = line.split("\t")
    occupation, participant, answer, gender, end = name.split(".")
    if end != "txt" or answer not in ("0", "1") or gender not in GENDERS:
        raise ValueError
    pronouns = [span for word in GENDERS[gender] for span in _whole(text, word)]
    first, second = _whole(text, occupation), _whole(text, participant)
    if len(pronouns) != 1 or not first or not second:
        raise _NoQuestion("a word of its id is not in the sentence once")
    labels = (("gender", gender), ("participant", "someone" if participant == "someone" else "named"))
    return Item(text, pronouns[0], (first[0], second[0]), int(answer), occupation, labels)


def read_gap(path: Path) -> Items:
    """GAP's ``.tsv`` with its header (Webster et al. 2018); characters are counted as the file does.

    Snippets whose pronoun means neither name are left out.
    """
    lines = _lines(path)
    if not lines or tuple(lines[0].split("\t")) != GAP_COLUMNS:
        raise BadInput(f"Line 1 of {path} is not what gap begins with: expected the header {', '.join(GAP_COLUMNS)}.")
    lines[0] = ""
    return _read(path, lines, _snippet, "11 columns whose offsets find their words")


def _snippet(line: str, number: int) -> Item:
    cells = dict(zip(GAP_COLUMNS, line.split("\t"), strict=True))
    text, spans = cells["Text"], []
    for name in ("Pronoun", "A", "B"):
        start = int(cells[f"{name}-offset"])
        spans.append((start, start + len(cells[name])))
        if text[slice(*spans[-1])] != cells[name] or not cells[name]:
            raise ValueError
    right = [{"TRUE": True, "FALSE": False}[cells[f"{name}-coref"].upper()] for name in ("A", "B")]
    if sum(right) != 1:
        raise _NoQuestion("the pronoun means neither name" if not any(right) else "both names are right")
    gender = _gender(cells["Pronoun"])
    labels = (("gender", gender),) if gender else ()
    return Item(text, spans[0], (spans[1], spans[2]), right.index(True), cells["ID"], labels)


def _read(path: Path, lines: Sequence[str], parse: Callable[[str, int], Item], expected: str) -> Items:
    """Every line that is not blank."""
    items: list[Item] = []
    left_out: Counter[str] = Counter()
    for number, line in _numbered(lines):
        try:
            items.append(parse(line, number))
        except _NoQuestion as reason:
            left_out[str(reason)] += 1
        except (ValueError, KeyError):
            raise BadInput(
                f"Line {number} of {path} is not in this format: expected {expected}, got {printable(line)!r}."
            ) from None
    if not items:
        raise BadInput(f"{path} holds no item: expected lines with {expected}.")
    return Items(tuple(items), dict(left_out))


def _numbered(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _lines(path: Any) -> list[str]:
    try:
        return Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}; choose another file.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is no text in UTF-8: save it as one, or choose another file.") from None


def _gender(pronoun: str) -> str:
    """Empty for what is no such pronoun."""
    return next((gender for gender, words in GENDERS.items() if pronoun.lower() in words), "")


def _whole(text: str, word: str) -> list[Span]:
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)]
