import numpy as np
from scipy.optimize import linprog

from streams.core.optimize.linear_program import Rows, minimize


def program(seed):
    """Some bounded columns and rows; about half cannot be met."""
    rng = np.random.default_rng(seed)
    columns, count = int(rng.integers(1, 8)), int(rng.integers(1, 6))
    matrix = rng.integers(-3, 4, (count, columns)).astype(float)
    matrix[0] += 1e-3  # no row is empty in scipy and not here
    return rng.normal(size=columns), matrix, rng.normal(size=count) - 0.3


def test_the_optimum_is_scipys_and_none_where_there_is_none():
    met = 0
    for seed in range(200):
        costs, matrix, right = program(seed)
        rows = Rows()
        for line, bound in zip(matrix, right, strict=True):
            rows.add(list(range(len(costs))), line.tolist(), -np.inf, float(bound))
        found = minimize(costs, np.zeros(len(costs)), np.full(len(costs), 2.0), rows)
        oracle = linprog(costs, A_ub=matrix, b_ub=right, bounds=[(0.0, 2.0)] * len(costs))
        assert (found is None) == (oracle.status == 2)
        if found is not None:
            met += 1
            # HiGHS' own tolerances, 1e-7 in scipy's call
            assert abs(costs @ found - oracle.fun) < 1e-6
            assert (matrix @ found <= right + 1e-9).all()
    assert 50 < met < 200


def test_an_equality_is_a_row_with_both_bounds():
    rows = Rows()
    rows.add([0, 1], [1.0, 1.0], 1.0, 1.0)
    rows.add([1], [1.0], 0.25, np.inf)
    found = minimize(np.array([1.0, 2.0]), np.zeros(2), np.full(2, np.inf), rows)
    assert found.tolist() == [0.75, 0.25]
