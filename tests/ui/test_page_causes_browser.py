"""The tabs *What the output rests on* and *Does it matter* in a real browser."""

from attncompare.attention import unheard
from attncompare.ui.work import turn
from tests.ui.visiting import Visit

TEXT = "A dull film."
PARTS = {"rests": ("attribute", "erase", "zero"), "matters": ("swap", "ablate")}
PICTURES = {
    "attribute": ("attribution", "overlay", "agreement"),
    "erase": ("erasure",),
    "zero": ("value-zeroing",),
    "swap": ("scatter", "patching"),
    "ablate": ("ablation",),
}
NAMES = {"rests": "What the output rests on", "matters": "Does it matter"}


def opened(visit: Visit, tab: str) -> None:
    visit.tab.get_by_role("tab", name=NAMES[tab]).click()


def said(visit: Visit, part: str, words: str) -> None:
    """Wait until a part's status says the words."""
    visit.tab.wait_for_function(
        "([part, words]) => document.querySelector(`#${part}-status`)?.innerText.includes(words)", arg=[part, words]
    )


def errors_cancelling_and_a_new_comparison(visit: Visit, tab: str) -> None:
    """What was found stays, and so does what was typed, until there is another comparison."""
    first = PARTS[tab][0]
    picture = f"#{PICTURES[first][0]}"
    kept = visit.source(picture)
    visit.tab.fill(f"#{tab}-wanted input", "spam")
    visit.tab.press(f"#{tab}-wanted input", "Enter")
    said(visit, first, "no class 'spam'")
    assert visit.tab.get_attribute(f"#{first}-status [role]", "role") == "alert"
    visit.tab.fill(f"#{tab}-wanted input", "positive")
    with turn(unheard):  # somebody else's comparison
        for part in PARTS[tab]:
            visit.tab.click(f"#{part}")
        for part in PARTS[tab]:
            said(visit, part, "waiting")
            assert visit.tab.is_disabled(f"#{part}")
            visit.tab.click(f"#no-{part}")
        for part in PARTS[tab]:
            said(visit, part, "Cancelled")
            assert visit.tab.is_enabled(f"#{part}")
    visit.tab.wait_for_timeout(300)
    assert visit.source(picture) == kept
    visit.compare("Another text has another answer.")
    visit.tab.wait_for_selector(picture, state="hidden")
    assert visit.tab.inner_text(f"#{first}-status") == ""
    assert visit.tab.input_value(f"#{tab}-wanted input") == "positive"
    assert visit.complaints == []


def test_what_the_output_rests_on_is_found_when_asked(visit: Visit) -> None:
    opened(visit, "rests")
    assert "Press Compare" in visit.tab.inner_text("[role=tabpanel]:visible")
    visit.compare(TEXT)
    assert "300 forward passes of 6 tokens" in visit.tab.inner_text("#attribute-estimate")
    for part in PARTS["rests"]:
        visit.tab.click(f"#{part}")
        for picture in PICTURES[part]:
            visit.tab.wait_for_selector(f"#{picture} img[alt]:not([alt=''])")
        assert visit.tab.is_enabled(f"#{part}")
    assert "borrowed" in visit.tab.inner_text("#attribution-answer")
    assert "random" in visit.tab.inner_text("#erasure-answer")
    before = visit.source("#overlay")
    with turn(unheard):  # somebody else has the models
        visit.tab.click("#over label:has-text('Rollout')")
        visit.changed("#overlay", before)
        before = visit.source("#overlay")
        visit.tab.click("#over label:has-text('One head')")
        visit.changed("#overlay", before)
        before = visit.source("#overlay")
        visit.tab.fill("#over-layer input", "L1")
        visit.tab.keyboard.press("Enter")
        visit.changed("#overlay", before)
    for row, kind, name in (
        ("agreement-of-heads", "csv", "attribution-heads.csv"),
        ("attention-beside-attribution", "png", "overlay-head.png"),
        ("erasure", "json", "erasure.json"),
        ("value-zeroing", "csv", "value-zeroing.csv"),
    ):
        with visit.tab.expect_download() as download:
            visit.tab.click(f"#take-{row} [data-kind={kind}]")
        assert download.value.suggested_filename == name
    visit.fits()
    errors_cancelling_and_a_new_comparison(visit, "rests")


def test_whether_it_matters_is_tested_when_asked(visit: Visit) -> None:
    visit.compare(TEXT)
    opened(visit, "matters")
    assert "High attention is not an explanation" in visit.tab.inner_text("[role=tabpanel]:visible")
    visit.tab.fill("#matters-wanted input", "positive")
    for part in PARTS["matters"]:
        visit.tab.click(f"#{part}")
        for picture in PICTURES[part]:
            visit.tab.wait_for_selector(f"#{picture} img[alt]:not([alt=''])")
    assert "logit(positive)" in visit.tab.inner_text("#patching-answer")
    assert "needs" in visit.tab.inner_text("#ablation-answer strong")
    assert visit.tab.is_hidden("#references")
    visit.tab.click("#off label:has-text('Its mean')")
    visit.tab.fill("#references textarea", "A warm picture.")
    visit.tab.click("#ablate")
    visit.tab.wait_for_function("document.querySelector('#ablation-answer').innerText.includes('its mean')")
    with visit.tab.expect_download() as download:
        visit.tab.click("#take-swapped-heads [data-kind=csv]")
    assert download.value.suggested_filename == "patching.csv"
    visit.fits()
    errors_cancelling_and_a_new_comparison(visit, "matters")
