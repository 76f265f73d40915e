// One head in both models. Everything is worked out here from one file that holds all heads, so opening another head asks the
// server nothing; only of long texts the exact numbers of a head are asked for when it is open.
// The page's other parts speak to this one through `attncompare:open` on the document: detail {layer, head, scroll}.

const PATIENCE = 600 // ms that a head stays open before exact numbers are asked for where rounded ones are shown
const ANSWER = 30000 // ms after which an exact map is taken for lost
const FINEST = 256 // cells a side that a map on the screen can show
const KEPT = 32 // exact heads kept
const READ = 'Rows are queries and sum to 1, columns are keys. Point at a cell for its numbers.'

const part = name => element.querySelector(`[data-part="${name}"]`)
const root = element.querySelector('.one-head')
const figures = Object.fromEntries(['base', 'tuned', 'delta'].map(model => [model, part(model)]))
const selects = { layer: part('layer'), head: part('head') }
const toggles = { mean: part('mean'), sinks: part('sinks'), words: part('words') }

let value = null // the payload
let buffer = null // the file of all heads, once it is here
let open = null // [row, head]
let chosen = [] // heads of the mean, [row, head] each
let frame = null // window of a text that is too long to be shown whole: {queries, keys}; null: the whole text
let answer = 0 // its number: the same payload gets the same one again
let asked = null // what has been asked for and not come
let arrived = 0 // which answer the exact map in the props is of
let timer = 0
let view = null // what is shown, see look()
let cell = null // size of a cell of the maps
const answers = []
const exact = new Map() // exact maps by key(row, head), of other answers too: what was asked for once is not asked for again
const known = new Map() // labels by what they are of

const colors = { sequential: palette(props.colors.sequential), diverging: palette(props.colors.diverging) }
const lines = tokenLines(part('lines'), choose)
const thumbs = thumbnails(part('thumbs'), colors, coarse, pick)

const span = (side, count) => (frame ? frame[side] : [0, count])
const windows = () => ({ queries: span('queries', value.tokens.length), keys: span('keys', keyTokens().length) })
const keyTokens = () => value.keys ?? value.tokens
const key = (row, head) => JSON.stringify([answer, row, head, windows()])
const label = (row, head) => `L${value.layers[row]}.H${head}`
const heads = () => (toggles.mean.checked ? chosen : [open])
const tooLong = () => Math.max(value.tokens.length, keyTokens().length) > value.most
const canAsk = () => Object.values(windows()).every(([start, stop]) => stop - start <= value.most)

// ---- a new answer ----

function start() {
  if (!props.value?.tokens) return void (root.dataset.state = 'empty')
  value = props.value
  buffer = asked = view = null
  const text = JSON.stringify(value)
  if (!answers.includes(text)) answers.push(text)
  answer = answers.indexOf(text) + 1
  clearTimeout(timer)
  for (const toggle of Object.values(toggles)) toggle.checked = false
  toggles.words.closest('label').hidden = !value.words
  selects.layer.replaceChildren(...value.layers.map((layer, row) => new Option(`L${layer}`, row)))
  part('thumbs').hidden = !value.codes
  part('looks').textContent = 'Token lines'
  part('read').textContent = READ
  part('window').hidden = !tooLong()
  reframe(tooLong() && !value.codes ? around(0, 0) : null)
  thumbs.show(value)
  root.dataset.state = value.codes ? 'fetching' : 'ready'
  announce(...value.open, false)
  if (value.codes) fetchAll()
}

async function fetchAll() {
  const wanted = value
  try {
    buffer = await fetched(wanted.codes.url)
  } catch {
    if (value === wanted) root.dataset.state = 'failed'
    return
  }
  if (value !== wanted) return
  root.dataset.state = 'ready'
  show()
  thumbs.redraw()
}

async function fetched(url) {
  const response = await fetch(url)
  if (!response.ok) throw new Error(response.status)
  return response.arrayBuffer()
}

// ---- which head is open ----

function announce(row, head, scroll) {
  document.dispatchEvent(new CustomEvent('attncompare:open', { detail: { layer: value.layers[row], head, scroll } }))
}

