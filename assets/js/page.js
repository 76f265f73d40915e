// What belongs to the page as a whole: the keyboard, links to pictures and heads, and the address, which holds what is on
// the screen. The value of this component is the address of the latest answer: {parameters, head, left_out}.
const OURS = ['base', 'tuned', 'text', 'text_pair', 'target', 'chat', 'generate', 'max_new_tokens', 'temperature', 'seed',
  'level', 'attention', 'head', 'tab']
const FIRST_TAB = 'changed'
const WAIT_MS = 3000
const root = document.documentElement

// gradio's own text box knows Enter alone
document.addEventListener('keydown', event => {
  const compare = document.querySelector('#compare')
  if ((event.ctrlKey || event.metaKey) && event.key === 'Enter' && compare && !compare.disabled) compare.click()
})

// links
const visible = found => found && found.getClientRects().length > 0
function whenVisible(id, then, otherwise) {
  const began = performance.now()
  const look = () => {
    const found = document.getElementById(id)
    if (visible(found)) then(found)
    else if (performance.now() - began < WAIT_MS) setTimeout(look, 50)
    else if (otherwise) otherwise()
  }
  look()
}
function arriveAt(target) {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
  target.scrollIntoView({ behavior: calm ? 'auto' : 'smooth', block: target.matches('button') ? 'center' : 'start' })
  if (!target.matches('a[href], button, input, select, textarea, [tabindex]')) target.setAttribute('tabindex', '-1')
  target.focus({ preventScroll: true })
}
const tabButton = tab => document.getElementById(`tab-${tab}-button`)
function go({ tab, to }) {
  const button = tab && tabButton(tab)
  if (button) button.click()
  const panel = () => button && arriveAt(button)
  if (to) whenVisible(to, arriveAt, panel)
  else panel()
}
document.addEventListener('attncompare:go', event => go(event.detail || {}))
function open(name) {
  const found = /^L(\d+)\.H(\d+)$/.exec(name)
  if (!found) return
  go({ tab: FIRST_TAB, to: 'one-head' })
  const detail = { layer: Number(found[1]), head: Number(found[2]), scroll: true }
  const send = () => document.dispatchEvent(new CustomEvent('attncompare:open', { detail }))
  whenVisible('one-head', send, send)
}
document.addEventListener('click', event => {
  const link = event.target.closest?.('[data-go-tab], [data-open]')
  if (link) {
    event.preventDefault()
    if (link.dataset.open) open(link.dataset.open)
    else go({ tab: link.dataset.goTab, to: link.dataset.goTo })
  }
})

// the address
const state = { parameters: null, head: '', tab: new URLSearchParams(location.search).get('tab') || FIRST_TAB }
function query() {
  const found = new URLSearchParams(location.search)
  for (const name of OURS) found.delete(name)
  for (const [name, value] of state.parameters || []) found.append(name, value)
  if (state.parameters && state.head) found.set('head', state.head)
  if (state.tab !== FIRST_TAB) found.set('tab', state.tab)
  return found.toString()
}
function follow() {
  const said = query()
  history.replaceState(history.state, '', location.pathname + (said ? `?${said}` : '') + location.hash)
  // inside a Space this page is a frame, and the address that people see is the outer page's
  if (window.parent !== window) window.parent.postMessage({ queryString: said }, 'https://huggingface.co')
}
const TAB = 'button[role=tab][id^=tab-][id$=-button]'
function chosenTab(pressed) {
  const chosen = pressed || document.querySelector(`${TAB}[aria-selected=true]`)
  const tab = chosen ? chosen.id.slice('tab-'.length, -'-button'.length) : state.tab
  if (tab !== 'code') root.dataset.tab = tab
  if (tab === state.tab) return
  state.tab = tab
  if (state.parameters) follow()
}
// At once where a tab is pressed: the next one may be pressed before gradio has marked it.
document.addEventListener('click', event => chosenTab(event.target.closest?.(TAB)), true)
for (const kind of ['click', 'keyup']) document.addEventListener(kind, () => setTimeout(chosenTab, 50))
document.addEventListener('attncompare:open', event => {
  const { layer, head } = event.detail || {}
  if (!Number.isInteger(layer) || !Number.isInteger(head) || !state.parameters) return
  state.head = `L${layer}.H${head}`
  follow()
})
root.dataset.tab = state.tab
whenVisible(`tab-${state.tab}-button`, button => { if (state.tab !== FIRST_TAB) button.click() })

// the link to copy
const tell = text => { element.querySelector('.said').textContent = text }
const missing = () => {
  const count = props.value && props.value.left_out
  return count ? `Not in the link: the text, whose ${count.toLocaleString('en')} characters are too many for an address.` : ''
}
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch { // no permission, or a page that is not served securely
    const field = document.createElement('textarea')
    field.value = text
    field.style.position = 'fixed'
    element.append(field)
    field.select()
    const done = document.execCommand('copy')
    field.remove()
    return done
  }
}
element.addEventListener('click', async event => {
  const button = event.target.closest('#copy-link')
  if (!button) return
  const done = await copy(location.href)
  button.focus()
  tell(`${done ? 'Link copied: pair, text, head and tab.' : 'Copy the address of this page.'} ${missing()}`)
})
function answered() {
  element.querySelector('.link').hidden = !props.value
  if (!props.value) return
  state.parameters = props.value.parameters
  state.head = props.value.head
  tell(missing())
  follow()
  document.dispatchEvent(new CustomEvent('attncompare:answer', { detail: {} }))
}
watch('value', answered)
answered()
