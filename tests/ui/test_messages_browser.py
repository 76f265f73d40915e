"""What the server says reaches the page, whatever was asked at which moment."""

from typing import Any

from tests.ui.conftest import Served
from tests.ui.visiting import Visit

LATE_END = """
const real = window.fetch
let held = false, taken = () => {}
window.fetch = async (...asked) => {
  const url = String(asked[0].url ?? asked[0])
  const answer = await real(...asked)
  if (url.includes('/queue/join')) setTimeout(taken, 300)
  if (!url.includes('/queue/data')) return answer
  const words = new TextDecoder()
  const late = new TransformStream({ async transform(chunk, out) {
    if (!held && words.decode(chunk).includes('close_stream')) {
      held = true
      document.querySelector('#compare').click()
      await new Promise(then => { taken = then })
      document.documentElement.dataset.late = 'yes'
    }
    out.enqueue(chunk)
  } })
  return new Response(answer.body.pipeThrough(late), { headers: answer.headers })
}
"""
"""Compare is pressed, and taken by the server, while the end of the first stream of messages is on its way."""


def test_a_question_asked_while_a_stream_ends_is_answered(browser: Any, page: Served) -> None:
    visit = Visit(browser, page.url, script=LATE_END)
    visit.tab.wait_for_selector("[data-late]")
    visit.tab.wait_for_selector("#heads img", state="attached")
    assert visit.complaints == []
    visit.context.close()
