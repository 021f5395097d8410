"""What the sliding sums are made of, and what follows from them.

Sums are of differences x = r - anchor; everything told to others is about the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, IntArray
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

    @classmethod
    def side_by_side(cls, windows: Sequence[tuple[FloatArray, FloatArray]]) -> "Moments":
        """Turn the sums (fields, K, M) and anchors (K, M) of several windows into (W, K, M)."""
        sums = np.stack([sums[:_MOMENT_FIELDS] for sums, _ in windows], axis=1)
        return cls.of(sums, np.stack([anchors for _, anchors in windows]))

    def at(self, *index: int | slice) -> "Moments":
        """Give those of some windows, bars or columns."""
        return Moments(*(getattr(self, name)[index] for name in self.__slots__))


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

    def at(self, columns: slice) -> "Relation":
        """Give that of some columns."""
        return Relation(*(getattr(self, name)[..., columns] for name in self.__slots__))


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

    def __call__(
        self, rows: FloatArray, anchors: FloatArray, given: BoolArray | None = None
    ) -> FloatArray:
        """Give the terms of each bar; see ``Terms``."""
        chosen = rows if given is None else rows[:, given]
        about = anchors if given is None else anchors[given]
        missing = np.isnan(chosen)
        terms = np.empty((self.fields, *chosen.shape))
        x = terms[_X1]
        np.subtract(chosen, about, out=x)
        gains = np.maximum(chosen, 0.0, out=terms[_GAINS])
        np.subtract(gains, chosen, out=terms[_LOSSES])
        if missing.any():
            np.logical_not(missing, out=terms[_COUNT], casting="unsafe")
            for field in (_X1, _GAINS, _LOSSES):
                np.copyto(terms[field], 0.0, where=missing)
        else:
            terms[_COUNT] = 1.0
        np.multiply(x, x, out=terms[_X2])
        np.multiply(terms[_X2], x, out=terms[_X3])
        np.multiply(terms[_X2], terms[_X2], out=terms[_X4])
        for place in range(self.references):
            column = rows.shape[1] - self.references + place
            y = rows[:, column, None] - anchors[column]
            _pair_up(terms, y, terms[_MOMENT_FIELDS + place * _RELATION_FIELDS :])
        return terms


# Six fields about the bars in which both are observed: of the others x, y and all else is 0.
def _pair_up(terms: FloatArray, y: FloatArray, into: FloatArray) -> None:
    into[_PAIRS : _PAIR_X2 + 1] = terms[_COUNT : _X2 + 1]
    into[_Y1] = y
    absent = np.isnan(y)
    if absent.any():
        into[_PAIRS:_Y2, absent[:, 0]] = 0.0
    np.multiply(into[_Y1], into[_PAIRS], out=into[_Y1])
    np.multiply(into[_Y1], into[_Y1], out=into[_Y2])
    np.multiply(into[_PAIR_X1], into[_Y1], out=into[_XY])


class LappedTerms:
    """Products of the sums of 1, x and x^2 over each bar and the ``lead`` bars after it."""

    __slots__ = ("fields", "lead", "references")

    def __init__(self, lags: int) -> None:
        self.lead = lags
        self.fields = len(_PRODUCTS)
        self.references = 0

    def __call__(
        self, rows: FloatArray, anchors: FloatArray, given: BoolArray | None = None
    ) -> FloatArray:
        """Give the terms of each bar; see ``Terms``."""
        if given is not None:
            rows, anchors = rows[:, given], anchors[given]
        powers = _powers(rows, anchors)
        count = len(rows) - self.lead
        total = powers[:, :count]
        for ahead in range(1, self.lead + 1):
            total = total + powers[:, ahead : ahead + count]
        return _products(total)


@dataclass(frozen=True, slots=True, eq=False)
class Lapped:
    """Sums of the products of lapped sums (6, W, K, M), ``anchors`` (W, K, M) what x is taken from.

    Every ``lags`` + 1 neighbouring bars make one lapped sum; those that reach over an end of the
    window count what lies inside. ``lags`` (W, 1, 1) follow from the lengths of the windows.
    """

    lags: IntArray
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
        p = self.products  # in the order of _PRODUCTS
        total = constant * (constant * p[0] + 2.0 * (linear * p[1] + square * p[2]))
        total += linear * (linear * p[3] + 2.0 * (square * p[4]))
        total += square * square * p[5]
        summed: FloatArray = np.maximum(total, 0.0) / (self.lags + 1)
        return summed


class LappedSums:
    """Lapped sums over the last bars of windows of W lengths."""

    __slots__ = ("_lags", "_sums", "_windows")

    def __init__(self, windows: tuple[int, ...]) -> None:
        self._windows = windows
        self._lags = [lags_of(window) for window in windows]
        self._sums = [
            SlidingSums(window - lags, LappedTerms(lags))
            for window, lags in zip(windows, self._lags, strict=True)
        ]

    def forget(self) -> None:
        """Make everything anew from the next history given."""
        for sums in self._sums:
            sums.forget()

    def advance(self, bars: Bars, count: int) -> Lapped:
        """Sum over the windows that end with each of the newest ``count`` bars, (W, K, M)."""
        found = [sums.advance(bars, count) for sums in self._sums]
        products = np.stack([sums for sums, _ in found], axis=1)
        anchors = np.stack([about for _, about in found])
        total = _powers(self._ends(bars, count), anchors)
        for place in range(1, total.shape[1]):
            total[:, place] += total[:, place - 1]
        products += np.add.reduce(_products(total), axis=(1, 2))
        return Lapped(np.array(self._lags)[:, None, None], products, anchors)

    # The bars that the lapped sums over either end are made of, from there inwards, for the windows
    # that end with each of the newest bars: (lags, 2, W, K, M). Windows of fewer lags than others
    # have nothing in the first places, so that nothing is added for them.
    def _ends(self, bars: Bars, count: int) -> FloatArray:
        most, stop = max(self._lags), bars.stop
        ends = np.full((most, 2, len(self._windows), count, bars.columns), np.nan)
        newest = bars.read(stop - most + 1 - count, stop) if most else np.empty(0)
        for number, (window, lags) in enumerate(zip(self._windows, self._lags, strict=True)):
            first = stop - window
            oldest = bars.read(first + 1 - count, first + lags) if lags else np.empty(0)
            for place in range(lags):
                into = ends[most - lags + place, :, number]
                into[0] = oldest[place : place + count]
                into[1] = newest[most - 1 - place : most - 1 - place + count]
        return ends


# The anchor need not be one of the bars that both observe: what is left of a constant is rounding.
def _about_mean(n: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    squares = second - first * first / n
    return np.where(squares > _NOISE * n * second, squares, 0.0)


def _powers(rows: FloatArray, anchors: FloatArray) -> FloatArray:
    powers = np.empty((3, *rows.shape))
    x = np.subtract(rows, anchors, out=powers[1])
    missing = np.isnan(x)
    powers[0] = 1.0
    if missing.any():
        np.copyto(powers[:2], 0.0, where=missing)
    np.multiply(x, x, out=powers[2])
    return powers


def _products(total: FloatArray) -> FloatArray:
    products = np.empty((len(_PRODUCTS), *total.shape[1:]))
    for place, (i, j) in enumerate(_PRODUCTS):
        np.multiply(total[i], total[j], out=products[place])
    return products
