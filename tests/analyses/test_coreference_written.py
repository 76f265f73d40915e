"""Items of coreference as objects of JSON: what is read is what was written, and what is wrong is named."""

import json

import pytest

from attncompare.analyses.coreference_items import Item, read_winobias
from attncompare.analyses.coreference_written import MOST_VALUES, items_of, written
from attncompare.analyses.winograd import SENTENCES
from attncompare.errors import BadInput

VASE = {
    "text": "It rained when the vase was put into the box, so the vase was sold when it broke.",
    "pronoun": "it",
    "candidates": ["vase@2", "box"],
    "correct": "vase@2",
}
TROPHY = {"text": SENTENCES[0].text, "pronoun": "it", "candidates": ["trophy", "suitcase"], "correct": "trophy"}


def test_built_in_sentences_and_files_come_back_through_json(tmp_path):
    path = tmp_path / "pro_stereotyped.txt"
    path.write_text("[The developer] saw that [he] liked the designer.\n[The cook] knew the cook [she] saw.\n")
    items = (*(sentence.item for sentence in SENTENCES), *read_winobias(path).items)
    objects = json.loads(json.dumps([written(item) for item in items]))
    assert items_of(objects) == items
    assert objects[0] == {**TROPHY, "group": "twin 1"}
    assert objects[-1]["labels"] == {"stereotype": "pro", "gender": "female"}


def test_words_that_do_not_name_their_place_are_written_as_characters():
    inside = Item("The box, a boxing box: it fell.", (23, 25), ((4, 7), (11, 14)), 1, "a")
    object = written(inside)
    assert object["candidates"] == ["box@1", [11, 14]]
    assert object["correct"] == [11, 14]
    assert items_of([object]) == (inside,)


def test_places_are_those_of_the_words_and_each_stands_for_itself():
    first, second = items_of([{**VASE, "labels": {"gender": "neutral"}}, TROPHY])
    assert first.text[slice(*first.candidates[0])] == "vase"
    assert first.candidates[0][0] == VASE["text"].rindex("vase")
    assert first.correct == 0
    assert (first.labels, second.labels) == ((("gender", "neutral"),), ())
    assert first.group != second.group


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "Expected items to be a list of objects with text, pronoun, candidates, correct"),
        (TROPHY, "Expected items to be a list"),
        ("text", "Expected items to be a list"),
        (None, "got None"),
        ([TROPHY, 3], "Item 2: Expected an object with text"),
        ([TROPHY, {"text": "It is."}], "Item 2: There is no pronoun: give"),
        ([{**TROPHY, "answer": 1}], "Item 1: There is no 'answer' in an item"),
        ([{**TROPHY, "text": " "}], "Item 1: Expected text to be a sentence"),
        ([{**TROPHY, "pronoun": "she"}], "Item 1: The pronoun 'she' is not in the text"),
        ([{**TROPHY, "candidates": "trophy"}], "Item 1: Expected 2 to 10 candidates"),
        ([{**TROPHY, "candidates": ["trophy", [4, 7]]}], "Item 1: .* overlap"),
        ([{**TROPHY, "correct": "brown"}], "Item 1: .* is none of ‘trophy’ and ‘suitcase’"),
        ([{**TROPHY, "correct": None}], "Item 1: Expected correct to be one of the candidates"),
        ([{**TROPHY, "group": 3}], "Item 1: Expected group to be a string"),
        ([{**TROPHY, "labels": ["a"]}], "Item 1: Expected labels to be an object"),
        ([{**TROPHY, "labels": {"a": "x" * 41}}], "Item 1: Expected labels to be an object"),
        ([{**TROPHY, "labels": {"a": str(n)}} for n in range(MOST_VALUES + 1)], "‘a’ with 13 values"),
        ([{**TROPHY, "labels": dict.fromkeys("abcdef", "x")}], "The items have 6 labels"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(items, said):
    with pytest.raises(BadInput, match=said) as raised:
        items_of(items)
    assert "\n" not in str(raised.value)
