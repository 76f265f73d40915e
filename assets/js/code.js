// Buttons that copy the code beside them, and say so.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch { // no permission, or a page that is not served securely
    return false
  }
}
element.addEventListener('click', async event => {
  const button = event.target.closest('[data-copy]')
  if (!button) return
  const code = button.parentElement.querySelector('pre')
  const done = await copy(code.textContent)
  if (!done) getSelection().selectAllChildren(code)
  button.textContent = done ? 'Copied' : 'Selected: copy it with Ctrl+C'
  button.setAttribute('aria-live', 'polite')
  setTimeout(() => { button.textContent = 'Copy' }, 2500)
})
