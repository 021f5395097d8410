"""The canonical program as solvers take it, and the two solvers asked: PIQP, then Clarabel."""

from dataclasses import dataclass
from types import SimpleNamespace

import clarabel
import numpy as np
import piqp

from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.optimize.quadratic import Quadratic

# Tight first, so that the active set can be read off; where the arithmetic does not reach that,
# what verify would still pass.
TOLERANCES = (1e-11, 1e-9)
# As a rule the active set shows two iterations before that, and the polish needs no more.
GUESS_TOLERANCE = 1e-8
# Both need 10 to 30 iterations; a problem that needs more is not converging.
_ITERATIONS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standard:
    """minimise ½z'Pz + q'z, Az = b, c ≤ Gz ≤ d, l ≤ z ≤ u over z = (legs, sales of kinked legs).

    A kinked leg may be bought or sold; where turnover is bounded its variable is what is bought,
    and the leg is held + bought − sold.

    Parameters
    ----------
    p, q : FloatArray
        (k, k) and (k,).
    a, b : FloatArray
        Equalities (e, k), (e,).
    g, c, d : FloatArray
        Two-sided rows (r, k), (r,), (r,); the turnover row, if any, is last.
    low, high : FloatArray
        (k,) bounds of z.
    equal, ranged : IntArray
        Rows of the canonical program behind `a` and the first rows of `g`.
    kinked : IntArray
        Legs that are split; empty where turnover is not bounded.
    """

    p: FloatArray
    q: FloatArray
    a: FloatArray
    b: FloatArray
    g: FloatArray
    c: FloatArray
    d: FloatArray
    low: FloatArray
    high: FloatArray
    equal: IntArray
    ranged: IntArray
    kinked: IntArray

    def legs_of(self, z: FloatArray, held: FloatArray) -> FloatArray:
        """Legs (n,) of the variables (k,), given the held weights (n,)."""
        count = len(z) - len(self.kinked)
        legs = z[:count].copy()
        legs[self.kinked] += held[self.kinked] - z[count:]
        return legs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a solver said.

    Parameters
    ----------
    status : str
        Solver's own word.
    solved : bool
        Whether it claims the optimum.
    z : FloatArray
        (k,).
    equal_prices, ranged_prices, bound_prices : FloatArray
        (e,), (r,), (k,) multipliers, > 0 at an upper side.
    iterations : int
        Taken.
    """

    status: str
    solved: bool
    z: FloatArray
    equal_prices: FloatArray
    ranged_prices: FloatArray
    bound_prices: FloatArray
    iterations: int


def always_bought(quadratic: Quadratic) -> BoolArray:
    """Legs whose bounds leave only buying: Σ(x − held)⁺ is linear in them.

    Parameters
    ----------
    quadratic : Quadratic
        n legs.

    Returns
    -------
    BoolArray
        (n,).
    """
    return quadratic.held <= quadratic.lower


def kinked_legs(quadratic: Quadratic) -> BoolArray:
    """Legs that may be bought or sold.

    Parameters
    ----------
    quadratic : Quadratic
        n legs.

    Returns
    -------
    BoolArray
        (n,).
    """
    return (quadratic.held > quadratic.lower) & (quadratic.held < quadratic.upper)


def standard_of(quadratic: Quadratic) -> Standard:
    """Write the canonical program in standard form.

    Parameters
    ----------
    quadratic : Quadratic
        n legs.

    Returns
    -------
    Standard
        k = n variables, or n plus the kinked legs where turnover is bounded.
    """
    turnover = quadratic.buys_max is not None
    kinked = np.flatnonzero(kinked_legs(quadratic)) if turnover else np.empty(0, dtype=np.int64)
    is_kinked = np.zeros(len(quadratic.held), dtype=np.bool_)
    is_kinked[kinked] = True
    base = np.where(is_kinked, quadratic.held, 0.0)
    shift = quadratic.rows @ base
    some = np.abs(quadratic.rows).sum(axis=1) > 0.0
    same = quadratic.row_lower == quadratic.row_upper
    equal, ranged = np.flatnonzero(some & same), np.flatnonzero(some & ~same)
    rows = np.hstack([quadratic.rows, -quadratic.rows[:, kinked]])
    g = rows[ranged]
    c, d = (quadratic.row_lower - shift)[ranged], (quadratic.row_upper - shift)[ranged]
    if quadratic.buys_max is not None:
        bought = always_bought(quadratic)
        linear = float(quadratic.held[bought].sum())
        counted = bought.astype(np.float64)
        counted[kinked] = 1.0
        g = np.vstack([g, np.append(counted, np.zeros(len(kinked)))])
        c, d = np.append(c, -np.inf), np.append(d, quadratic.buys_max + linear)
    hessian, gradient = _split(quadratic, kinked, base)
    return Standard(
        p=hessian,
        q=gradient,
        a=np.asfortranarray(rows[equal]),
        b=(quadratic.row_upper - shift)[equal],
        g=np.asfortranarray(g),
        c=c,
        d=d,
        low=np.concatenate([np.where(is_kinked, 0.0, quadratic.lower), np.zeros(len(kinked))]),
        high=np.concatenate([quadratic.upper - base, (quadratic.held - quadratic.lower)[kinked]]),
        equal=equal,
        ranged=ranged,
        kinked=kinked,
    )


def _split(
    quadratic: Quadratic, kinked: IntArray, base: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Objective in (legs with the kinked ones counted from held, sales)."""
    hessian, legs = quadratic.hessian, len(base)
    if len(kinked) == 0:
        return hessian, quadratic.gradient
    gradient = quadratic.gradient + hessian @ base
    split = np.empty((legs + len(kinked), legs + len(kinked)), order="F")
    split[:legs, :legs] = hessian
    split[:legs, legs:] = -hessian[:, kinked]
    split[legs:, :legs] = -hessian[kinked]
    split[legs:, legs:] = hessian[np.ix_(kinked, kinked)]
    return split, np.append(gradient, -gradient[kinked])