function opened({ layer, head, scroll }) {
  const row = value ? value.layers.indexOf(layer) : -1
  if (row < 0 || !(head >= 0 && head < value.heads)) return
  open = [row, head]
  toggles.mean.checked = false
  document.documentElement.dataset.head = label(row, head)
  choices(row, head)
  show()
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
  if (scroll) root.scrollIntoView({ behavior: calm ? 'auto' : 'smooth', block: 'start' })
}

function choices(row, head) {
  selects.layer.value = row
  selects.head.replaceChildren(...value.bits[row].map((bits, i) => new Option(bits === null ? `H${i}` : `H${i} \u00b7 ${bits.toFixed(2)} bits`, i)))
  selects.head.value = head
  const place = rank(row, head)
  part('previous').disabled = place <= 0
  part('next').disabled = place === value.order.length - 1
}

function rank(row, head) {
  return value.order.findIndex(([r, h]) => r === row && h === head)
}

function step(by) {
  const place = rank(...open)
  const next = value.order[place < 0 ? 0 : place + by]
  if (next) announce(...next, false)
}

// A click on a thumbnail opens the head, or adds it to the mean and takes it out again; the last one stays.
function pick(row, head) {
  if (!toggles.mean.checked) return announce(row, head, false)
  const others = chosen.filter(([r, h]) => r !== row || h !== head)
  if (others.length === chosen.length) chosen = [...chosen, [row, head]]
  else if (others.length) chosen = others
  show()
}

// ---- what is shown ----

function coarse(row, head) {
  return buffer && shownMap(keptMap(buffer, value, row, head))
}

// The map of the chosen heads: exact where all of them are here, or else what the file of all heads says.
function source() {
  const fine = heads().map(([row, head]) => exact.get(key(row, head)))
  if (fine.every(Boolean)) return { map: meanMap(fine), step: 1, fine: true }
  if (!buffer || frame) return null
  const map = meanMap(heads().map(([row, head]) => keptMap(buffer, value, row, head)))
  return { map, step: value.format.step, fine: value.format.bits === 16 && value.format.step === 1 }
}

// Labels are objects that stay the same as long as the tokens do: what draws them then has nothing to do.
function labelled(words, size) {
  const id = JSON.stringify([answer, words, size, frame])
  if (!known.has(id)) known.set(id, { id, ...labels(words, size) })
  return known.get(id)
}

function labels(words, size) {
  if (words) {
    const merged = value.words.map((positions, i) => ({
      text: value.word_texts[i],
      special: positions.every(at => value.tokens[at].special),
      sink: positions.some(at => value.tokens[at].sink),
    }))
    return { query: placedNames(merged, 0), key: placedNames(merged, 0) }
  }
  const side = (tokens, [start, stop]) => {
    const cut = tokens.slice(start, stop)
    if (size === 1) return placedNames(cut, start)
    return Array.from({ length: Math.ceil(cut.length / size) }, (_, i) => group(cut.slice(i * size, (i + 1) * size), start + i * size))
  }
  const { queries, keys } = windows()
  return { query: side(value.tokens, queries), key: side(keyTokens(), keys) }
}

// Several tokens as one label: where they stand, and the first of them.
function group(tokens, first) {
  const last = first + tokens.length - 1
  return { text: `${first}${last > first ? `\u2013${last}` : ''} ${tokens[0].text}`, special: tokens.every(token => token.special), sink: false }
}

function look() {
  const found = source()
  if (!found) return null
  let { map } = found
  const single = found.step === 1
  const words = single && !frame && toggles.words.checked && Boolean(value.words)
  if (words) map = mergedMap(map, value.words, value.words)
  const names = labelled(words, found.step)
  const sinks = single && toggles.sinks.checked
  if (sinks) map = withoutSinks(map, names.key.map(token => token.sink))
  const shown = shownMap(map)
  return { ...found, map: shown, names, words, sinks, drawn: reduced(shown, names, words, found.step) }
}

