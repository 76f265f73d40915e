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
from attncompare.ui.endpoints import endpoints
from attncompare.ui.files import examples
from attncompare.ui.flow import flow_tab
from attncompare.ui.header import header
from attncompare.ui.help import help_part
from attncompare.ui.matters import matters_tab
from attncompare.ui.noise import noise_tab
from attncompare.ui.probe_endpoints import probe_endpoints
from attncompare.ui.probes import probes_tab
from attncompare.ui.questions import ask_comparison, question
from attncompare.ui.rests import rests_tab
from attncompare.ui.several import several_tab
from attncompare.ui.states import States

CACHE_SECONDS = (3600, 7200)
"""How often pictures and tables are swept, and how old they grow."""


def build(*, loopback: bool = False) -> gr.Blocks:
    """The page, with no model loaded. ``loopback``: only the person who starts it can reach it, so folders may be opened."""
    local = page_policy(loopback, os.environ)
    with gr.Blocks(title="attncompare", analytics_enabled=False, delete_cache=CACHE_SECONDS) as demo:
        states = States()
        header(states, local, demo.load)
        with gr.Tabs(overflow_behavior="wrap"):
            changed_tab(states, local)
            flow_tab(states, local)
            probes_tab(states, local)
            rests_tab(states, local)
            matters_tab(states, local)
            noise_tab(states, local)
            several_tab(states, local)
            code_tab(states)
        help_part(states, local)
        endpoints(local)
        cause_endpoints(local)
        probe_endpoints(local)
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
