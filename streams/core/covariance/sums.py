"""Sums of products of returns, to which rows are added and from which rows are taken out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import blas

from streams.core.arrays import BoolArray, FloatArray
from streams.core.covariance.batch import ROWS_MIN, CovarianceSpec, centre, shrinkage

__all__ = ["CovarianceSummary", "ProductSums"]

# Sums keep 16 digits of the largest they have been: what is left after a fall below this share of
# that has lost two of them, and is made anew.
_SHARE_LEFT_MIN: Final = 0.01
_BLOCK_COLUMNS: Final = 64  # 64 x 1000 float64 = 512 kB: worked on while in the cache
_BELOW: Final = np.tri(_BLOCK_COLUMNS, k=-1, dtype=np.bool_)
_NO_PAIR: Final = np.tri(_BLOCK_COLUMNS, dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class CovarianceSummary:
    """A covariance in a line.

    Attributes
    ----------
    n_common
        Complete rows it is made of.
    average_correlation
        Plain mean over pairs; None where there is no pair with variance.
    pair_max
        The most correlated pair: positions i < j in the eligible set, and their correlation.
    trace
        Sum of variances per bar; None while there are too few rows, or beyond float64.
    """

    n_common: int
    average_correlation: float | None = None
    pair_max: tuple[int, int, float] | None = None
    trace: float | None = None


class ProductSums:
    """Sums over n rows of d d' (and of d, and of norms) with d = r - shift.

    The shift is the mean of the rows it was restarted with (zero for `ewma`). For `ewma` the sums
    are held divided by `scale`: instead of fading the older rows, newer ones enter heavier.
    """

    __slots__ = (
        "_cubes",
        "_largest",
        "_linear",
        "_own",
        "_products",
        "_quartic",
        "_scale",
        "_shift",
        "_spec",
        "count",
    )

    def __init__(self, spec: CovarianceSpec, rows: FloatArray) -> None:
        decay = spec.decay
        self._spec = spec
        self.count: int = rows.shape[0]
        columns = rows.shape[1]
        self._scale = 1.0
        self._shift = np.zeros(columns)
        with np.errstate(all="ignore"):
            if decay is None and self.count:
                self._shift = centre(rows)
            distance = rows - self._shift
            weighted = distance
            if decay is not None:
                weighted = distance * (decay ** np.arange(self.count - 1, -1, -1.0))[:, None]
            self._products = np.asfortranarray(weighted.T @ distance)  # lower triangle kept
            # About zero there is no mean to take off: the linear sums stay zero.
            self._linear = distance.sum(axis=0) if decay is None else np.zeros(columns)
            norms = np.einsum("ij,ij->i", distance, distance)
            self._cubes = norms @ distance  # sum of ||d||^2 d
            self._quartic: float = float(norms @ norms)  # sum of ||d||^4
        self._own = np.diag(self._products).copy()
        self._largest = self._own.copy()

    def enter(self, row: FloatArray) -> None:
        """Add the newest row, (N,) complete."""
        self.count += 1
        if self._spec.decay is None:
            self._accumulate(row - self._shift, 1.0)
        else:
            self._scale *= self._spec.decay
            self._accumulate(row, 1.0 / self._scale)

    def leave(self, row: FloatArray) -> None:
        """Take the oldest row out, (N,) complete."""
        self.count -= 1
        if self._spec.decay is None:
            self._accumulate(row - self._shift, -1.0)
        else:
            self._accumulate(row, -(self._spec.decay**self.count) / self._scale)

    def worn(self) -> bool:
        """Tell whether some column's spread is too small a rest of what its sums have been."""
        with np.errstate(all="ignore"):
            np.maximum(self._largest, self._own, out=self._largest)
            spread = self._own - self._linear * self._linear / max(self.count, 1)
            return not bool((spread >= _SHARE_LEFT_MIN * self._largest).all())

    def matrix(self) -> FloatArray:
        """Give the estimate, (N, N) exactly symmetric; not finite where it is beyond float64."""
        columns = self._own.size
        factor, added = self._factors()
        matrix = np.empty((columns, columns))
        for start, central, below in self._central_blocks():
            block = np.multiply(central, factor, out=central)
            stop = start + len(block)
            # Row j of the block is column j of the lower triangle: right of the diagonal.
            square = np.where(below, 0.0, block[:, : stop - start])
            matrix[start:stop, start:stop] = square + np.triu(square, 1).T
            matrix[start:stop, stop:] = block[:, stop - start :]
            matrix[stop:, start:stop] = block[:, stop - start :].T
        _diagonal(matrix)[:] += added
        return matrix

    def summary(self) -> CovarianceSummary:
        """Summarise, without the matrix as a whole."""
        if self.count < ROWS_MIN:
            return CovarianceSummary(n_common=self.count)
        with np.errstate(all="ignore"):
            factor, added = self._factors()
            variances = self._central_own() * factor + added
        trace = float(variances.sum())
        if not np.isfinite(trace):
            return CovarianceSummary(n_common=self.count)
        live = variances > 0.0
        inverse = np.zeros_like(variances)
        np.divide(1.0, np.sqrt(variances), out=inverse, where=live)
        return CovarianceSummary(
            n_common=self.count,
            average_correlation=self._average_correlation(inverse, factor, added),
            pair_max=self._pair_max(inverse, factor),
            trace=trace,
        )

    def _accumulate(self, distance: FloatArray, factor: float) -> None:
        with np.errstate(all="ignore"):
            blas.dsyr(factor, distance, lower=1, a=self._products, overwrite_a=1)
            squares = distance * distance
            self._own += factor * squares
            if self._spec.decay is None:
                self._linear += factor * distance
            if self._spec.kind == "ledoit_wolf":
                norm = float(squares.sum())
                self._cubes += (factor * norm) * distance
                self._quartic += factor * norm * norm

    # The central sums of products, some columns at a time: their first column, a new array (b, m)
    # whose row j holds entries (start.., start + j) of the triangle, and what of its leading square
    # is not of that triangle.
    def _central_blocks(self) -> Iterator[tuple[int, FloatArray, BoolArray]]:
        columns = self._own.size
        mean = self._linear / max(self.count, 1)
        below = _BELOW[:columns, :columns]
        for start in range(0, columns, _BLOCK_COLUMNS):
            stop = min(start + _BLOCK_COLUMNS, columns)
            block = self._products[start:, start:stop].T
            if self._spec.decay is None:
                yield start, block - np.outer(self._linear[start:stop], mean[start:]), below
            else:
                yield start, block.copy(), below
            below = below[: columns - stop, : columns - stop]

    def _central_own(self) -> FloatArray:
        own: FloatArray = np.diag(self._products).copy()
        if self._spec.decay is None:
            own -= self._linear * (self._linear / self.count)
        return np.maximum(own, 0.0, out=own)

    # What the central sums are multiplied by, and what is then added on the diagonal.
    def _factors(self) -> tuple[float, float]:
        count, decay = self.count, self._spec.decay
        if decay is not None:
            weight = -np.expm1(count * np.log(decay)) / (1.0 - decay)
            return float(self._scale / weight), 0.0
        if self._spec.kind == "sample":
            return 1.0 / (count - 1), 0.0
        own = self._central_own() / count
        mean_variance = float(own.mean())
        apart = own - mean_variance
        others = 0.0
        for _, block, below in self._central_blocks():
            square = block[:, : len(block)]
            square[below] = 0.0
            _diagonal(square)[:] = 0.0
            others += 2.0 * float(np.vdot(block, block))
        others /= count * count
        share = shrinkage(
            distance=float(apart @ apart) + others,
            total=float(own @ own) + others,
            norms_squared=self._norms_squared(),
            count=count,
        )
        return (1.0 - share) / count, share * mean_variance

    # Sum of ||d - m||^4 over the rows, m the mean of d: multiplied out.
    def _norms_squared(self) -> float:
        count = self.count
        mean: FloatArray = self._linear / count
        square = float(mean @ mean)
        along = float(mean @ blas.dsymv(1.0, self._products, mean, lower=1))
        norms = float(self._own.sum())
        fourth = float(mean @ self._cubes)
        return (
            self._quartic
            - 4.0 * fourth
            + 2.0 * square * norms
            + 4.0 * along
            - 3.0 * count * square * square
        )

    def _average_correlation(
        self, inverse: FloatArray, factor: float, added: float
    ) -> float | None:
        live = int(np.count_nonzero(inverse))
        if live < 2:  # noqa: PLR2004  a pair is two
            return None
        total = float(inverse @ blas.dsymv(1.0, self._products, inverse, lower=1))
        if self._spec.decay is None:
            total -= float(self._linear @ inverse) ** 2 / self.count
        own = total * factor + added * float(inverse @ inverse)
        return min(max((own - live) / (live * (live - 1)), -1.0), 1.0)

    def _pair_max(self, inverse: FloatArray, factor: float) -> tuple[int, int, float] | None:
        best: tuple[int, int, float] | None = None
        dead = inverse == 0.0
        some_dead = bool(dead.any())
        for start, central, _ in self._central_blocks():
            size = len(central)
            stop = start + size
            block = np.multiply(central, (factor * inverse[start:stop])[:, None], out=central)
            np.multiply(block, inverse[start:], out=block)
            np.copyto(block[:, :size], -np.inf, where=_NO_PAIR[:size, :size])
            if some_dead:
                block[dead[start:stop]] = -np.inf
                block[:, dead[start:]] = -np.inf
            row, column = divmod(int(block.argmax()), block.shape[1])
            rho = float(block[row, column])
            if rho > (-np.inf if best is None else best[2]):
                best = start + row, start + column, min(max(rho, -1.0), 1.0)
        return best


# A view to write through.
def _diagonal(square: FloatArray) -> FloatArray:
    diagonal: FloatArray = np.einsum("ii->i", square)
    return diagonal