// What the maps on the screen show: with more cells than a screen can, several are one.
function reduced(shown, names, words, step) {
  const size = Math.ceil(Math.max(shown.queries, shown.keys) / FINEST)
  if (size === 1) return { map: shown, names, step, words }
  return { map: binnedMap(shown, size), names: labelled(words, step * size), step: step * size, words }
}

function show() {
  if (!value || !open) return
  view = look()
  thumbs.select(heads(), toggles.mean.checked)
  title()
  if (view) {
    draw()
    root.dataset.answer = answer
  }
  root.classList.toggle('pending', !view)
  const exactLines = Boolean(view) && view.step === 1
  part('lines').classList.toggle('pending', !exactLines)
  if (exactLines) lines.show(view.map, view.names)
  wish()
  notes()
}

function title() {
  const names = heads().map(([row, head]) => label(row, head))
  const bits = value.bits[open[0]][open[1]]
  const place = rank(...open)
  const several = toggles.mean.checked
  const more = names.length > 8 ? ` and ${names.length - 8} more` : ''
  const parts = several ? [`Mean of ${names.slice(0, 8).join(', ')}${more}, in both models`] : [`${names[0]} in both models`]
  if (!several) parts.push(bits === null ? 'divergence not measured' : `${bits.toFixed(2)} bits`)
  if (!several && place >= 0) parts.push(`${ordinal(place + 1)} of ${value.order.length}`)
  part('title').textContent = parts.join(' \u00b7 ')
  say(part('moved'), ...(view && view.step === 1 ? movement() : ['\u00a0']))
}

// What the head does differently, in words: the keys that lost and gained most on average.
function movement() {
  const change = received(view.map)
  const away = strongest(change.map(size => -size))
  const to = strongest(change)
  if (!away.length && !to.length) return ['On average no token gains or loses as much as 0.01.']
  const said = at => {
    const { place, ...token } = view.names.key[at]
    return [token, ` (${place === undefined ? '' : `${place}; `}${signed(change[at])})`]
  }
  const list = keys => keys.flatMap((at, i) => [i ? ' and ' : ' ', ...said(at)])
  const parts = ['On average']
  if (away.length) parts.push(' away from', ...list(away))
  if (away.length && to.length) parts.push(',')
  if (to.length) parts.push(' towards', ...list(to))
  return [...parts, '.']
}

// The one or two largest; a second one only where it counts beside the first.
function strongest(sizes) {
  const [first, second] = largest(sizes, 2, 0.005)
  return [first, second].filter(at => at !== undefined && sizes[at] >= sizes[first] / 4)
}

function draw() {
  if (!part('maps').clientWidth) return // in a tab that is not open; its size will change when it is
  const { map, names } = view.drawn
  const top = largestOf(map.base, map.tuned)
  const far = largestOf(map.delta)
  for (const [model, figure] of Object.entries(figures)) {
    const delta = model === 'delta'
    const ends = delta ? { colors: colors.diverging, low: -far, high: far } : { colors: colors.sequential, low: 0, high: top }
    cell = drawMap(figure, { queries: map.queries, keys: map.keys, values: map[model], labels: names, ...ends })
    const canvas = figure.querySelector('canvas')
    canvas.setAttribute('aria-label', described(model, map, names))
    mark(figure.querySelector('.at'), cell, null)
  }
}

function described(model, map, names) {
  const link = at => `${spoken(names.query[Math.floor(at / map.keys)])} to ${spoken(names.key[at % map.keys])} `
  const size = `${map.queries} queries by ${map.keys} keys`
  if (model !== 'delta') {
    const [at] = largest(map[model], 1, 0)
    return `Map of ${model}, ${size}. ${at === undefined ? 'Nothing to show.' : `Strongest: ${link(at)}${map[model][at].toFixed(2)}.`}`
  }
  const [gain] = largest(map.delta, 1, 0.005)
  const [loss] = largest(map.delta.map(change => -change), 1, 0.005)
  const said = [gain, loss].map((at, i) => at !== undefined && `Largest ${['gain', 'loss'][i]}: ${link(at)}${signed(map.delta[at])}.`)
  return `Map of tuned minus base, ${size}. ${said.filter(Boolean).join(' ') || 'Nothing changed by 0.01.'}`
}

