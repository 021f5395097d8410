"""Pieces of SVG and HTML as text: escaped words, tags, round ticks, curves on a grid of pixels."""

import math
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

import numpy as np

from streams.core.arrays import FloatArray, IntArray

_TICKS: Final = 7
_UNSEEN: Final = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Categories of characters that nobody sees: controls, and what turns the direction of a line."""


class Axis(NamedTuple):
    """Where values fall on the page."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        """Return the place of a value, in pixels."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def axis(low: float, high: float, start: float, end: float, most: int = _TICKS) -> Axis:
    """Choose round ticks that enclose a range.

    Parameters
    ----------
    low, high : float
        Of the values.
    start, end : float
        Pixels of the lowest and the highest tick.
    most : int
        Steps between ticks, at the most before both ends are rounded outwards.

    Returns
    -------
    Axis
        From the tick at or below ``low`` to the one at or above ``high``.

    Examples
    --------
    >>> axis(0.0, 0.23, 0, 100).ticks
    (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)
    """
    span = high - low or max(abs(high), 1.0)
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if power * factor >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    ticks = tuple(round(number * step, 12) for number in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], start, end, ticks)


def words(text: str) -> str:
    """Return somebody's words so that they are only ever read as words.

    Markup is escaped, blanks and line breaks become one blank, and characters that nobody sees
    (controls, and those that turn the direction of what follows) are shown as U+FFFD.

    Examples
    --------
    >>> words('<b onclick="x">')
    '&lt;b onclick=&quot;x&quot;&gt;'
    """
    seen = (
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) in _UNSEEN else sign
        for sign in " ".join(text.split())
    )
    return escape("".join(seen), quote=True)


def number(value: float) -> str:
    """Return a coordinate to a tenth of a pixel, as short as it can be written.

    Examples
    --------
    >>> number(12.0), number(0.25), number(-0.04)
    ('12', '0.2', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def tag(name: str, *content: str, **attributes: str | float | None) -> str:
    """Return an element. ``content`` is markup already, values of attributes are words.

    A ``_`` at the end of an attribute's name is dropped, one inside becomes ``-``; None leaves the
    attribute out.

    Examples
    --------
    >>> tag("text", words("a < b"), x=1.25, class_="key")
    '<text x="1.2" class="key">a &lt; b</text>'
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_told(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{''.join(content)}</{name}>"


def _told(value: str | float) -> str:
    return words(value) if isinstance(value, str) else number(value)


def path_data(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """Return points as the data of a path, joined by straight lines."""
    joined = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return f"M{joined}{'Z' if closed else ''}" if points else ""


def thinned(values: FloatArray, columns: int) -> IntArray:
    """Choose the points of a curve that can be seen: the lowest and the highest of each column.

    Parameters
    ----------
    values : FloatArray
        (T,) at equal distances; NaN is never chosen.
    columns : int
        Of the grid.

    Returns
    -------
    IntArray
        Rising places in ``values``, at most two a column and the two ends; all where they fit.

    Examples
    --------
    >>> thinned(np.array([0.0, 5.0, 1.0, 1.0, -7.0, 2.0]), 2).tolist()
    [0, 1, 4, 5]
    """
    known = np.flatnonzero(~np.isnan(values))
    if len(known) <= 2 * columns:
        return known
    column = known * columns // len(values)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    chosen = {int(known[0]), int(known[-1])}
    for part in np.split(known, starts[1:]):
        chosen |= {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
    return np.array(sorted(chosen), dtype=np.int64)
