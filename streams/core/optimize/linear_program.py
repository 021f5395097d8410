"""A linear program over bounded columns, solved by HiGHS (Huangfu and Hall, 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from streams.core.arrays import FloatArray

_TOLERANCE = 1e-10  # the tightest HiGHS takes
# The dual simplex method takes a few steps a row; one that takes more is going in circles.
_STEPS_MAX = 20_000


@dataclass(slots=True)
class Rows:
    """Sparse rows of a program, written one at a time.

    Parameters
    ----------
    starts, columns, values : list
        Compressed rows.
    lower, upper : list of float
        Bounds of each row.
    """

    starts: list[int] = field(default_factory=lambda: [0])
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def add(
        self, columns: Sequence[int], values: Sequence[float], lower: float, upper: float
    ) -> None:
        """Add lower ≤ Σ values·x[columns] ≤ upper."""
        assert len(columns) == len(values), (len(columns), len(values))
        self.columns += columns
        self.values += values
        self.starts.append(len(self.columns))
        self.lower.append(lower)
        self.upper.append(upper)


def minimize(
    costs: FloatArray, lower: FloatArray, upper: FloatArray, rows: Rows
) -> FloatArray | None:
    """Minimise costs·x within the bounds and rows.

    Parameters
    ----------
    costs, lower, upper : FloatArray
        (k,) by column.
    rows : Rows
        Over the k columns.

    Returns
    -------
    FloatArray or None
        (k,) the optimum; None where there is none or HiGHS does not say.

    Examples
    --------
    >>> rows = Rows()
    >>> rows.add([0, 1], [1.0, 1.0], 1.0, 1.0)
    >>> minimize(np.array([1.0, 2.0]), np.zeros(2), np.array([0.75, 1.0]), rows).tolist()
    [0.75, 0.25]
    """
    highspy = _highspy()
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(costs), len(rows.lower)
    program.col_cost_ = costs
    program.col_lower_, program.col_upper_ = lower, upper
    program.row_lower_, program.row_upper_ = np.array(rows.lower), np.array(rows.upper)
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.start_, matrix.index_ = np.array(rows.starts), np.array(rows.columns)
    matrix.value_ = np.array(rows.values, dtype=np.float64)
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("primal_feasibility_tolerance", _TOLERANCE)
    solver.passModel(program)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(solver.getSolution().col_value)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vertex:
    """The optimum of a `GrowingProgram`, with the change of its value by each bound.

    Parameters
    ----------
    columns, column_prices : FloatArray
        (k,) values, and what a rise of the bound that holds a column adds to the value.
    row_prices : FloatArray
        (m,) the same of the rows.
    value_min : float
        No point within the bounds and rows has a lower value, whatever the solver says: it follows
        from the row prices and the numbers of the program alone (weak duality).
    steps : int
        Of the simplex method since the last optimum.
    """

    columns: FloatArray
    column_prices: FloatArray
    row_prices: FloatArray
    value_min: float
    steps: int


class GrowingProgram:
    """A linear program that rows and columns are added to, solved on from where it stood.

    An optimum stays dual feasible when a row is added: the dual simplex method goes on from it.
    """

    def __init__(self) -> None:
        solver = _highspy().Highs()
        solver.silent()
        for option, value in (
            ("threads", 1),
            ("presolve", "off"),
            ("simplex_iteration_limit", _STEPS_MAX),
            ("primal_feasibility_tolerance", _TOLERANCE),
            ("dual_feasibility_tolerance", _TOLERANCE),
        ):
            solver.setOptionValue(option, value)
        self._solver = solver
        self._costs, self._lower, self._upper = np.zeros(0), np.zeros(0), np.zeros(0)
        self._blocks: list[FloatArray] = []
        self._row_lower, self._row_upper = np.zeros(0), np.zeros(0)
        self._links: list[tuple[int, slice, float]] = []

    @property
    def count(self) -> int:
        """Columns so far."""
        return len(self._costs)

    def add_columns(
        self,
        costs: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        link: tuple[int, float] | None = None,
    ) -> None:
        """Add columns within finite bounds, all (k,).

        Of the rows so far they may enter one: `link` is that row and the coefficient of each.
        """
        size, entries = len(costs), 0 if link is None else len(costs)
        self._solver.addCols(
            size,
            costs,
            lower,
            upper,
            entries,
            np.arange(size, dtype=np.int32) if link else np.zeros(size, dtype=np.int32),
            np.full(entries, link[0] if link else 0, dtype=np.int32),
            np.full(entries, link[1] if link else 0.0),
        )
        if link is not None:
            self._links.append((link[0], slice(self.count, self.count + size), link[1]))
        self._costs = np.append(self._costs, costs)
        self._lower, self._upper = np.append(self._lower, lower), np.append(self._upper, upper)

    def add_rows(self, matrix: FloatArray, lower: FloatArray, upper: FloatArray) -> None:
        """Add rows lower (m,) ≤ matrix (m, k)·x ≤ upper (m,) over all columns so far."""
        assert matrix.shape == (len(lower), self.count), matrix.shape
        row, column = np.nonzero(matrix)
        starts = np.searchsorted(row, np.arange(len(lower)))
        self._solver.addRows(
            len(lower), lower, upper, len(row), starts, column, matrix[row, column]
        )
        self._blocks.append(matrix)
        self._row_lower = np.append(self._row_lower, lower)
        self._row_upper = np.append(self._row_upper, upper)

    def solve(self) -> Vertex | None:
        """Minimise the costs; None where there is no optimum or HiGHS does not say."""
        self._solver.run()
        if self._solver.getModelStatus() != _highspy().HighsModelStatus.kOptimal:
            return None
        solution = self._solver.getSolution()
        row_prices = np.array(solution.row_dual)
        return Vertex(
            columns=np.array(solution.col_value),
            column_prices=np.array(solution.col_dual),
            row_prices=row_prices,
            value_min=self.value_min(row_prices),
            steps=int(self._solver.getInfo().simplex_iteration_count),
        )

    def value_min(self, row_prices: FloatArray) -> float:
        """Value of the Lagrangian at its least over the box, at prices of the sign they must have.

        c'x ≥ c'x − y'(Ax − b) where y ≥ 0 meets the lower bounds b, and likewise the upper ones.
        """
        prices = np.where(np.isfinite(self._row_lower), row_prices, np.minimum(row_prices, 0.0))
        prices = np.where(np.isfinite(self._row_upper), prices, np.maximum(prices, 0.0))
        slopes, start = self._costs.copy(), 0
        for block in self._blocks:
            slopes[: block.shape[1]] -= prices[start : start + len(block)] @ block
            start += len(block)
        for row, columns, value in self._links:
            slopes[columns] -= prices[row] * value
        bounds = np.where(prices > 0.0, self._row_lower, self._row_upper)
        met = prices @ np.where(prices == 0.0, 0.0, bounds)
        return float(met + np.minimum(slopes * self._lower, slopes * self._upper).sum())


def _highspy() -> ModuleType:
    # Not at the top: only some solves come here, and the import takes 40 ms.
    import highspy  # noqa: PLC0415  see the line above

    return highspy
