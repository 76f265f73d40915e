"""The page: header, state, tabs in the order of the screen, endpoints."""

import logging
import os
import threading

import gradio as gr

from attncompare import plots
from attncompare.attention import unheard
from attncompare.models.checkpoint import any_folder, page_policy
from attncompare.ui.cause_endpoints import cause_endpoints
from attncompare.ui.changed import changed_tab
from attncompare.ui.code import code_tab
from attncompare.ui.distance import distance_tab
from attncompare.ui.endpoints import endpoints
from attncompare.ui.files import examples
from attncompare.ui.flow import flow_tab
from attncompare.ui.header import header
from attncompare.ui.matters import matters_tab
from attncompare.ui.noise import noise_tab
from attncompare.ui.questions import ask_comparison, question
from attncompare.ui.rests import rests_tab
from attncompare.ui.several import several_tab
from attncompare.ui.states import States

CACHE_SECONDS = (3600, 7200)
"""How often pictures and tables are swept, and how old they grow."""

HOW_TO_READ = """
- A **row** of attention is one token looking at the others; it sums to 1. Hatched cells are masked: the token may not look
  there.
- **Divergence** is the Jensen-Shannon divergence of a head's rows in base and tuned, in bits: 0 is no change, 1 is rows
  that have nothing in common. It is a mean over the rows of this one text.
- **Delta** is always tuned minus base: red gained attention, blue lost it.
- **Sinks** are tokens such as [CLS], [SEP] or the first one, where attention goes that has nothing better to do. Mass that
  moves to or from a sink often changes little; mass that moves between content tokens is the part to look at.
- **Tokens, units, words.** Models whose tokenizers differ are compared by the stretches of text that both share; words can
  be asked for. Merging tokens changes the numbers, so compare them only with others of the same kind.
- **High attention is not an explanation.** A head can look hard at a token that it copies nothing from, and a head that
  moved far need not matter to the answer. Pictures of attention say what changed, not why, nor that it mattered. *Does it
  matter* puts that to the test: heads are swapped between the models, and the answer watched.
- **Attribution** says by how much each token moves the answer, measured against a baseline; another baseline gives other
  numbers. Where a head's attention agrees with it, the head looks where the answer rests, which is no proof that it is why.
- **Borrowed head.** A base without a head for the task answers under the tuned model's. Its order of tokens or heads can be
  compared with the tuned model's; the sizes of its numbers can not.
- **Floors** say what a divergence would be without any training: the same weights in other arithmetic, and random changes of
  the weights that are as large as the tuning's. A head that stays within them has shown nothing. A random change is not
  another training run: what differs between trainings (seeds) is the better yardstick, where there are some.
- **One text is an anecdote.** A head that stands above its floor on this text need not on another: try others.
"""


def build(*, loopback: bool = False) -> gr.Blocks:
    """The page, with no model loaded. ``loopback``: only the person who starts it can reach it, so folders may be opened."""
    local = page_policy(loopback, os.environ)
    with gr.Blocks(title="attncompare", analytics_enabled=False, delete_cache=CACHE_SECONDS) as demo:
        states = States()
        header(states, local, demo.load)
        with gr.Tabs(overflow_behavior="wrap"):
            changed_tab(states, local)
            flow_tab(states, local)
            distance_tab(states, local)
            rests_tab(states, local)
            matters_tab(states, local)
            noise_tab(states, local)
            several_tab(states, local)
            code_tab(states)
        with gr.Accordion("How to read this", open=False, elem_id="how"):
            gr.Markdown(HOW_TO_READ)
        endpoints(local)
        cause_endpoints(local)
    return demo.queue(api_open=False, max_size=64)


def warm_up() -> threading.Thread:
    """Answer the first example in the background, so that the first visitor waits for no model and no font."""

    def body() -> None:
        try:
            answer = ask_comparison(question("", "", examples()[0]["text"]), any_folder, unheard)
            for figure in (plots.heads(answer.comparison), plots.head(answer.comparison.head(*answer.first))):
                plots.png(figure)
        except Exception:  # the page serves other pairs all the same, and tells whoever asks for this one
            logging.getLogger("attncompare.ui").warning("the embedded pair could not be prepared", exc_info=True)

    thread = threading.Thread(target=body, name="attncompare-warm-up", daemon=True)
    thread.start()
    return thread
