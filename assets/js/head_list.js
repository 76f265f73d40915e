// The heads ranked by a metric, as a table. Tokens come from strangers: everything is written as text.
let everything = false
const bar = (width, attributes) => {
  const node = made('span', { ...attributes, 'aria-hidden': 'true' })
  node.style.width = `${width}%`
  return node
}

function split(parts) {
  const said = props.parts.map((part, i) => `${part.name} ${parts[i].bits}`).join(', ') + ' bits'
  const node = made('span', { class: 'split', role: 'img', 'aria-label': said, title: said })
  parts.forEach((part, i) => {
    const piece = bar(part.width, {})
    piece.style.background = props.parts[i].color
    node.append(piece)
  })
  return node
}

function side(kind, found) {
  if (!found) return made('span', { class: 'none' }, 'nothing')
  return made('span', { class: kind }, made('bdi', { title: found.token }, found.token), ` ${found.change}`)
}

function line(row, rank, floors) {
  const name = `L${row.layer}.H${row.head}`
  const button = made('button', { type: 'button', 'data-name': name, 'aria-label': `Open ${name}` }, name)
  const cells = [
    made('td', {}, String(rank)),
    made('th', { scope: 'row' }, button),
    made('td', { class: 'value' }, bar(row.bar, { class: row.negative ? 'bar below' : 'bar' }), made('span', {}, row.value)),
    ...(floors ? [made('td', {}, row.floor || '–')] : []),
    made('td', {}, split(row.parts)),
    made('td', { class: 'moved' }, side('lost', row.lost), made('span', { class: 'to' }, ' → '), side('gained', row.gained)),
  ]
  return made('tr', {}, ...cells)
}

function draw() {
  const frame = element.querySelector('.ranked')
  frame.replaceChildren()
  if (!props.value || !props.value.rows) return
  const { caption, unit, floors, rows } = props.value
  const titles = ['#', 'Head', unit, ...(floors ? ['× floor'] : []), 'Sink | content', 'Attention lost → gained']
  const body = made('tbody', {}, ...rows.slice(0, everything ? rows.length : props.first).map((row, i) => line(row, i + 1, floors)))
  const top = made('thead', {}, made('tr', {}, ...titles.map(title => made('th', { scope: 'col' }, title))))
  const keys = props.parts.map(part => {
    const swatch = made('i', { 'aria-hidden': 'true' })
    swatch.style.background = part.color
    return made('span', {}, swatch, part.name)
  })
  const said = made('caption', {}, made('b', {}, caption), made('span', { class: 'key' }, ...keys))
  frame.append(made('div', { class: 'scrolling', tabindex: 0, role: 'region', 'aria-label': caption }, made('table', {}, said, top, body)))
  if (rows.length > props.first) {
    const words = everything ? `Show the first ${props.first}` : `Show all ${rows.length} heads`
    frame.append(made('button', { type: 'button', class: 'more', 'aria-expanded': String(everything) }, words))
  }
  mark()
}

function mark() {
  for (const button of element.querySelectorAll('tbody button')) {
    const now = button.dataset.name === opened()
    button.closest('tr').toggleAttribute('data-open-now', now)
    if (now) button.setAttribute('aria-current', 'true')
    else button.removeAttribute('aria-current')
  }
}

element.addEventListener('click', event => {
  const button = event.target.closest('button')
  if (!button) return
  if (button.classList.contains('more')) {
    everything = !everything
    draw()
    element.querySelector('.more').focus()
    return
  }
  open(button.dataset.name)
})
whenOpened(mark)
watch('value', draw)
draw()
