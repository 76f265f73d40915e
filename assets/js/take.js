// A row of buttons that fetch a view as a file. The server makes the file when it is asked for; then it is saved as any
// download is. `opened` is the head that is open on the page, which some views are of.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-kind]')
  if (!button || button.getAttribute('aria-busy') === 'true') return
  button.setAttribute('aria-busy', 'true')
  trigger('take', { kind: button.dataset.kind, opened: document.documentElement.dataset.head || '' })
})
watch('file', () => {
  const file = props.file
  for (const button of element.querySelectorAll('[aria-busy=true]')) button.removeAttribute('aria-busy')
  if (!file || !file.made) return
  const link = document.createElement('a')
  link.href = file.made.url
  link.download = file.name
  document.body.append(link)
  link.click()
  link.remove()
})
