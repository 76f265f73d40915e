// Stands for the view of one head: says which one is open.
const show = (layer, head) => {
  document.documentElement.dataset.head = `L${layer}.H${head}`
  element.querySelector('.one-head').textContent = document.documentElement.dataset.head
}
const draw = () => {
  if (props.value && props.value.layers) show(props.value.layers[props.value.open[0]], props.value.open[1])
}
document.addEventListener('attncompare:open', event => show(event.detail.layer, event.detail.head))
element.addEventListener('click', () => {
  const size = [0, Math.min(props.value.tokens.length, props.value.most)]
  trigger('exact_head', { row: 0, head: 0, queries: size, keys: size })
})
watch('value', draw)
watch('exact', () => {
  if (props.exact) fetch(props.exact.file.url)
})
draw()
