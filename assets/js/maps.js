// Attention of one head as numbers; nothing here draws. A map is {queries, keys, base, tuned, seen}: base and tuned are
// Float32Array, row-major [query][key]; seen is a Uint8Array of the same shape, or null where every query sees every key.

// A row with less than this left outside the sinks says nothing about content (MIN_CONTENT_MASS in Python).
const LEAST_CONTENT = 0.1

// Codes are square roots, so that small weights keep their relative precision.
function decoded(codes, top) {
  const weights = new Float32Array(codes.length)
  for (let i = 0; i < codes.length; i++) {
    const root = codes[i] / top
    weights[i] = root * root
  }
  return weights
}

// `count` of the packed bits that start at byte `from`, beginning with bit `start`; the first is the highest of its byte.
function unpacked(buffer, from, start, count) {
  const bytes = new Uint8Array(buffer, from)
  const seen = new Uint8Array(count)
  for (let i = 0; i < count; i++) seen[i] = (bytes[(start + i) >> 3] >> (7 - ((start + i) & 7))) & 1
  return seen
}

// One head out of the file of all heads.
function keptMap(buffer, value, row, head) {
  const { bits, queries, keys, visible } = value.format
  const cells = queries * keys
  const all = value.layers.length * value.heads * cells
  const Codes = bits === 16 ? Uint16Array : Uint8Array
  const at = (row * value.heads + head) * cells
  const side = start => decoded(new Codes(buffer, start * Codes.BYTES_PER_ELEMENT, cells), bits === 16 ? 65535 : 255)
  const seen = visible ? unpacked(buffer, 2 * all * Codes.BYTES_PER_ELEMENT, row * cells, cells) : null
  return { queries, keys, base: side(at), tuned: side(all + at), seen }
}

// One head, or a window of it, out of a file of its own.
function exactMap(buffer, exact) {
  const queries = exact.queries[1] - exact.queries[0]
  const keys = exact.keys[1] - exact.keys[0]
  const cells = queries * keys
  const side = start => decoded(new Uint16Array(buffer, 2 * start, cells), 65535)
  return { queries, keys, base: side(0), tuned: side(cells), seen: exact.visible ? unpacked(buffer, 4 * cells, 0, cells) : null }
}

// The mean of several heads; what a head may not see counts as 0, and a cell is seen if any of them sees it.
function meanMap(maps) {
  if (maps.length === 1) return maps[0]
  const { queries, keys } = maps[0]
  const mean = side => {
    const sum = new Float32Array(queries * keys)
    for (const map of maps) for (let i = 0; i < sum.length; i++) sum[i] += map[side][i] / maps.length
    return sum
  }
  const seen = maps.every(map => map.seen) ? maps[0].seen.map((_, i) => (maps.some(map => map.seen[i]) ? 1 : 0)) : null
  return { queries, keys, base: mean('base'), tuned: mean('tuned'), seen }
}

// Tokens merged to groups of positions: keys are summed, queries averaged, so that a row still sums to 1. Tokens in no group
// are left out: every row is first divided by what it gives to the others (as models/merged.py).
function mergedMap(map, rows, columns) {
  const into = new Int32Array(map.keys).fill(-1)
  columns.forEach((positions, column) => positions.forEach(key => { into[key] = column }))
  const whole = !into.includes(-1)
  const merged = weights => {
    const sums = new Float32Array(rows.length * columns.length)
    rows.forEach((positions, row) => {
      const shares = positions.map(query => (whole ? 1 : share(looks({ keys: map.keys }, weights, 'query', query), into)))
      const counted = shares.filter(part => part > 0).length
      positions.forEach((query, place) => {
        if (!shares[place]) return
        for (let key = 0; key < map.keys; key++) {
          if (into[key] < 0) continue
          sums[row * columns.length + into[key]] += weights[query * map.keys + key] / shares[place] / counted
        }
      })
    })
    return sums
  }
  const seen = map.seen && new Uint8Array(rows.length * columns.length)
  if (seen) rows.forEach((queries, row) => columns.forEach((keys, column) => {
    seen[row * columns.length + column] = queries.some(q => keys.some(k => map.seen[q * map.keys + k])) ? 1 : 0
  }))
  return { queries: rows.length, keys: columns.length, base: merged(map.base), tuned: merged(map.tuned), seen }
}

function share(row, into) {
  let sum = 0
  for (let key = 0; key < row.length; key++) if (into[key] >= 0) sum += row[key]
  return sum
}

