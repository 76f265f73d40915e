// A picture in a frame of its own proportions, which is there before the picture is.
const draw = () => {
  const frame = element.querySelector('.framed')
  const { width, height, picture, alt } = props.value || {}
  frame.replaceChildren()
  if (!width) return
  const box = document.createElement('div')
  box.style.aspectRatio = `${width} / ${height}`
  box.style.setProperty('--natural', `${width}px`)
  if (picture) {
    const image = document.createElement('img')
    image.src = picture.url
    image.alt = alt
    box.append(image)
  }
  frame.append(box)
}
watch('value', draw)
draw()
