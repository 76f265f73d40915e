// Token lines: from the chosen token to the tokens that it is linked with most, in both models at once. Queries stand on the
// left, keys on the right; a token of either side can be chosen, and the numbers stand beside the tokens of the other side.

const LINKS = 8 // of either model
const FAINTEST = 0.02 // weaker links are not drawn
const ROW = 24 // height of a token in pixels, as in the style sheet
const WINDOWED = 60 // with more tokens the chosen side scrolls in a box, and of the other side only the linked are shown
const BOX = 480

// `told(side, index)` is called whenever another token is chosen, for a moment or for good.
function tokenLines(part, told) {
  const columns = { query: part.querySelector('.queries'), key: part.querySelector('.keys') }
  const box = part.querySelector('.columns:has(svg)')
  const svg = box.querySelector('svg')
  const other = { query: 'key', key: 'query' }
  let map = null
  let tokens = null
  let pinned = null
  let kept = false // whether the visitor chose the pinned token
  let current = null
  let windowed = false
  let naming = 0
  let links = []
  let dressed = [] // rows that show something of the chosen token

  const rows = side => columns[side].children
  const button = (side, index) => rows(side)[index].firstElementChild

  function row(side, token, index) {
    const node = made('div', 'token')
    const press = made('button')
    press.type = 'button'
    press.dataset.side = side
    press.dataset.index = index
    press.tabIndex = -1
    press.setAttribute('aria-pressed', 'false')
    if (windowed) press.append(made('small', '', `${token.at} `))
    press.append(bdi(token, 22))
    node.append(press, made('span', 'number base'), made('span', 'number tuned'), made('span', 'number delta'))
    return node
  }

  // New numbers; new tokens only if `labels` are others than before.
  function show(next, labels) {
    const start = tokens !== labels
    map = next
    if (start) {
      dressed = []
      tokens = labels
      windowed = Math.max(labels.query.length, labels.key.length) > WINDOWED
      part.classList.toggle('windowed', windowed)
      for (const side of ['query', 'key']) {
        columns[side].replaceChildren(...labels[side].map((token, index) => row(side, token, index)))
      }
    }
    // Names of hundreds of tokens can wait until the picture stands.
    cancelIdleCallback(naming)
    if (windowed) naming = requestIdleCallback(name)
    else name()
    if (start) kept = false
    if (!kept) pinned = { side: 'query', index: mostChanged(map) }
    choose(pinned.side, pinned.index)
    if (start) reveal()
  }

  // The names say what the lines show, for those who do not see them.
  function name() {
    for (const side of ['query', 'key']) {
      tokens[side].forEach((token, index) => {
        const [base, tuned] = ['base', 'tuned'].map(model => inWords(looks(map, map[model], side, index), tokens[other[side]]))
        const place = `${spoken(token)}, ${side} ${index + 1} of ${tokens[side].length}.`
        const verb = side === 'query' ? 'looks at' : 'is looked at by'
        const text = base || tuned ? `${place} Base ${verb} ${base || 'nothing'}; tuned ${verb} ${tuned || 'nothing'}.` : `${place} No numbers.`
        button(side, index).setAttribute('aria-label', text)
      })
    }
  }

  function inWords(weights, names) {
    return largest(weights, 3, FAINTEST).map(i => `${spoken(names[i])} ${weights[i].toFixed(2)}`).join(', ')
  }

  // Only rows that change are touched: there may be hundreds.
  function choose(side, index) {
    for (const node of dressed) undress(node)
    dressed = []
    current = { side, index }
    part.dataset.chosen = side
    const [base, tuned] = ['base', 'tuned'].map(model => looks(map, map[model], side, index))
    links = [...new Set([...largest(base, LINKS, FAINTEST), ...largest(tuned, LINKS, FAINTEST)])].sort((a, b) => a - b)
    const linked = new Set(links)
    for (const i of windowed ? links : base.keys()) {
      const node = rows(other[side])[i]
      node.classList.toggle('linked', linked.has(i))
      number(node, base[i], tuned[i])
      dressed.push(node)
    }
    const here = rows(side)[index]
    here.classList.add('chosen')
    const keep = rows(pinned.side)[pinned.index]
    keep.firstElementChild.setAttribute('aria-pressed', 'true')
    const beside = rows(other[side])[links[0] ?? 0]
    here.firstElementChild.tabIndex = beside.firstElementChild.tabIndex = 0
    dressed.push(here, keep, beside)
    draw(base, tuned)
    told(side, index)
  }

  function undress(node) {
    node.classList.remove('linked', 'chosen')
    for (const name of ['base', 'tuned', 'trend']) delete node.dataset[name]
    const [press, ...spans] = node.children
    for (const span of spans) span.textContent = ''
    press.setAttribute('aria-pressed', 'false')
    press.tabIndex = -1
  }

  // The numbers beside a token, in full precision as data.
  function number(node, base, tuned) {
    const [, ...spans] = node.children
    if (!Number.isNaN(base)) node.dataset.base = base
    if (!Number.isNaN(tuned)) node.dataset.tuned = tuned
    const delta = signed(tuned - base)
    const trend = delta[0] === '+' ? 'gained' : delta[0] === MINUS ? 'lost' : ''
    if (trend) node.dataset.trend = trend
    const texts = [base, tuned].map(weight => (Number.isNaN(weight) ? '\u2013' : weight.toFixed(2)))
    texts.push(Number.isNaN(tuned - base) ? '' : `${delta}${{ gained: ' \u25b2', lost: ' \u25bc' }[trend] ?? ''}`)
    spans.forEach((span, i) => { span.textContent = texts[i] })
  }

  // Height of the middle of a token in the picture; a token that is scrolled out of the box is at its edge.
  function height(side, index) {
    if (!windowed) return (index + 0.5) * ROW
    const place = side === current.side ? index : links.indexOf(index)
    return Math.min(Math.max((place + 0.5) * ROW - columns[side].scrollTop, 0), BOX)
  }

  function draw(base, tuned) {
    const width = svg.clientWidth
    const from = height(current.side, current.index)
    const lines = []
    for (const index of links) {
      const to = height(other[current.side], index)
      for (const [model, weight, off] of [['base', base[index], -2.5], ['tuned', tuned[index], 2.5]]) {
        if (!(weight >= FAINTEST)) continue
        const ends = [from + off / 2, to + off]
        const [left, right] = current.side === 'query' ? ends : [ends[1], ends[0]]
        lines.push(drawn('path', {
          class: model, d: `M2,${left} C${width * 0.4},${left} ${width * 0.6},${right} ${width - 2},${right}`,
          'stroke-width': 1.2 + 5 * weight, opacity: Math.min(1, 0.25 + 1.5 * weight),
        }))
      }
    }
    svg.style.height = windowed ? `${BOX}px` : `${Math.max(map.queries, map.keys) * ROW}px`
    svg.replaceChildren(...lines)
  }

  function redraw() {
    if (map && current) draw(looks(map, map.base, current.side, current.index), looks(map, map.tuned, current.side, current.index))
  }

  function reveal() {
    if (windowed) columns[current.side].scrollTop = (current.index + 0.5) * ROW - BOX / 2
  }

  function pin(side, index) {
    const turned = side !== current.side
    pinned = { side, index }
    kept = true
    choose(side, index)
    if (turned) reveal()
  }

  const back = () => { if (map && pinned && (current.side !== pinned.side || current.index !== pinned.index)) choose(pinned.side, pinned.index) }
  const chosenBy = event => {
    const press = event.target.closest('button[data-side]')
    return press && { side: press.dataset.side, index: Number(press.dataset.index) }
  }

  function onKey(event) {
    const at = chosenBy(event)
    if (!at) return
    if (event.key === 'Escape') {
      back()
      button(pinned.side, pinned.index).focus({ preventScroll: !windowed })
      return event.preventDefault()
    }
    const side = { ArrowLeft: 'query', ArrowRight: 'key' }[event.key]
    if (side && side !== at.side) {
      event.preventDefault()
      return button(side, links[0] ?? 0).focus()
    }
    const shown = windowed && at.side !== current.side ? links : tokens[at.side].map((_, i) => i)
    const last = shown.length - 1
    const to = { ArrowDown: shown.indexOf(at.index) + 1, ArrowUp: shown.indexOf(at.index) - 1, Home: 0, End: last }[event.key]
    if (to === undefined) return
    event.preventDefault()
    button(at.side, shown[Math.min(Math.max(to, 0), last)]).focus()
  }

  // In a windowed list only a click chooses a token of the other side: under a mouse that passes by, the lists would change.
  const passing = event => {
    const at = chosenBy(event)
    if (at && (!windowed || at.side === current.side)) choose(at.side, at.index)
  }
  part.addEventListener('pointerover', event => { if (event.pointerType === 'mouse') passing(event) })
  part.addEventListener('focusin', event => { if (event.target.matches(':focus-visible')) passing(event) })
  part.addEventListener('click', event => {
    const at = chosenBy(event)
    if (at) pin(at.side, at.index)
  })
  part.addEventListener('keydown', onKey)
  box.addEventListener('pointerleave', back)
  part.addEventListener('focusout', event => { if (!part.contains(event.relatedTarget)) back() })
  for (const column of Object.values(columns)) column.addEventListener('scroll', redraw)
  new ResizeObserver(redraw).observe(svg)
  return { show, pin }
}