// A shown map with `size` x `size` cells as one, as mergedMap merges; cells without a number count as nothing, and a group of
// nothing but them is blank.
function binnedMap(map, size) {
  const [queries, keys] = [map.queries, map.keys].map(count => Math.ceil(count / size))
  const binned = weights => {
    const sums = new Float32Array(queries * keys).fill(NaN)
    for (let query = 0; query < map.queries; query++) {
      const row = Math.floor(query / size)
      const averaged = Math.min(size, map.queries - row * size)
      for (let key = 0; key < map.keys; key++) {
        const weight = weights[query * map.keys + key]
        if (Number.isNaN(weight)) continue
        const to = row * keys + Math.floor(key / size)
        sums[to] = (Number.isNaN(sums[to]) ? 0 : sums[to]) + weight / averaged
      }
    }
    return sums
  }
  return shownMap({ queries, keys, base: binned(map.base), tuned: binned(map.tuned), seen: null })
}

// The map without the keys marked in `sinks`: rows renormalised over the others; NaN in the sinks' columns, and in a
// row that keeps too little.
function withoutSinks(map, sinks) {
  const renormalised = weights => {
    const kept = new Float32Array(weights.length).fill(NaN)
    for (let row = 0; row < weights.length; row += map.keys) {
      let content = 0
      for (let key = 0; key < map.keys; key++) if (!sinks[key]) content += weights[row + key]
      if (content < LEAST_CONTENT) continue
      for (let key = 0; key < map.keys; key++) if (!sinks[key]) kept[row + key] = weights[row + key] / content
    }
    return kept
  }
  return { ...map, base: renormalised(map.base), tuned: renormalised(map.tuned) }
}

// The map as it is shown: NaN where a query may not look, and with its delta.
function shownMap(map) {
  const blanked = weights => (map.seen ? weights.map((weight, i) => (map.seen[i] ? weight : NaN)) : weights)
  const base = blanked(map.base)
  const tuned = blanked(map.tuned)
  return { ...map, base, tuned, delta: tuned.map((weight, i) => weight - base[i]) }
}

// The change of what each key receives: the mean over the queries that have a number for it (as analyses/movers.py).
function received(map) {
  return Array.from({ length: map.keys }, (_, key) => {
    let sum = 0
    let count = 0
    for (let i = key; i < map.delta.length; i += map.keys) {
      if (Number.isNaN(map.delta[i])) continue
      sum += map.delta[i]
      count += 1
    }
    return count ? sum / count : 0
  })
}

// The query whose row changed most, in total variation; the first where nothing changed.
function mostChanged(map) {
  let best = 0
  let most = 0
  for (let query = 0; query < map.queries; query++) {
    let moved = 0
    for (let key = 0; key < map.keys; key++) moved += Math.abs(map.delta[query * map.keys + key]) || 0
    if (moved > most) [best, most] = [query, moved]
  }
  return best
}

// The weights between one token and all tokens of the other side: a row of a query, a column of a key.
function looks(map, weights, side, index) {
  if (side === 'query') return weights.subarray(index * map.keys, (index + 1) * map.keys)
  return Float32Array.from({ length: map.queries }, (_, query) => weights[query * map.keys + index])
}

// Positions of the largest numbers of at least `least`, largest first. Lists are long and `count` small: no sorting.
function largest(numbers, count, least) {
  const found = []
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]
    if (!(number >= least) || (found.length === count && number <= numbers[found[count - 1]])) continue
    let place = found.length
    while (place > 0 && numbers[found[place - 1]] < number) place -= 1
    found.splice(place, 0, i)
    if (found.length > count) found.pop()
  }
  return found
}

// A small picture of a map: of each group of cells the number that is furthest from 0, so that a single strong link is seen.
function shrunk(values, keys, most) {
  const queries = values.length / keys
  const size = Math.ceil(Math.max(keys, queries) / most)
  if (size === 1) return { values, keys }
  const width = Math.ceil(keys / size)
  const small = new Float32Array(width * Math.ceil(queries / size)).fill(NaN)
  for (let i = 0; i < values.length; i++) {
    const to = Math.floor(Math.floor(i / keys) / size) * width + Math.floor((i % keys) / size)
    if (!(Math.abs(values[i]) <= Math.abs(small[to]))) small[to] = Number.isNaN(values[i]) ? small[to] : values[i]
  }
  return { values: small, keys: width }
}

function largestOf(...lists) {
  let most = 0
  for (const numbers of lists) for (let i = 0; i < numbers.length; i++) if (Math.abs(numbers[i]) > most) most = Math.abs(numbers[i])
  return most || 1
}
