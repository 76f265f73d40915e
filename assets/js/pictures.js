// Maps on canvas, with names of tokens and colour bars. `figure` is the <figure> of one map.

const NAMES = { left: 82, above: 66, right: 30 } // room for names in pixels; slanted ones reach past the right edge
const TALLEST = 460
const LABEL_PITCH = 11

// Values as a picture of one pixel a cell; nothing is drawn where a value is NaN.
function pixels(values, keys, colors, low, high) {
  const canvas = made('canvas')
  canvas.width = keys
  canvas.height = values.length / keys
  const context = canvas.getContext('2d')
  const image = context.createImageData(canvas.width, canvas.height)
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue
    const level = Math.round((255 * (values[i] - low)) / (high - low))
    const color = colors[Math.min(Math.max(level, 0), 255)]
    image.data.set(color, 4 * i)
    image.data[4 * i + 3] = 255
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

// Size of a cell in CSS pixels: square where there are as many queries as keys, and never too tall.
function cellSize(room, queries, keys) {
  const width = Math.min((room - NAMES.left - NAMES.right) / keys, 44)
  const tall = queries === keys ? width : Math.max(width, Math.min(22, TALLEST / queries))
  return { width, height: Math.min(tall, TALLEST / queries) }
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

// One map. `map` is {queries, keys, values, colors, low, high, labels: {query, key}}; returns the size of its cells.
function drawMap(figure, map) {
  const plot = figure.querySelector('.plot')
  const cell = cellSize(plot.clientWidth, map.queries, map.keys)
  const width = cell.width * map.keys
  const height = cell.height * map.queries
  plot.style.height = `${height + NAMES.above + 2}px`
  paint(plot.querySelector('canvas'), pixels(map.values, map.keys, map.colors, map.low, map.high), width, height)
  names(plot.querySelector('svg'), map.labels, cell, height)
  bar(figure.querySelector('.bar'), map, width)
  return cell
}

// Names of tokens on both axes, as many as can be read; drawn again only if they changed, not with every head.
function names(svg, labels, cell, height) {
  const state = `${labels.id} ${cell.width} ${cell.height}`
  if (svg.dataset.state === state) return
  svg.dataset.state = state
  svg.replaceChildren()
  const write = (tokens, size, place) => {
    const step = Math.ceil(LABEL_PITCH / size)
    const points = Math.min(12, Math.max(9.5, size * step * 0.72))
    for (let i = 0; i < tokens.length; i += step) {
      const text = drawn('text', { 'font-size': points, ...place((i + 0.5) * size) }, short(tokens[i].text, 11))
      if (tokens[i].special) text.classList.add('special')
      svg.append(text)
    }
  }
  write(labels.query, cell.height, y => ({ x: NAMES.left - 6, y: NAMES.above + y, 'text-anchor': 'end', 'dominant-baseline': 'central' }))
  const slant = cell.width * Math.ceil(LABEL_PITCH / cell.width) >= 15 ? -58 : -90
  write(labels.key, cell.width, x => ({
    transform: `translate(${NAMES.left + x} ${NAMES.above - 6}) rotate(${slant})`, 'dominant-baseline': 'central',
  }))
}

function bar(node, map, width) {
  node.style.width = `${Math.max(width, 150)}px`
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
  node.hidden = !rows
  if (!rows) return
  node.style.left = `${NAMES.left + columns[0] * cell.width}px`
  node.style.top = `${NAMES.above + rows[0] * cell.height}px`
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
