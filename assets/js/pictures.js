// Maps on canvas, with names of tokens and colour bars. `figure` is the <figure> of one map.

const LETTERS = 11 // of a name on an axis
const TALLEST = 460
const LABEL_PITCH = 9.5
const SLANT = { degrees: -58, run: 0.53, rise: 0.85 }

// A list of colours as pixels, each one number: red is its lowest byte.
function palette(colors) {
  return Uint32Array.from(colors, ([red, green, blue]) => 0xff000000 + blue * 0x10000 + green * 0x100 + red)
}

// Values as a picture of one pixel a cell; nothing is drawn where a value is NaN. `colors` is a palette of 256.
function pixels(values, keys, colors, low, high) {
  const canvas = made('canvas')
  canvas.width = keys
  canvas.height = values.length / keys
  const context = canvas.getContext('2d')
  const image = context.createImageData(canvas.width, canvas.height)
  const painted = new Uint32Array(image.data.buffer)
  const scale = 255 / (high - low)
  for (let i = 0; i < values.length; i++) {
    const level = Math.round((values[i] - low) * scale)
    if (!Number.isNaN(level)) painted[i] = colors[level < 0 ? 0 : level > 255 ? 255 : level]
  }
  context.putImageData(image, 0, 0)
  return canvas
}

// The ground that is seen where nothing is drawn: what is missing must never look like a small number.
function hatched(context, width, height, ratio) {
  context.fillStyle = '#f3f3f7'
  context.fillRect(0, 0, width, height)
  context.strokeStyle = '#b9b7c9'
  context.lineWidth = ratio
  context.beginPath()
  for (let x = -height; x < width; x += 6 * ratio) {
    context.moveTo(x, height)
    context.lineTo(x + height, 0)
  }
  context.stroke()
}

// How wide the widest name is at 12 pixels. Names are measured once: labels stay the same objects from head to head.
const widths = new WeakMap()
function widest(tokens) {
  if (!widths.has(tokens)) {
    const context = made('canvas').getContext('2d')
    context.font = `italic 12px ${getComputedStyle(element).fontFamily}`
    widths.set(tokens, Math.max(...tokens.map(token => context.measureText(short(token.text, LETTERS)).width)))
  }
  return widths.get(tokens)
}

// Where a map stands in its room, in CSS pixels: below and beside the names. Cells are square where there are as many queries
// as keys, and never so tall that the map would not fit a screen.
function placed(room, labels) {
  const [queries, keys] = [labels.query.length, labels.key.length]
  const left = Math.ceil(widest(labels.query)) + 10
  const long = widest(labels.key)
  const fit = right => Math.min((room - left - right) / keys, 44)
  const slanted = Math.floor(fit(SLANT.run * long)) >= 16 // slanted names reach past the right edge
  const width = fit(slanted ? SLANT.run * long : 4)
  const tall = queries === keys ? width : Math.max(width, Math.min(22, TALLEST / queries))
  const above = Math.ceil(slanted ? SLANT.rise * long + 8 : long) + 12
  return { left, above, width, height: Math.min(tall, TALLEST / queries), slanted }
}

function paint(canvas, picture, width, height) {
  const ratio = window.devicePixelRatio || 1
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  canvas.style.width = `${width}px`
  canvas.style.height = `${height}px`
  const context = canvas.getContext('2d')
  context.imageSmoothingEnabled = false
  hatched(context, canvas.width, canvas.height, ratio)
  context.drawImage(picture, 0, 0, canvas.width, canvas.height)
}

// One map. `map` is {queries, keys, values, colors, low, high, labels: {query, key}}; returns where its cells are.
function drawMap(figure, map) {
  const plot = figure.querySelector('.plot')
  const cell = placed(plot.clientWidth, map.labels)
  const width = cell.width * map.keys
  const height = cell.height * map.queries
  plot.style.height = `${height + cell.above + 2}px`
  const cells = figure.querySelector('.cells')
  cells.style.left = `${cell.left}px`
  cells.style.top = `${cell.above}px`
  paint(cells.querySelector('canvas'), pixels(map.values, map.keys, map.colors, map.low, map.high), width, height)
  names(plot.querySelector('svg'), map.labels, cell)
  bar(figure.querySelector('.bar'), map, cell.left, width)
  return cell
}

// Names of tokens on both axes, as many as can be read; drawn again only if they changed, not with every head.
function names(svg, labels, cell) {
  const state = `${labels.id} ${cell.width} ${cell.height}`
  if (svg.dataset.state === state) return
  svg.dataset.state = state
  svg.replaceChildren()
  const write = (tokens, size, place) => {
    const step = Math.ceil(LABEL_PITCH / size)
    const points = Math.min(12, Math.max(9, size * step * 0.75))
    for (let i = 0; i < tokens.length; i += step) {
      const text = drawn('text', { 'font-size': points, ...place((i + 0.5) * size) }, short(tokens[i].text, LETTERS))
      if (tokens[i].special) text.classList.add('special')
      svg.append(text)
    }
  }
  const middle = { 'dominant-baseline': 'central' }
  write(labels.query, cell.height, y => ({ x: cell.left - 6, y: cell.above + y, 'text-anchor': 'end', ...middle }))
  const turn = cell.slanted ? SLANT.degrees : -90
  write(labels.key, cell.width, x => ({ transform: `translate(${cell.left + x} ${cell.above - 6}) rotate(${turn})`, ...middle }))
}

function bar(node, map, left, width) {
  node.style.marginLeft = `${left}px`
  node.style.width = `${Math.max(width, 180)}px`
  const canvas = node.querySelector('canvas')
  const ramp = Float32Array.from({ length: 256 }, (_, i) => i)
  canvas.width = 256
  canvas.height = 1
  canvas.getContext('2d').drawImage(pixels(ramp, 256, map.colors, 0, 255), 0, 0)
  const ends = node.querySelectorAll('.end')
  ends[0].textContent = map.low < 0 ? signed(map.low) : '0'
  ends[1].textContent = map.low < 0 ? signed(map.high) : map.high.toFixed(2)
}

// Put a mark over some cells of a map, or take it away.
function mark(node, cell, rows, columns) {
  node.hidden = !rows || !cell
  if (node.hidden) return
  node.style.left = `${cell.left + columns[0] * cell.width}px`
  node.style.top = `${cell.above + rows[0] * cell.height}px`
  node.style.width = `${(columns[1] - columns[0]) * cell.width}px`
  node.style.height = `${(rows[1] - rows[0]) * cell.height}px`
}

// Which cell a pointer is on.
function cellAt(canvas, cell, map, event) {
  const box = canvas.getBoundingClientRect()
  const query = Math.floor((event.clientY - box.top) / cell.height)
  const key = Math.floor((event.clientX - box.left) / cell.width)
  return query >= 0 && query < map.queries && key >= 0 && key < map.keys ? { query, key } : null
}
