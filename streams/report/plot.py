"""A scatter plot with a line, as SVG: text that any browser shows, without a plotting library."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from streams.report.svg import Axis, axis, words

WIDTH: Final = 960
HEIGHT: Final = 600
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 190, 56, 64
_INK, _FAINT, _LINE = "#1b1f24", "#d7dbe0", "#1664c0"
_LABEL_HEIGHT: Final = 13.0
_GLYPH_WIDTH: Final = 6.4  # of the labels' font, on average
_LARGER: Final = ' style="font-size:13px"'
_SPOT: Final = 4.0  # half the width of what a point takes


class Mark(NamedTuple):
    """A labelled point; emphasised ones are larger and never lose their label's place."""

    x: float
    y: float
    label: str
    colour: str
    emphasised: bool = False


def _percent(value: float) -> str:
    return f"{100.0 * value:g} %"


def scatter_svg(
    title: str,
    names: tuple[str, str],
    line: Sequence[tuple[float, float]],
    marks: Sequence[Mark],
    tick: Callable[[float], str] = _percent,
) -> str:
    """Draw a line through points, and labelled marks around it.

    Parameters
    ----------
    title : str
        Above the plot.
    names : tuple of str
        Of the horizontal and the vertical axis.
    line : sequence of (x, y)
        In order.
    marks : sequence of Mark
        Drawn over the line.
    tick : callable
        Words for a value on either axis; percentages by default.

    Returns
    -------
    str
        A whole SVG document.
    """
    xs = [x for x, _ in line] + [mark.x for mark in marks]
    ys = [y for _, y in line] + [mark.y for mark in marks]
    across = axis(min([0.0, *xs]), max(xs), _LEFT, WIDTH - _RIGHT)
    up = axis(min([0.0, *ys]), max(ys), HEIGHT - _BOTTOM, _TOP)
    body = [
        *_frame(title, names, across, up, tick),
        *_curve(line, across, up),
        *_marks(line, marks, across, up),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="12" role="img">\n'
        f"<title>{words(title)}</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _frame(
    title: str, names: tuple[str, str], across: Axis, up: Axis, told: Callable[[float], str]
) -> Iterator[str]:
    yield _text(_LEFT, 28, title, style=' style="font-size:16px;font-weight:600"')
    for tick in across.ticks:
        x = across(tick)
        yield _segment(x, up.start, x, up.end, _FAINT)
        yield _text(x, up.start + 20, told(tick), anchor="middle")
    for tick in up.ticks:
        y = up(tick)
        yield _segment(across.start, y, across.end, y, _FAINT)
        yield _text(across.start - 8, y + 4, told(tick), anchor="end")
    yield _segment(across.start, up.start, across.end, up.start, _INK)
    yield _segment(across.start, up.start, across.start, up.end, _INK)
    yield _text(
        (across.start + across.end) / 2, HEIGHT - 18, names[0], anchor="middle", style=_LARGER
    )
    middle = (up.start + up.end) / 2
    turned = f' transform="rotate(-90 20 {middle:.1f})"'
    yield _text(20, middle, names[1], anchor="middle", style=_LARGER + turned)


def _curve(line: Sequence[tuple[float, float]], across: Axis, up: Axis) -> Iterator[str]:
    places = [(across(x), up(y)) for x, y in line]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="2.5"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{_LINE}"/>'


def _marks(
    line: Sequence[tuple[float, float]], marks: Sequence[Mark], across: Axis, up: Axis
) -> Iterator[str]:
    # Left, right and middle of what a label must not cover: points first, then other labels.
    spots = [(across(x), up(y)) for x, y in (*line, *((mark.x, mark.y) for mark in marks))]
    taken = [(x - _SPOT, x + _SPOT, y) for x, y in spots]
    for mark in sorted(marks, key=lambda mark: not mark.emphasised):
        x, y = across(mark.x), up(mark.y)
        radius = 6.0 if mark.emphasised else 3.6
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{mark.colour}"'
            f' stroke="#ffffff" stroke-width="1.2"><title>{words(mark.label)}</title></circle>'
        )
        left = x + radius + 5.0
        right = left + _GLYPH_WIDTH * len(mark.label)
        others = [spot for spot in taken if spot != (x - _SPOT, x + _SPOT, y)]
        place = _free(others, left, right, y)
        taken.append((left, right, place))
        if abs(place - y) > _LABEL_HEIGHT:
            yield _segment(x + radius, y, left - 1, place, _FAINT)
        bold = "600" if mark.emphasised else "400"
        style = f' style="fill:{mark.colour};font-weight:{bold}"'
        yield _text(left, place + 4, mark.label, style=style)


def _free(taken: list[tuple[float, float, float]], left: float, right: float, y: float) -> float:
    """Find the height nearest to y at which a label meets none that is drawn."""
    for step in range(2 * HEIGHT):
        offset = (step + 1) // 2 * (1 if step % 2 else -1) * 2.0
        place = y + offset
        free = all(
            right < other_left or left > other_right or abs(place - middle) >= _LABEL_HEIGHT
            for other_left, other_right, middle in taken
        )
        if free and _TOP - _LABEL_HEIGHT <= place <= HEIGHT - _BOTTOM:
            return place
    return y


def _segment(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
        ' stroke-width="1"/>'
    )


def _text(x: float, y: float, told: str, *, anchor: str = "start", style: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}"{style}>'
        f"{words(told)}</text>"
    )
