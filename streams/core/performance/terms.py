"""What the sliding sums are made of, and what follows from them.

Sums are of differences x = r - anchor; everything told to others is about the mean.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.core.arrays import BoolArray, FloatArray
from streams.core.performance.sums import Bars, SlidingSums

__all__ = [
    "Lapped",
    "LappedSums",
    "LappedTerms",
    "Moments",
    "PlainTerms",
    "Relation",
    "lags_of",
    "relations_in",
]

# Fields of `PlainTerms`: first the moments, then six for each reference.
_COUNT, _X1, _X2, _X3, _X4, _GAINS, _LOSSES = range(7)
_MOMENT_FIELDS: Final = 7
_PAIRS, _PAIR_X1, _PAIR_X2, _Y1, _Y2, _XY = range(6)
_RELATION_FIELDS: Final = 6
# Fields of `LappedTerms`: products of the lapped sums of 1, x and x^2.
_NOISE: Final = 2.0**-50  # of a sum of squares, for each of its terms
_PRODUCTS: Final = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def lags_of(window: int) -> int:
    """Count the lags of the Newey-West estimate: floor(4 (w/100)^(2/9)), w bars in the window.

    Newey and West (1994), "Automatic lag selection in covariance matrix estimation", the plug-in
    rule for Bartlett weights; it follows the window's length, so that warm-up changes no rule.

    Examples
    --------
    >>> [lags_of(window) for window in (2, 20, 60, 252, 1000)]
    [1, 2, 3, 4, 6]
    """
    return int(4.0 * (window / 100.0) ** (2.0 / 9.0))


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Of the observed returns of each window, arrays (...).

    ``second``, ``third`` and ``fourth`` are sums of (r - mean)^p.
    """

    count: FloatArray
    mean: FloatArray
    second: FloatArray
    third: FloatArray
    fourth: FloatArray
    gains: FloatArray
    losses: FloatArray

    @classmethod
    def of(cls, sums: FloatArray, anchors: FloatArray) -> "Moments":
        """Turn sums (fields, ...) about anchors (...) into moments about the mean."""
        n = np.maximum(sums[_COUNT], 1.0)
        d = sums[_X1] / n
        second = sums[_X2] - sums[_X1] * d
        third = sums[_X3] - 3.0 * d * sums[_X2] + 2.0 * sums[_X1] * d * d
        fourth = (
            sums[_X4] - 4.0 * d * sums[_X3] + 6.0 * d * d * sums[_X2] - 3.0 * sums[_X1] * d * d * d
        )
        return cls(
            count=sums[_COUNT],
            mean=anchors + d,
            second=np.maximum(second, 0.0),
            third=third,
            fourth=np.maximum(fourth, 0.0),
            gains=sums[_GAINS],
            losses=sums[_LOSSES],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """Of the bars of each window in which both a column and the reference are observed.

    Sums of squared and crossed differences to the two means over those bars.
    """

    count: FloatArray
    own: FloatArray
    reference: FloatArray
    cross: FloatArray

    @classmethod
    def of(cls, sums: FloatArray, place: int) -> "Relation":
        """Turn sums (fields, ...) into those with the reference number ``place``."""
        first = _MOMENT_FIELDS + place * _RELATION_FIELDS
        s = sums[first : first + _RELATION_FIELDS]
        n = np.maximum(s[_PAIRS], 1.0)
        return cls(
            count=s[_PAIRS],
            own=_about_mean(n, s[_PAIR_X1], s[_PAIR_X2]),
            reference=_about_mean(n, s[_Y1], s[_Y2]),
            cross=s[_XY] - s[_PAIR_X1] * s[_Y1] / n,
        )


def relations_in(fields: int) -> int:
    """Count the references that sums of so many fields were made with."""
    return (fields - _MOMENT_FIELDS) // _RELATION_FIELDS


class PlainTerms:
    """Powers of each return, gains and losses, and products with the reference columns.

    Parameters
    ----------
    references
        How many of the last columns are references.
    """

    __slots__ = ("fields", "lead", "references")

    def __init__(self, references: int) -> None:
        self.references = references
        self.fields = _MOMENT_FIELDS + _RELATION_FIELDS * references
        self.lead = 0

    def __call__(self, rows: FloatArray, anchors: FloatArray, given: BoolArray) -> FloatArray:
        """Give the terms of each bar; see ``Terms``."""
        every = bool(given.all())
        chosen = rows if every else rows[:, given]
        seen = ~np.isnan(chosen)
        x = np.where(seen, chosen - (anchors if every else anchors[given]), 0.0)
        filled = np.where(seen, chosen, 0.0)
        terms = np.empty((self.fields, *chosen.shape))
        terms[_COUNT] = seen
        terms[_X1] = x
        np.multiply(x, x, out=terms[_X2])
        np.multiply(terms[_X2], x, out=terms[_X3])
        np.multiply(terms[_X2], terms[_X2], out=terms[_X4])
        np.maximum(filled, 0.0, out=terms[_GAINS])
        np.subtract(terms[_GAINS], filled, out=terms[_LOSSES])
        for place in range(self.references):
            column = rows.shape[1] - self.references + place
            reference = rows[:, column, None]
            both = seen & ~np.isnan(reference)
            y = np.where(both, reference - anchors[column], 0.0)
            into = terms[_MOMENT_FIELDS + place * _RELATION_FIELDS :]
            into[_PAIRS] = both
            np.multiply(x, both, out=into[_PAIR_X1])
            np.multiply(into[_PAIR_X1], into[_PAIR_X1], out=into[_PAIR_X2])
            into[_Y1] = y
            np.multiply(y, y, out=into[_Y2])
            np.multiply(x, y, out=into[_XY])
        return terms


class LappedTerms:
    """Products of the sums of 1, x and x^2 over each bar and the ``lead`` bars after it."""

    __slots__ = ("fields", "lead", "references")

    def __init__(self, lags: int) -> None:
        self.lead = lags
        self.fields = len(_PRODUCTS)
        self.references = 0

    def __call__(self, rows: FloatArray, anchors: FloatArray, given: BoolArray) -> FloatArray:
        """Give the terms of each bar; see ``Terms``."""
        every = bool(given.all())
        powers = _powers(rows if every else rows[:, given], anchors if every else anchors[given])
        count = len(rows) - self.lead
        total = powers[:, :count]
        for ahead in range(1, self.lead + 1):
            total = total + powers[:, ahead : ahead + count]
        return _products(total)


@dataclass(frozen=True, slots=True, eq=False)
class Lapped:
    """Sums of the products of lapped sums, ``anchors`` what x is taken from.

    Every ``lags`` + 1 neighbouring bars make one lapped sum; those that reach over an end of the
    window count what lies inside.
    """

    lags: int
    products: FloatArray
    anchors: FloatArray

    def of_quadratic(
        self, constant: FloatArray, linear: FloatArray, square: FloatArray
    ) -> FloatArray:
        """Sum the squared lapped sums of y = constant + linear x + square x^2, divided by lags + 1.

        This is sum y_t^2 + 2 sum_l (1 - l / (lags + 1)) sum y_t y_(t-l) over the observed bars of
        the window: n times the estimate of Newey and West (1987) with Bartlett weights, never
        negative.
        """
        weights = (constant, linear, square)
        total = np.zeros_like(constant)
        for (i, j), product in zip(_PRODUCTS, self.products, strict=True):
            total += weights[i] * weights[j] * product * (1.0 if i == j else 2.0)
        return np.maximum(total, 0.0) / (self.lags + 1)


class LappedSums:
    """Lapped sums over the last ``window`` bars."""

    __slots__ = ("_lags", "_sums", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._lags = lags_of(window)
        self._sums = SlidingSums(window - self._lags, LappedTerms(self._lags))

    def forget(self) -> None:
        """Make everything anew from the next history given."""
        self._sums.forget()

    def advance(self, bars: Bars, count: int) -> Lapped:
        """Sum over the windows that end with each of the newest ``count`` bars."""
        sums, anchors = self._sums.advance(bars, count)
        stop, start = bars.stop, bars.stop - self._window
        if count == 1:
            return Lapped(self._lags, self._with_ends(sums, bars, anchors), anchors)
        for first, step in ((start + 1, 1), (stop, -1)):  # from either end inwards
            total = np.zeros((3, count, bars.columns))
            for place in range(self._lags):
                bar = first + step * place
                total = total + _powers(bars.read(bar - count, bar), anchors)
                sums = sums + _products(total)
        return Lapped(self._lags, sums, anchors)

    # The same at a single bar: all places of both ends at once, added up in the same order.
    def _with_ends(self, sums: FloatArray, bars: Bars, anchors: FloatArray) -> FloatArray:
        lags, start = self._lags, bars.stop - self._window
        if not lags:
            return sums
        ends = [bars.read(start, start + lags), bars.read(bars.stop - lags, bars.stop)[::-1]]
        total = _powers(np.stack(ends), anchors)
        for place in range(1, lags):
            total[:, :, place] += total[:, :, place - 1]
        for added in _products(total).reshape(len(_PRODUCTS), 2 * lags, 1, -1).swapaxes(0, 1):
            sums = sums + added
        return sums


# The anchor need not be one of the bars that both observe: what is left of a constant is rounding.
def _about_mean(n: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    squares = second - first * first / n
    return np.where(squares > _NOISE * n * second, squares, 0.0)


def _powers(rows: FloatArray, anchors: FloatArray) -> FloatArray:
    powers = np.empty((3, *rows.shape))
    seen = ~np.isnan(rows)
    powers[0] = seen
    powers[1] = np.where(seen, rows - anchors, 0.0)
    np.multiply(powers[1], powers[1], out=powers[2])
    return powers


def _products(total: FloatArray) -> FloatArray:
    products = np.empty((len(_PRODUCTS), *total.shape[1:]))
    for place, (i, j) in enumerate(_PRODUCTS):
        np.multiply(total[i], total[j], out=products[place])
    return products
