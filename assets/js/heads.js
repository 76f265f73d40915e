// A button over each cell of the picture of all heads. They stand in per cent of the picture, so they stay on their cells
// whatever its size; one of them is in the tab order, and arrow keys go on from there.
const frame = () => element.querySelector('.framed')
const all = () => [...frame().querySelectorAll('button')]

function draw() {
  const { width, height, picture, alt, cells, layers, names, label } = props.value || {}
  const focused = frame().contains(document.activeElement) ? document.activeElement.dataset.name : null
  frame().replaceChildren()
  if (!picture) return
  const image = made('img', { src: picture.url, alt })
  const over = made('div', { role: 'grid', 'aria-label': label, class: 'cells' })
  const [left, top, across, down] = cells
  Object.assign(over.style, {
    left: `${left}%`, top: `${top}%`, width: `${across}%`, height: `${down}%`,
    gridTemplateColumns: `repeat(${names[0].length}, 1fr)`, gridTemplateRows: `repeat(${names.length}, 1fr)`,
  })
  names.forEach((row, i) => {
    const line = made('div', { role: 'row' })
    row.forEach((name, head) => {
      const button = made('button', { type: 'button', tabindex: -1, title: name, 'aria-label': name })
      Object.assign(button.dataset, { row: i, head, name: `L${layers[i]}.H${head}` })
      line.append(made('div', { role: 'gridcell' }, button))
    })
    over.append(line)
  })
  const box = made('div', {}, image, over)
  box.style.aspectRatio = `${width} / ${height}`
  box.style.setProperty('--natural', `${width}px`)
  frame().append(box)
  mark()
  if (focused) all().find(button => button.dataset.name === focused)?.focus()
}

function mark() {
  const buttons = all()
  for (const button of buttons) {
    const now = button.dataset.name === opened()
    if (now) button.setAttribute('aria-current', 'true')
    else button.removeAttribute('aria-current')
    button.tabIndex = now ? 0 : -1
  }
  if (buttons.length && !buttons.some(button => button.tabIndex === 0)) buttons[0].tabIndex = 0
}

element.addEventListener('click', event => {
  const button = event.target.closest('.cells button')
  if (!button) return
  open(button.dataset.name)
})
element.addEventListener('keydown', event => {
  const button = event.target.closest('.cells button')
  if (!button || event.ctrlKey || event.metaKey || event.altKey) return
  const buttons = all(), wide = props.value.names[0].length
  const row = Number(button.dataset.row), head = Number(button.dataset.head), last = props.value.names.length - 1
  const to = {
    ArrowLeft: [row, head - 1], ArrowRight: [row, head + 1], ArrowUp: [row - 1, head], ArrowDown: [row + 1, head],
    Home: [row, 0], End: [row, wide - 1], PageUp: [0, head], PageDown: [last, head],
  }[event.key]
  if (!to) return
  event.preventDefault()
  const [down, across] = to
  if (down < 0 || down > last || across < 0 || across >= wide) return
  const next = buttons[down * wide + across]
  button.tabIndex = -1
  next.tabIndex = 0
  next.focus()
})
whenOpened(mark)
watch('value', draw)
draw()
