// Before the scripts that list heads: how they make nodes, open a head, and learn which one is open. Names come from our own
// numbers, everything else from strangers: all of it is written as text.
const made = (name, attributes = {}, ...children) => {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...children)
  return node
}
const opened = () => document.documentElement.dataset.head
const open = name => {
  const [layer, head] = name.slice(1).split('.H').map(Number)
  document.dispatchEvent(new CustomEvent('attncompare:open', { detail: { layer, head, scroll: true } }))
}
// Whoever shows a head says so on the root element.
const whenOpened = react => {
  const watcher = new MutationObserver(() => element.isConnected ? react() : watcher.disconnect())
  watcher.observe(document.documentElement, { attributes: true, attributeFilter: ['data-head'] })
}
