// Numbers and tokens as people read them. Tokens come from strangers: they reach the page as text nodes and attributes only.

const MINUS = '\u2212'
// Signs that nobody sees and that turn the direction of what follows, in a name or a tooltip too: they are written out.
const DIRECTION_MARK = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

function signed(number) {
  const text = Math.abs(number).toFixed(2)
  return text === '0.00' ? text : (number < 0 ? MINUS : '+') + text
}

// The beginning of a text, by characters and not by halves of them; a wide one counts twice.
function short(text, room) {
  let kept = ''
  for (const character of text) {
    const code = character.codePointAt(0)
    const unit = DIRECTION_MARK.test(character) ? `U+${code.toString(16).toUpperCase().padStart(4, '0')}` : character
    room -= unit === character && code >= 0x1100 ? 2 : unit.length
    if (room < 0) return `${kept.trimEnd()}\u2026`
    kept += unit
  }
  return kept.trim() ? kept : '\u2423'
}

// A token within a name or a tooltip.
function spoken(token) {
  const text = short(token.text, 24)
  return token.place === undefined ? text : `${text} (${token.place})`
}

function ordinal(number) {
  const tens = number % 100
  return number + ((tens < 11 || tens > 13) && { 1: 'st', 2: 'nd', 3: 'rd' }[number % 10] || 'th')
}

function made(tag, className = '', text = '') {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text) node.textContent = text
  return node
}

function drawn(tag, attributes, text = '') {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, content] of Object.entries(attributes)) node.setAttribute(name, content)
  if (text) node.textContent = text
  return node
}

// Tokens with where they are, and with a `place` to be named by where the text holds them more than once.
function placedNames(tokens, start) {
  const count = new Map()
  for (const { text } of tokens) count.set(text, (count.get(text) ?? 0) + 1)
  return tokens.map((token, i) => ({ ...token, at: start + i, place: count.get(token.text) > 1 ? start + i : undefined }))
}

// A token in running text, which cannot change the direction of what stands around it.
function bdi(token, room = 24) {
  const node = made('bdi', token.special ? 'special' : '', short(token.text, room))
  if (token.text.length > room) node.title = short(token.text, 200)
  return node
}

// A sentence into a node: its parts are strings and tokens.
function say(node, ...parts) {
  const place = token => (token.place === undefined ? '' : ` (${token.place})`)
  node.replaceChildren(...parts.flatMap(part => (typeof part === 'string' ? part : [bdi(part), place(part)])))
}
