// All heads as thumbnails: one canvas under a grid of buttons, of which one is in the order of tabbing.

const THUMB = { least: 22, most: 44, gap: 2 } // of a thumbnail, in pixels
const LATER = 1500 // ms after which they are drawn even if nobody has scrolled to them

// `weights(row, head)` gives a map of a head; `chosen(row, head)` is called for the one that is clicked.
function thumbnails(part, colors, weights, chosen) {
  const grid = part.querySelector('.grid')
  const canvas = grid.querySelector('canvas')
  let value = null
  let size = 0
  let drawing = 0
  let stale = false
  let visible = false
  let far = 0 // the largest change of any head, 0 while unknown

  const buttons = () => grid.getElementsByTagName('button')
  const model = () => part.querySelector('input[name=thumbs]:checked').value
  const roving = at => [...buttons()].forEach((press, i) => { press.tabIndex = i === at ? 0 : -1 })

  function show(next) {
    value = next
    far = 0
    const cells = [made('span')]
    for (let head = 0; head < value.heads; head++) cells.push(made('span', 'name', String(head)))
    value.layers.forEach((layer, row) => {
      cells.push(made('span', 'name', `L${layer}`))
      for (let head = 0; head < value.heads; head++) {
        const press = made('button')
        press.type = 'button'
        const bits = value.bits[row][head]
        press.setAttribute('aria-label', `L${layer}.H${head}, ${bits === null ? 'not measured' : `${bits.toFixed(2)} bits`}`)
        press.title = press.getAttribute('aria-label')
        cells.push(press)
      }
    })
    grid.replaceChildren(canvas, ...cells)
    measure()
    later()
    setTimeout(() => { visible = true; if (stale) later() }, LATER)
  }

  function measure() {
    if (!value) return
    const room = part.clientWidth - 34
    size = Math.min(Math.max(Math.floor(room / value.heads) - THUMB.gap, THUMB.least), THUMB.most)
    grid.style.gridTemplateColumns = `30px repeat(${value.heads}, ${size}px)`
    grid.style.gridTemplateRows = '16px'
    grid.style.gridAutoRows = `${size}px`
  }

  // Drawn when seen or a little later, a layer at a time: the maps above must not wait for them.
  function later() {
    stale = true
    if (!visible || !value) return
    stale = false
    drawing += 1
    const turn = drawing
    const ratio = window.devicePixelRatio || 1
    canvas.width = (size + THUMB.gap) * value.heads * ratio
    canvas.height = (size + THUMB.gap) * value.layers.length * ratio
    canvas.style.width = `${canvas.width / ratio}px`
    const context = canvas.getContext('2d')
    context.scale(ratio, ratio)
    const shown = model()
    if (shown === 'delta' && !far) far = furthest()
    const layer = row => {
      if (turn !== drawing || row === value.layers.length) return
      for (let head = 0; head < value.heads; head++) tile(context, row, head, shown)
      requestAnimationFrame(() => layer(row + 1))
    }
    requestAnimationFrame(() => layer(0))
  }

  function tile(context, row, head, shown) {
    const map = weights(row, head)
    if (!map) return
    // Changes share one scale, so that heads can be told apart by it (small as they are here, half of the largest is dark
    // enough); of base and tuned the pattern is what counts.
    const top = shown === 'delta' ? far / 2 : largestOf(map.base, map.tuned)
    const small = shrunk(map[shown], map.keys, size)
    const [scale, low] = shown === 'delta' ? [colors.diverging, -top] : [colors.sequential, 0]
    const picture = pixels(small.values, small.keys, scale, low, top)
    const at = [head * (size + THUMB.gap), row * (size + THUMB.gap)]
    context.fillStyle = '#f3f3f7'
    context.fillRect(...at, size, size)
    context.imageSmoothingEnabled = false
    context.drawImage(picture, ...at, size, size)
  }

  function furthest() {
    let most = 0
    value.layers.forEach((_, row) => {
      for (let head = 0; head < value.heads; head++) most = Math.max(most, largestOf(weights(row, head)?.delta ?? []))
    })
    return most
  }

  // Which heads are open or chosen: of several, each is pressed or not.
  function select(heads, several) {
    if (!value) return
    const here = new Set(heads.map(([row, head]) => row * value.heads + head))
    const all = [...buttons()]
    all.forEach((press, i) => {
      press.classList.toggle('open', here.has(i))
      if (several) press.setAttribute('aria-pressed', here.has(i))
      else press.removeAttribute('aria-pressed')
      if (!several && here.has(i)) press.setAttribute('aria-current', 'true')
      else press.removeAttribute('aria-current')
    })
    if (!grid.contains(document.activeElement)) roving([...here][0] ?? 0)
  }

  grid.addEventListener('click', event => {
    const at = [...buttons()].indexOf(event.target.closest('button'))
    if (at >= 0) chosen(Math.floor(at / value.heads), at % value.heads)
  })
  grid.addEventListener('keydown', event => {
    const at = [...buttons()].indexOf(event.target)
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -value?.heads, ArrowDown: value?.heads }[event.key]
    if (at < 0 || !step || !buttons()[at + step]) return
    event.preventDefault()
    roving(at + step)
    buttons()[at + step].focus()
  })
  part.addEventListener('change', later)
  new IntersectionObserver(entries => {
    visible = entries.some(entry => entry.isIntersecting)
    if (visible && stale) later()
  }).observe(grid)
  new ResizeObserver(() => {
    const before = size
    measure()
    if (size !== before) later()
  }).observe(part)
  return { show, select, redraw: later }
}