def solve_piqp(standard: Standard, tolerance: float) -> Answer:
    """Solve with PIQP, a dense proximal interior-point method (Schwan et al., CDC 2023).

    Parameters
    ----------
    standard : Standard
        k variables.
    tolerance : float
        Of residuals and gap, absolute and relative.

    Returns
    -------
    Answer
        Solved or not.
    """
    solver = piqp.DenseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_rel = tolerance
    settings.eps_duality_gap_abs = settings.eps_duality_gap_rel = tolerance
    settings.max_iter = _ITERATIONS_MAX
    settings.num_threads = 1
    ranged = (standard.g, standard.c, standard.d) if len(standard.g) > 0 else (None, None, None)
    equal = (standard.a, standard.b) if len(standard.a) > 0 else (None, None)
    solver.setup(standard.p, standard.q, *equal, *ranged, standard.low, standard.high)
    status = solver.solve()
    result = solver.result
    none = np.zeros(0)
    return Answer(
        status=status.name.removeprefix("PIQP_").lower(),
        solved=status == piqp.PIQP_SOLVED,
        z=np.array(result.x),
        equal_prices=np.array(result.y) if len(standard.a) > 0 else none,
        ranged_prices=result.z_u - result.z_l if len(standard.g) > 0 else none,
        bound_prices=result.z_bu - result.z_bl,
        iterations=int(result.info.iter),
    )


def solve_clarabel(standard: Standard, tolerance: float) -> Answer:
    """Solve with Clarabel, a homogeneous interior-point method (Goulart and Chen, 2024).

    Parameters
    ----------
    standard : Standard
        k variables.
    tolerance : float
        Of residuals and gap, absolute and relative.

    Returns
    -------
    Answer
        Solved or not.
    """
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.max_iter = _ITERATIONS_MAX
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = tolerance
    size = len(standard.q)
    above, below = np.flatnonzero(np.isfinite(standard.d)), np.flatnonzero(np.isfinite(standard.c))
    eye = np.eye(size)
    stacked = np.vstack([standard.a, standard.g[above], -standard.g[below], eye, -eye])
    right = np.concatenate(
        [standard.b, standard.d[above], -standard.c[below], standard.high, -standard.low]
    )
    cones = [clarabel.ZeroConeT(len(standard.a))] if len(standard.a) > 0 else []
    cones.append(clarabel.NonnegativeConeT(len(right) - len(standard.a)))
    solution = clarabel.DefaultSolver(
        _columns(np.triu(standard.p)), standard.q, _columns(stacked), right, cones, settings
    ).solve()
    dual = np.array(solution.z)
    parts = np.cumsum([len(standard.a), len(above), len(below), size])
    equal, upper, lower, high, low = np.split(dual, parts)
    ranged = np.zeros(len(standard.g))
    ranged[above] += upper
    ranged[below] -= lower
    return Answer(
        status=str(solution.status),
        solved=solution.status == clarabel.SolverStatus.Solved,
        z=np.array(solution.x),
        equal_prices=equal,
        ranged_prices=ranged,
        bound_prices=high - low,
        iterations=int(solution.iterations),
    )


def _columns(matrix: FloatArray) -> SimpleNamespace:
    """Compressed columns of a matrix: what Clarabel reads of a scipy one."""
    column, row = np.nonzero(matrix.T)
    counts = np.bincount(column, minlength=matrix.shape[1])
    return SimpleNamespace(
        data=np.ascontiguousarray(matrix[row, column]),
        indices=row.astype(np.int64),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        shape=matrix.shape,
        nnz=len(row),
        has_sorted_indices=True,
        has_canonical_format=True,
    )
