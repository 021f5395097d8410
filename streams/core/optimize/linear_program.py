"""A linear program over bounded columns, solved by HiGHS (Huangfu and Hall, 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from streams.core.arrays import FloatArray

_TOLERANCE = 1e-10  # the tightest HiGHS takes


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


def _highspy() -> ModuleType:
    # Not at the top: only a failed solve comes here, and the import takes 40 ms.
    import highspy  # noqa: PLC0415  see the line above

    return highspy
