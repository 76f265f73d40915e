// No event of the page may wait for ever. The server ends a stream of messages when all events are answered, and gradio's
// client opens another with the next event, unless it takes one for open. That it does until it has read its end: an event
// that was taken meanwhile is answered on no stream, and its button stays dead. So the client hears that an event was taken
// only when the open stream has said something of it, as it does at once, or has ended.
const SILENT_MS = 2000
const LONGEST_ID = 100
const ask = window.fetch
let stream = null

function opened(signal) {
  const here = { events: new Set(), ended: false, waiting: new Set() }
  here.tell = () => { for (const look of here.waiting) look() }
  signal.addEventListener('abort', () => { // the client's way to end it
    here.ended = true
    here.tell()
  })
  return here
}

function overheard(here, answer) {
  const words = new TextDecoder()
  let said = ''
  const listening = new TransformStream({ transform(chunk, out) {
    said = said.slice(-LONGEST_ID) + words.decode(chunk, { stream: true })
    for (const [, event] of said.matchAll(/"event_id":"(\w+)"/g)) here.events.add(event)
    here.tell()
    out.enqueue(chunk)
  } })
  return new Response(answer.body.pipeThrough(listening), { status: answer.status, headers: answer.headers })
}

async function known(here, answer) {
  if (here.ended || !answer.ok) return
  const { event_id } = await answer.clone().json()
  let look
  await new Promise(go => {
    look = () => { if (here.ended || here.events.has(event_id)) go() }
    here.waiting.add(look)
    setTimeout(go, SILENT_MS)
    look()
  })
  here.waiting.delete(look)
}

window.fetch = async (...asked) => {
  const url = String(asked[0].url ?? asked[0])
  const signal = asked[0].signal ?? asked[1]?.signal
  if (url.includes('/queue/data?') && signal) {
    const here = stream = opened(signal)
    return overheard(here, await ask(...asked))
  }
  const answer = await ask(...asked)
  if (url.includes('/queue/join') && stream) await known(stream, answer)
  return answer
}
