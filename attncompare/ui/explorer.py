"""One head in both models: maps, token lines of both in one picture, and all heads as thumbnails. Drawn in the browser.

Knows nothing about models or files: whoever gives it a value has made one.
"""

import gradio as gr
import numpy as np

from attncompare.plots import colors
from attncompare.ui.files import script

SCRIPTS = ("words", "maps", "pictures", "lines", "thumbs", "explorer")
"""Of ``assets/js``, in the order in which they are read."""

_MAP = """<figure data-part="{name}" class="{name}"><figcaption>{title}</figcaption>
<div class="plot"><svg aria-hidden="true"></svg>
<div class="cells">
<canvas width="0" height="0" role="img" aria-label="Map of {name}"></canvas></div>
<div class="mark chosen" hidden></div><div class="mark at" hidden></div></div>
<div class="bar" aria-hidden="true"><canvas></canvas>
<span class="end"></span><span>{meaning}</span><span class="end"></span></div>
</figure>"""

_SHARE = "share of a query's attention"

_MAPS = "".join(
    _MAP.format(name=name, title=title, meaning=meaning)
    for name, title, meaning in (
        ("base", "base", _SHARE),
        ("tuned", "tuned", _SHARE),
        ("delta", "tuned \N{MINUS SIGN} base", "blue lost, red gained"),
    )
)

_TOOLS = """<div class="tools">
<label>Layer <select data-part="layer"></select></label>
<label>Head <select data-part="head"></select></label>
<span class="steps"><button type="button" data-part="previous" aria-keyshortcuts="[">Moved more</button>
<button type="button" data-part="next" aria-keyshortcuts="]">Moved less</button></span>
<span class="hint">Heads in the order of divergence; here the keys <kbd>[</kbd> and <kbd>]</kbd> do the same.</span>
<span class="toggles"><label><input type="checkbox" data-part="mean"> Mean of several heads</label>
<label><input type="checkbox" data-part="sinks"> Hide sinks</label>
<label><input type="checkbox" data-part="words"> Whole words</label></span>
</div>
<div class="tools" data-part="window" hidden><span>The exact part of this long text:</span>
<label>queries from <input type="number" min="0" data-part="from-query"></label>
<label>keys from <input type="number" min="0" data-part="from-key"></label>
<button type="button" data-part="whole">Whole text</button></div>"""

_NAMES = """<div class="token names {side}"><span>{side}</span><span class="number">base</span>
<span class="number">tuned</span><span class="number delta">delta</span></div>"""

_LINES = f"""<section data-part="lines"><h3 data-part="looks">Token lines</h3>
<p class="hint">Point at a token or move with the arrow keys; a click or Enter keeps it,
Esc goes back to the one that is kept.
<span class="of-many">Of the tokens on the other side only the linked are listed; click one to see its links.</span></p>
<p class="legend"><span class="line base"></span> base <span class="line tuned"></span> tuned
<span class="gained">\N{BLACK UP-POINTING TRIANGLE} gained</span>
<span class="lost">\N{BLACK DOWN-POINTING TRIANGLE} lost</span></p>
<p class="wait"></p>
<div class="links"><div class="columns" aria-hidden="true">
{_NAMES.format(side="query")}<span></span>{_NAMES.format(side="key")}</div>
<div class="columns"><div class="queries" role="group" aria-label="Queries"></div><svg aria-hidden="true"></svg>
<div class="keys" role="group" aria-label="Keys"></div></div></div></section>"""

_THUMBS = """<section data-part="thumbs"><h3>All heads</h3>
<fieldset class="kinds"><legend class="hint">Show</legend>
<label><input type="radio" name="thumbs" value="base"> base</label>
<label><input type="radio" name="thumbs" value="tuned"> tuned</label>
<label><input type="radio" name="thumbs" value="delta" checked> delta</label></fieldset>
<p class="hint">Click one to open it. Deltas share one scale; base and tuned have one for each head.</p>
<div class="scroll"><div class="grid" role="group" aria-label="All heads, layers down">
<canvas aria-hidden="true"></canvas></div></div>
</section>"""

SKELETON = f"""<section class="one-head" data-state="empty" aria-label="One head in both models">
<p class="nothing">Nothing compared yet: one head's attention in both models will stand here.</p>
<div class="filled"><h2 data-part="title">One head, two models</h2><p data-part="moved" class="moved"></p>
{_TOOLS}
<p class="failed" role="alert">The maps could not be fetched. <button type="button" data-part="again">Try again</button></p>
<div class="maps" data-part="maps">{_MAPS}</div>
<p class="read" data-part="read"></p>
<p class="hint"><span data-part="said"></span> <span data-part="status" role="status"></span></p>
<div class="below">{_LINES}{_THUMBS}</div></div></section>"""
"""What stands in the page before there is data; data only ever comes in through the script."""


def explorer() -> gr.HTML:
    """The component. Its value is a payload: the names of tokens and heads, and where the file of all heads is.

    Where a head's numbers are rounded or not in that file, it fires ``exact_head`` with ``{row, head, queries, keys}`` and
    waits for an update of its property ``exact``, the same with ``file`` and ``visible``.
    """
    return gr.HTML(
        html_template=SKELETON,
        js_on_load="\n".join(script(name) for name in SCRIPTS),
        apply_default_css=False,
        elem_id="one-head",
        colors={"sequential": _table(colors.SEQUENTIAL), "diverging": _table(colors.DIVERGING)},
        exact=None,
    )


def _table(scale: colors.Colormap) -> list[list[int]]:
    """256 colours as red, green and blue from 0 to 255."""
    table: list[list[int]] = scale(np.linspace(0, 1, 256), bytes=True)[:, :3].tolist()
    return table
