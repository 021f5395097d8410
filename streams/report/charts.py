"""Charts as SVG that stretches with the page while its words and lines keep their size.

A chart has no width of its own: words stand at percentages of it, and curves are drawn on a grid of
``GRID`` columns that is stretched to it. A curve keeps the lowest and the highest value of each
column of ``COLUMNS``; areas and bars show the last bar of each of ``AREA_COLUMNS``.
Colours are classes, for the page's style sheet to choose.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from schemas.units import format_instant
from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.report.figures import inside_of
from streams.report.svg import Axis, axis, number, path_data, tag, thinned, words

__all__ = [
    "AREA_COLUMNS",
    "COLUMNS",
    "Beside",
    "Chart",
    "Curve",
    "Tick",
    "band",
    "bars_chart",
    "curve_path",
    "line_chart",
    "share_rows",
    "stacked_chart",
    "ticks_of",
]

GRID: Final = 1000.0
COLUMNS: Final = 500
AREA_COLUMNS: Final = 250
_TOP: Final = 14.0
_FOOT: Final = 24.0  # below the plot, for the names of the horizontal axis
_RUG: Final = 30.0
_LETTER: Final = 0.011  # half of one, as a share of a narrow page: a name must not be cut
_LETTERS_MAX: Final = 40  # of all names on an axis, on half a page
_TICKS_MIN: Final = 3
_EDGE: Final = 0.04  # a name nearer to an end of the axis is not centred: it would be cut
_ROW: Final = 38.0
_AIR: Final = 0.04  # of the range of a curve, above and below it
_GUTTER: Final = 0.12  # of the width, for the names beside bars
_RUG_CUT: Final = (
    0.98  # the quantile of strokes that has the full height: a first build is no scale
)


class Tick(NamedTuple):
    """A name on the horizontal axis, at a share of its length; minor ones need a wide page."""

    place: float
    name: str
    minor: bool


class Curve(NamedTuple):
    """Values (T,) at equal distances, NaN where there are none, and a class."""

    values: FloatArray
    style: str


class Beside(NamedTuple):
    """What a line chart shows beside its curves.

    ``between``: curves (T,) whose space is shaded. ``ground``: a value that is always shown, and
    to which the first curve is filled where it is the top. ``rug``: (T,) sizes that stand as
    strokes below the plot, and (T,) where a mark stands under them. ``labels``: share of the
    width, value, words.
    """

    between: tuple[FloatArray, FloatArray] | None = None
    ground: float | None = None
    rug: tuple[FloatArray, BoolArray] | None = None
    labels: tuple[tuple[float, float, str], ...] = ()


class Chart(NamedTuple):
    """What every chart has: an id of its own, what it shows, and in words what is to be seen."""

    key: str
    title: str
    description: str
    height: float = 260.0


def ticks_of(ends_ns: IntArray) -> tuple[Tick, ...]:
    """Name some bars: by year, else month, else day where those change often enough, else time."""
    inside = inside_of(ends_ns)
    bars = len(ends_ns)
    for unit, letters in (("Y", 4), ("M", 7), ("D", 10)):
        period = inside.astype(f"M8[{unit}]")
        starts = np.flatnonzero(period[1:] != period[:-1]) + 1
        if len(starts) >= _TICKS_MIN:
            edge = letters * _LETTER
            fitting = [start for start in starts.tolist() if edge <= start / (bars - 1) <= 1 - edge]
            names = [(start, str(period[start])[:letters]) for start in fitting]
            chosen = names[:: _stride(len(names), letters)]
            break
    else:
        some = np.unique(np.linspace(0, bars - 1, min(_TICKS_MIN, bars)).astype(int)).tolist()
        chosen = [(place, format_instant(int(ends_ns[place]))[:16]) for place in some]
    return tuple(
        Tick(place / max(bars - 1, 1), name, minor=bool(count % 2))
        for count, (place, name) in enumerate(chosen)
    )


def _stride(count: int, letters: int) -> int:
    """Tell that every which name has room."""
    return max(-(-count // (_LETTERS_MAX // letters)), 1)


def curve_path(values: FloatArray, up: Axis, style: str) -> str:
    """Draw a curve on the grid."""
    places = thinned(values, COLUMNS)
    return tag("path", class_=f"line {style}", d=path_data(_points(values, places, up)))


def band(low: FloatArray, high: FloatArray, up: Axis, style: str) -> str:
    """Fill what lies between two curves (T,), on the grid."""
    top, bottom = thinned(high, COLUMNS), thinned(low, COLUMNS)
    points = _points(high, top, up) + _points(low, bottom, up)[::-1]
    return tag("path", class_=style, d=path_data(points, closed=True))


def line_chart(
    chart: Chart,
    curves: Sequence[Curve],
    ticks: Sequence[Tick],
    name: Callable[[float], str],
    beside: Beside = Beside(),  # noqa: B008  # a tuple, that nobody can change
) -> str:
    """Draw curves over the bars, the first on top; ``name`` tells values of the vertical axis."""
    between, ground, rug, labels = beside
    foot = _FOOT + (_RUG if rug is not None else 0.0)
    floor = chart.height - foot
    every = [curve.values for curve in curves] + list(between or ())
    known = np.concatenate([values[~np.isnan(values)] for values in every])
    low, high = float(known.min()), float(known.max())
    if ground is not None:
        low, high = min(low, ground), max(high, ground)
    up = _tight(low, high, floor)
    inner = []
    if between is not None:
        inner.append(band(*between, up, "band"))
    if ground is not None and ground == high:
        first = curves[0].values
        inner.append(band(first, np.where(np.isnan(first), np.nan, ground), up, "fill"))
    inner += [curve_path(curve.values, up, curve.style) for curve in reversed(curves)]
    body = [*_rows(up, name, ground), _stretched("".join(inner), chart.height)]
    if rug is not None:
        body.append(_stretched(_rug(*rug, floor + 4.0), chart.height))
    body += [
        _text(place, up(value) + 14.0, told, _anchor(place), "mark")
        for place, value, told in labels
    ]
    body += _names(ticks, chart.height)
    return _whole(chart, "".join(body))


def stacked_chart(
    chart: Chart, layers: Sequence[Curve], ticks: Sequence[Tick], name: Callable[[float], str]
) -> str:
    """Draw shares on top of each other, those below 0 downwards; the first lies at the bottom."""
    bars = len(layers[0].values)
    places = _last_of_each(bars, AREA_COLUMNS)
    shares = np.array([np.nan_to_num(layer.values[places]) for layer in layers])
    above, below = np.maximum(shares, 0.0), np.minimum(shares, 0.0)
    tops, bottoms = np.cumsum(above, axis=0), np.cumsum(below, axis=0)
    up = axis(min(float(bottoms.min()), 0.0), max(float(tops.max()), 1e-6), *_plot(chart), 5)
    across = places / max(bars - 1, 1) * GRID
    inner = []
    for edges, part in ((tops, above), (bottoms, below)):
        for layer in reversed(range(len(layers))):  # from the largest sum to the smallest
            if part[layer].any():
                xs = [0.0, *across.tolist(), GRID]
                ys = [up(0.0), *(up(value) for value in edges[layer].tolist()), up(0.0)]
                data = path_data(list(zip(xs, ys, strict=True)), closed=True)
                inner.append(tag("path", class_=f"area {layers[layer].style}", d=data))
    body = [_stretched("".join(inner), chart.height), *_rows(up, name, None, over=True)]
    return _whole(chart, "".join([*body, *_names(ticks, chart.height)]))


def bars_chart(
    chart: Chart, names: Sequence[str], values: Sequence[float], name: Callable[[float], str]
) -> str:
    """Draw a bar for each period."""
    up = axis(0.0, max(*values, 1e-9), *_plot(chart), 4)
    step = (1.0 - _GUTTER) / len(values)
    wide = min(0.7 * step, 0.08)
    stride = _stride(len(names), max(map(len, names)))
    body = list(_rows(up, name, None))
    ticks = []
    for place, (period, value) in enumerate(zip(names, values, strict=True)):
        middle = _GUTTER + (place + 0.5) * step
        shown = tag("title", words(f"{period}: {name(value)}"))
        left, y = _share(middle - wide / 2.0), up(value)
        tall = max(up(0.0) - y, 0.0)
        size = {"width": _share(wide), "height": number(tall)}
        body.append(tag("rect", shown, class_="bar", x=left, y=y, **size))
        if place % stride == 0:
            ticks.append(Tick(middle, period, minor=bool(place // stride % 2)))
    return _whole(chart, "".join([*body, *_names(ticks, chart.height)]))


def share_rows(chart: Chart, rows: Sequence[tuple[str, float, float, str]]) -> str:
    """Draw two bars under each name: a share of weight, and one of risk.

    Parameters
    ----------
    chart
        What; its height follows from the rows.
    rows
        Name, weight, share of risk, the words at the right.
    """
    most = max([abs(size) for _, weight, risk, _ in rows for size in (weight, risk)] + [1e-9])
    body = []
    for place, (who, weight, risk, told) in enumerate(rows):
        top = place * _ROW
        body += [
            _text(0.0, top + 14.0, who, "start", "who"),
            _text(1.0, top + 14.0, told, "end", "who value"),
        ]
        for size, style, lower in ((weight, "light", 20.0), (risk, "full", 26.0)):
            shape = f"share {style}" + (" less" if size < 0.0 else "")
            width = _share(abs(size) / most)
            body.append(tag("rect", class_=shape, x=0.0, y=top + lower, width=width, height=5.0))
    return _whole(chart._replace(height=len(rows) * _ROW), "".join(body))


def _whole(chart: Chart, body: str) -> str:
    title, description = f"{chart.key}-title", f"{chart.key}-words"
    told = tag("title", words(chart.title), id=title)
    told += tag("desc", words(chart.description), id=description)
    return tag(
        "svg", told, body, class_="chart", role="img", width="100%", height=chart.height,
        aria_labelledby=title, aria_describedby=description,
    )  # fmt: skip


def _stretched(inner: str, height: float) -> str:
    box = f"0 0 {number(GRID)} {number(height)}"
    return (
        f'<svg width="100%" height="{number(height)}" viewBox="{box}" preserveAspectRatio="none">'
        f"{inner}</svg>"
    )


# Round ticks within the values, which take the whole height with some air around them.
def _tight(low: float, high: float, floor: float) -> Axis:
    ticks = axis(low, high, floor, _TOP, 5).ticks
    air = _AIR * (high - low) or 0.5 * (ticks[-1] - ticks[0])
    least, most = low - air, high + air
    inside = tuple(tick for tick in ticks if least <= tick <= most)
    return Axis(least, most, floor, _TOP, inside)


def _plot(chart: Chart) -> tuple[float, float]:
    return chart.height - _FOOT, _TOP


def _rows(
    up: Axis, name: Callable[[float], str], ground: float | None, *, over: bool = False
) -> Iterable[str]:
    for tick in up.ticks:
        y = up(tick)
        style = "ground" if tick == ground else "grid"
        yield tag("line", class_=style, x1=0.0, x2="100%", y1=y, y2=y)
        yield _text(0.0, y - 3.0, name(tick), "start", "tick over" if over else "tick")


def _names(ticks: Iterable[Tick], height: float) -> Iterable[str]:
    for tick in ticks:
        style = "tick minor" if tick.minor else "tick"
        yield _text(tick.place, height - 6.0, tick.name, _anchor(tick.place), style)


def _rug(sizes: FloatArray, marked: BoolArray, top: float) -> str:
    """Draw the largest size of each column as a stroke, and marks as crosses at the foot."""
    bars = len(sizes)
    column = np.arange(bars) * COLUMNS // bars
    largest = np.zeros(COLUMNS)
    np.maximum.at(largest, column, sizes)
    some = largest[largest > 0.0]
    most = float(np.quantile(some, _RUG_CUT)) if some.size else 1.0
    room = _RUG - 12.0
    strokes = [
        f"M{number((place + 0.5) / COLUMNS * GRID)} {number(top + room)}"
        f"v{number(-min(max(room * size / most, 1.5), room))}"
        for place, size in enumerate(largest.tolist())
        if size > 0.0
    ]
    crosses = [
        f"M{number((place + 0.5) / COLUMNS * GRID)} {number(top + room + 2.0)}v5"
        for place in np.unique(column[marked]).tolist()
    ]
    drawn = tag("path", class_="stroke", d="".join(strokes))
    return drawn + (tag("path", class_="cross", d="".join(crosses)) if crosses else "")


def _text(place: float, y: float, told: str, anchor: str, style: str) -> str:
    return tag("text", words(told), x=_share(place), y=y, text_anchor=anchor, class_=style)


def _share(value: float) -> str:
    return f"{number(value * 100.0)}%"


def _anchor(place: float) -> str:
    return "start" if place < _EDGE else "end" if place > 1.0 - _EDGE else "middle"


def _points(values: FloatArray, places: IntArray, up: Axis) -> list[tuple[float, float]]:
    last = max(len(values) - 1, 1)
    return [
        (place / last * GRID, up(value))
        for place, value in zip(places.tolist(), values[places].tolist(), strict=True)
    ]


def _last_of_each(bars: int, columns: int) -> IntArray:
    """Return the last of the bars in each column, all where they fit."""
    count = min(bars, columns)
    return (np.arange(1, count + 1) * bars // count) - 1