function notes() {
  const said = []
  if (view?.sinks) said.push('Sinks are hidden: every row is divided by what is left of it. Rows of which less than 10\u00a0% is left are blank.')
  if (view && (view.sinks || view.map.base.some(Number.isNaN))) said.push('Hatched: ' + (view.sinks ? 'sinks, blank rows and ' : '') + 'keys that a query may not see.')
  if (view?.words) said.push('Tokens of a word are one: keys summed, queries averaged.')
  if (view && view.drawn.step > 1) said.push(`In the maps a cell is ${view.drawn.step}\u00a0\u00d7\u00a0${view.drawn.step} tokens: keys summed, queries averaged.`)
  if (view && !view.fine && view.step === 1) said.push('Numbers are within 1/255.')
  part('said').textContent = said.join(' ')
  part('status').textContent = asked ? `Fetching the exact map of ${label(asked.row, asked.head)} \u2026` : ''
  part('lines').querySelector('.wait').textContent = asked
    ? 'The lines appear when the exact map has come.'
    : tooLong() && !frame ? 'Lines need exact numbers: click on a map, or say above which part of the text to open.' : ''
  for (const name of ['sinks', 'words']) toggles[name].disabled = Boolean(view) && (view.step > 1 || (name === 'words' && Boolean(frame)))
}

// ---- under the pointer ----

function choose(side, index) {
  if (view?.step !== 1) return // another answer is on its way
  view.most ??= mostChanged(view.map)
  const why = side === 'query' && index === view.most ? ', the row that changed most' : ''
  say(part('looks'), 'Where ', view.names[side][index], `${side === 'query' ? ' looks' : ' is looked at from'}${why}`)
  // Where cells are several tokens, the mark is on the cell that holds this one.
  const size = view.drawn.step
  const at = Math.floor(index / size)
  const { map } = view.drawn
  for (const figure of Object.values(figures)) {
    const box = figure.querySelector('.chosen')
    if (side === 'query') mark(box, cell, [at, at + 1], [0, map.keys])
    else mark(box, cell, [0, map.queries], [at, at + 1])
  }
}

function point(event) {
  if (!view) return
  const { map, names, step } = view.drawn
  const at = cellAt(event.target, cell, map, event)
  for (const figure of Object.values(figures)) {
    mark(figure.querySelector('.at'), cell, at && [at.query, at.query + 1], at && [at.key, at.key + 1])
  }
  if (!at) return
  const i = at.query * map.keys + at.key
  const blank = Number.isNaN(map.base[i]) && Number.isNaN(map.tuned[i])
  const number = weight => (Number.isNaN(weight) ? '\u2013' : weight.toFixed(step === 1 && view.fine ? 3 : 2))
  const delta = map.delta[i]
  const numbers = `base ${number(map.base[i])}, tuned ${number(map.tuned[i])}, delta ${Number.isNaN(delta) ? '\u2013' : signed(delta)}`
  say(part('read'), names.query[at.query], ' \u2192 ', names.key[at.key], ': ', blank ? 'nothing to show here' : numbers)
  Object.assign(part('read').dataset, { cell: `${at.query},${at.key}`, base: map.base[i], tuned: map.tuned[i] })
}

function unpoint() {
  for (const figure of Object.values(figures)) mark(figure.querySelector('.at'), cell, null)
}

// A click on a map chooses the query of that row; of a text too long for exact numbers, it opens that part of the text.
function press(event) {
  const at = view && cellAt(event.target, cell, view.drawn.map, event)
  if (!at) return
  if (view.step === 1) return lines.pin('query', at.query * view.drawn.step)
  if (tooLong()) {
    reframe(around(at.query * view.step, at.key * view.step))
    show()
  }
}

// ---- exact maps of long texts ----

