import numpy as np
from scipy.optimize import linprog

from streams.core.optimize.linear_program import GrowingProgram, Rows, minimize


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


def test_a_grown_program_has_scipys_optimum_and_proves_it():
    met = 0
    for seed in range(200):
        costs, matrix, right = program(seed)
        count, grown = len(costs), GrowingProgram()
        grown.add_columns(costs, np.zeros(count), np.full(count, 2.0))
        for line, bound in zip(matrix, right, strict=True):
            grown.add_rows(line[None], np.array([-np.inf]), np.array([bound]))
            vertex = grown.solve()
        oracle = linprog(costs, A_ub=matrix, b_ub=right, bounds=[(0.0, 2.0)] * count)
        assert (vertex is None) == (oracle.status == 2)
        if vertex is None:
            continue
        met += 1
        # HiGHS' own tolerances, 1e-7 in scipy's call
        assert abs(costs @ vertex.columns - oracle.fun) < 1e-6
        # sums of ten numbers of size 1
        assert abs(costs @ vertex.columns - vertex.value_min) < 1e-12
        assert np.allclose(vertex.row_prices, oracle.ineqlin.marginals, atol=1e-6)
    assert 50 < met < 200


def test_a_linked_column_enters_a_row_that_was_there():
    grown = GrowingProgram()
    grown.add_columns(np.array([1.0]), np.zeros(1), np.ones(1))
    grown.add_rows(np.ones((1, 1)), np.array([2.0]), np.array([np.inf]))
    assert grown.solve() is None
    grown.add_columns(np.full(2, 3.0), np.zeros(2), np.ones(2), (0, 2.0))
    vertex = grown.solve()
    assert vertex.columns[0] == 1.0
    assert vertex.columns[1:].sum() == 0.5
    assert vertex.value_min == 2.5
    assert vertex.row_prices.tolist() == [1.5]


def test_wrong_prices_prove_less_never_more():
    grown = GrowingProgram()
    grown.add_columns(np.array([1.0, 2.0]), np.zeros(2), np.array([0.75, 1.0]))
    grown.add_rows(np.ones((1, 2)), np.array([1.0]), np.array([np.inf]))
    optimum = grown.solve().value_min
    assert optimum == 1.25
    for price in (-3.0, 0.0, 1.0, 1.9, 2.1, 5.0):
        assert grown.value_min(np.array([price])) < optimum + 1e-15
