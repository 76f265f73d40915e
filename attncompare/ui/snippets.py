"""Ready-made code for a question: the Python package, a running page from Python and JavaScript, and curl.

Texts and ids are strangers': each language's own quoting holds them, and nothing is put together by hand. Characters that a
reader can't see, such as direction marks, stand as escapes, so that code is what it looks like.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from attncompare.models.generation import Generation
from attncompare.report.code import python_value
from attncompare.ui.questions import Question

ANALYSES: dict[str, tuple[str, str, str]] = {
    "compare": ("Every head compared", "compare", "heads"),
    "head": ("The open head", "head_maps", "head"),
    "rollout": ("Rollout", "rollout", "rollout"),
    "reach": ("How far heads look", "reach", "reach"),
    "patterns": ("Patterns", "probes.patterns", "pattern_classes"),
    "coreference": ("Whom a pronoun looks at", "probes.coreference", "coreference"),
    "coreference_of_many": ("Pronouns in many sentences", "probes.coreference_of_many", "coreference_many"),
    "bias": ("Groups of words", "probes.bias", "bias"),
    "bias_of_many": ("Groups of words in many texts", "probes.bias_of_many", "bias_many"),
    "noise": ("The yardstick", "noise", "noise"),
    "attribution": ("Attribution", "attribution", "attribution"),
    "erasure": ("Erasure", "erasure", "erasure"),
    "patching": ("Heads swapped", "patching", "patching"),
    "ablation": ("Heads switched off", "ablation", "ablation"),
    "value_zeroing": ("Value zeroing", "value_zeroing", "rollout"),
}
"""Of each endpoint what it is called, the function of the package that does the same, and the picture of what it gives."""

ASKED = {"coreference_of_many": "items", "bias_of_many": "texts"}
"""Of analyses of many texts the option that holds what they are asked about, in place of a text."""

LONGEST_ARGUMENT = 100_000
"""Bytes of one argument of a command; Linux takes 128 KiB, and what is longer goes to curl as a document."""

_POSITIONS = ("layer", "head")

_BUILT_IN = "items = [sentence.item for sentence in attncompare.probes.SENTENCES]"


@dataclass(frozen=True, slots=True)
class Call:
    """One analysis of one question."""

    asked: Question
    analysis: str = "compare"
    """One of :data:`ANALYSES`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What is asked of the analysis beyond its defaults, by the names of its endpoint; values are JSON."""

    @property
    def payload(self) -> dict[str, Any]:
        """Arguments of the endpoint, as JSON values."""
        text = {} if self.analysis in ASKED else {"text": self.asked.text}
        found = {"base": self.asked.base, "tuned": self.asked.tuned, **text, **self.options}
        reading = {name: _plain(value) for name, value in self.asked.reading.items()}
        return {**found, **({"reading": reading} if reading else {})}


def python(call: Call) -> str:
    """With the package itself."""
    _, function, picture = ANALYSES[call.analysis]
    ids = [call.asked.base or None, call.asked.tuned or None]
    pair = "" if ids == [None, None] else ", ".join(map(repr, ids))
    places = [repr(call.options[name]) for name in _POSITIONS if name in call.options]
    about = ASKED.get(call.analysis, "text")
    options = {name: value for name, value in call.options.items() if name not in (*_POSITIONS, about)}
    trainings = options.pop("replicates", None)
    given = [
        *places,
        *(f"{name}={python_value(name, value)}" for name, value in {**options, **call.asked.reading}.items()),
    ]
    lines = [
        "import attncompare",
        "from attncompare import plots",
        "",
        f"pair = attncompare.load_pair({pair})",
    ]
    if trainings:
        first = repr(call.asked.base or None)
        given.append("replicates=others")
        lines.append(f"others = [attncompare.load_pair({first}, tuned) for tuned in {trainings!r}]")
    lines += [
        _given(call, about),
        f"found = attncompare.{function}({', '.join(['pair', about, *given])})",
        "print(found.frame())  # found.to_dict() has everything as JSON values",
        f'with open("{picture}.png", "wb") as file:',
        f"    file.write(plots.png(plots.{picture}(found)))",
    ]
    return "\n".join(lines) + "\n"


def _given(call: Call, about: str) -> str:
    """The line or lines that say what is asked about."""
    if about == "text":
        return f"text = {call.asked.text!r}"
    if about not in call.options:
        return _BUILT_IN
    many = _listed(call.options[about])
    return f"items = attncompare.probes.items_of({many})" if about == "items" else f"{about} = {many}"


def _listed(values: Any, indent: str = "") -> str:
    """A list, one of it a line."""
    lines = "".join(f"{indent}    {one!r},\n" for one in values)
    return f"[\n{lines}{indent}]"


def client(call: Call, address: str) -> str:
    """With ``gradio_client`` and a page that is running at ``address``."""
    many = ASKED.get(call.analysis)
    written = {name: _listed(value, "    ") if name == many else repr(value) for name, value in call.payload.items()}
    given = "".join(f"    {name}={value},\n" for name, value in written.items())
    return (
        "from gradio_client import Client\n\n"
        f"client = Client({address!r})\n"
        f"numbers, *pictures = client.predict(\n{given}    api_name={'/' + call.analysis!r},\n)\n"
        "print(numbers)  # a dict; pictures are paths of PNG files\n"
    )


def javascript(call: Call, address: str) -> str:
    """With ``@gradio/client``."""
    return (
        'import { Client } from "@gradio/client"\n\n'
        f"const client = await Client.connect({_json(address)})\n"
        f"const found = await client.predict({_json('/' + call.analysis)}, {_json(call.payload, indent=2)})\n"
        "const [numbers, ...pictures] = found.data\n"
        "console.log(numbers, pictures.map(picture => picture.url))\n"
        "// In Node the connection stays open: end the script with process.exit().\n"
    )


def curl(call: Call, address: str) -> str:
    """With curl, in two steps: the question gives a number, under which the answer is a stream of events."""
    root = address.rstrip("/") + "/gradio_api/call"
    payload, cut = _json(call.payload), "cut -d '\"' -f 4"
    data = f"{shlex.quote(payload)} | {cut})"
    if len(payload.encode()) > LONGEST_ARGUMENT:
        data = f"@- <<'JSON' | {cut}\n{payload}\nJSON\n)"  # one line, which is never JSON alone
    return (
        f"event=$(curl -s {shlex.quote(f'{root}/v2/{call.analysis}')} -H 'Content-Type: application/json' \\\n"
        f"  -d {data}\n"
        f'curl -sN {shlex.quote(f"{root}/{call.analysis}")}/"$event"\n'
    )


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Generation) else value


def _json(value: Any, indent: int | None = None) -> str:
    return "".join(_seen(json.dumps(value, ensure_ascii=False, indent=indent)))


def _seen(text: str) -> Iterator[str]:
    """The characters of JSON, those that can't be seen as escapes: they stand in strings only, apart from line ends."""
    for character in text:
        if character.isprintable() or character == "\n":
            yield character
        else:
            yield json.dumps(character)[1:-1]