// A window as wide as may be asked for, with a query and a key in its middle.
function around(query, key) {
  const near = (at, count) => {
    const begin = Math.max(0, Math.min(at - Math.floor(value.most / 2), count - value.most))
    return [begin, Math.min(begin + value.most, count)]
  }
  return { queries: near(query, value.tokens.length), keys: near(key, keyTokens().length) }
}

function reframe(next) {
  frame = next
  part('whole').disabled = !frame || !value.codes
  part('from-query').value = frame ? frame.queries[0] : ''
  part('from-key').value = frame ? frame.keys[0] : ''
}

// Ask for the first of the shown heads that is not known exactly: at once where lines wait for it, or else when the visitor
// stays.
function wish() {
  clearTimeout(timer)
  timer = 0
  if (!canAsk() || view?.fine || asked || heads().length > KEPT) return
  const missing = heads().find(([row, head]) => !exact.has(key(row, head)))
  if (!missing || (value.codes && !buffer)) return
  if (view?.step === 1) timer = setTimeout(ask, PATIENCE, ...missing)
  else ask(...missing)
}

function ask(row, head) {
  timer = 0
  const wanted = { row, head, ...windows() }
  asked = wanted
  if (arrived === answer && fits(props.exact, wanted)) return void came() // it is here, and reading it failed
  asked.patience = setTimeout(() => lost(wanted), ANSWER)
  notes()
  trigger('exact_head', wanted)
}

const fits = (came, wanted) => Boolean(came && wanted) &&
  ['row', 'head', 'queries', 'keys'].every(name => JSON.stringify(came[name]) === JSON.stringify(wanted[name]))

async function came() {
  const wanted = asked
  if (!fits(props.exact, wanted)) return
  clearTimeout(wanted.patience)
  arrived = answer
  const place = key(wanted.row, wanted.head)
  try {
    const { file, ...found } = props.exact
    exact.set(place, exactMap(await fetched(file.url), found))
    while (exact.size > KEPT) exact.delete(exact.keys().next().value)
  } catch {
    return lost(wanted)
  }
  if (asked !== wanted) return
  asked = null
  show()
}

function lost(wanted) {
  if (asked !== wanted) return
  asked = null
  notes()
  part('status').textContent = `The exact map of ${label(wanted.row, wanted.head)} did not come. Open the head again to try once more.`
}

// ---- wiring ----

for (const select of Object.values(selects)) {
  select.addEventListener('change', () => {
    const row = Number(selects.layer.value)
    announce(row, Math.min(Number(selects.head.value), value.heads - 1), false)
  })
}
part('previous').addEventListener('click', () => step(-1))
part('next').addEventListener('click', () => step(1))
part('again').addEventListener('click', fetchAll)
toggles.mean.addEventListener('change', () => {
  chosen = [open]
  show()
})
for (const toggle of [toggles.sinks, toggles.words]) toggle.addEventListener('change', show)
for (const side of ['query', 'key']) {
  part(`from-${side}`).addEventListener('change', () => {
    const half = Math.floor(value.most / 2)
    reframe(around(Number(part('from-query').value) + half, Number(part('from-key').value) + half))
    show()
  })
}
part('whole').addEventListener('click', () => {
  reframe(null)
  show()
})
root.addEventListener('keydown', event => {
  const by = { '[': -1, ']': 1 }[event.key]
  if (!by || !value || event.target.matches('input[type=number]')) return
  event.preventDefault()
  step(by)
})
for (const figure of Object.values(figures)) {
  const canvas = figure.querySelector('canvas')
  canvas.addEventListener('pointermove', point)
  canvas.addEventListener('pointerdown', point)
  canvas.addEventListener('pointerleave', unpoint)
  canvas.addEventListener('click', press)
}
let wide = 0
new ResizeObserver(() => {
  const now = part('maps').clientWidth
  if (view && now && now !== wide) {
    draw()
    if (view.step === 1) lines.show(view.map, view.names) // marks its token in the maps
  }
  wide = now
}).observe(part('maps'))
document.addEventListener('attncompare:open', event => opened(event.detail))
watch('value', start)
watch('exact', () => { if (asked) came() })
start()
