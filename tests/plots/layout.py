"""What every picture must hold: all words inside it, and none on another."""

from matplotlib.figure import Figure
from matplotlib.text import Text


def words(figure: Figure) -> list[Text]:
    """All writing of a picture, of axes too, but for the numbers in cells: these are many, and fit (see :func:`judge`)."""
    found = [*figure.texts]
    for axes in figure.axes:
        found += [*([] if axes.images else axes.texts), *axes.get_xticklabels(), *axes.get_yticklabels()]
    return [text for text in found if text.get_text() and text.get_visible()]


def written(figure: Figure) -> str:
    """All that stands beside the plots."""
    return " ".join(text.get_text() for text in figure.texts)


def judge(figure: Figure, slack: float = 4) -> None:
    """Fails where words leave the picture or cover each other by more than ``slack`` pixels both ways."""
    figure.draw_without_rendering()
    texts = words(figure)
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert figure.bbox.x0 + 8 <= box.x0, text.get_text()
        assert box.x1 <= figure.bbox.x1 - 8, text.get_text()
        assert figure.bbox.y0 <= box.y0, text.get_text()
        assert box.y1 <= figure.bbox.y1, text.get_text()
    for axes in figure.axes:
        for number in axes.texts[:40] if axes.images else ():
            cell = axes.get_window_extent().width / axes.images[0].get_array().shape[1]
            assert number.get_window_extent().width <= cell + 1, number.get_text()
    order = sorted(range(len(boxes)), key=lambda index: boxes[index].x0)
    for place, first in enumerate(order):
        for second in order[place + 1 :]:
            if boxes[second].x0 >= boxes[first].x1:
                break
            wide = min(boxes[first].x1, boxes[second].x1) - boxes[second].x0
            tall = min(boxes[first].y1, boxes[second].y1) - max(boxes[first].y0, boxes[second].y0)
            assert wide <= slack or tall <= slack, (texts[first].get_text(), texts[second].get_text())


def labelled(figure: Figure, name: str):
    """The axes of this name."""
    return next(axes for axes in figure.axes if axes.get_label() == name)
