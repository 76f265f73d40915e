// Buttons that fetch a view as a file. The server makes the file when it is asked for; then it is saved as any download is.
// One file at a time: a click on a second button waits for its turn. `opened` is the head that is open on the page, which
// some views are of. Each request has a ticket, and what comes for another one is none of ours.
const GIVE_UP = 120000 // a server that has gone never answers
const said = element.querySelector('.take-said')
const waiting = []
let asked = null
let ticket = 0
let timer

const say = words => { if (said) said.textContent = words }

const heard = () => {
  clearTimeout(timer)
  timer = setTimeout(() => { say(''); done() }, GIVE_UP)
}

const done = () => {
  clearTimeout(timer)
  if (asked) asked.removeAttribute('aria-busy')
  asked = null
  next()
}

const next = () => {
  if (asked || !waiting.length) return
  asked = waiting.shift()
  ticket += 1
  heard()
  trigger('take', { kind: asked.dataset.kind, opened: document.documentElement.dataset.head || '', ticket })
}

element.addEventListener('click', event => {
  const button = event.target.closest('button[data-kind]')
  if (!button || button.getAttribute('aria-busy') === 'true') return
  button.setAttribute('aria-busy', 'true')
  waiting.push(button)
  next()
})

watch('file', () => {
  const file = props.file
  if (!file || !asked || file.ticket !== ticket) return
  say(file.said || '')
  if (file.said) return heard()
  if (file.made) {
    const link = document.createElement('a')
    link.href = file.made.url
    link.download = file.name
    document.body.append(link)
    link.click()
    link.remove()
  }
  done()
})
