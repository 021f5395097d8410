"""What is tried, in order, when the solver of a problem does not answer.

Every step must meet the same limits and pass the same independent check, so that no step helps
where the limits themselves cannot be met: an infeasible problem is held at once.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, Literal, TypeAlias, get_args

from streams.core.optimize.problem import Failed, Infeasible, Outcome, Problem, Solved
from streams.core.optimize.roads import solve

Step: TypeAlias = Literal["other_solver", "hrp", "inverse_volatility", "hold"]
Used: TypeAlias = Literal["none", "other_solver", "hrp", "inverse_volatility", "hold"]

STEPS: Final[tuple[Step, ...]] = get_args(Step)


def allowed_steps(names: Collection[str]) -> tuple[Step, ...]:
    """Return the steps of some names, in the order in which they are taken."""
    return tuple(step for step in STEPS if step in names)


def solve_with_fallback(problem: Problem, allowed: Collection[Step]) -> tuple[Outcome, Used]:
    """Solve a problem; where no solver answers, go down the ladder as far as is allowed.

    The steps are the same objective on the other road; hierarchical risk parity and inverse
    volatility, moved to the nearest weights that meet the limits; and last, to keep what is held.

    Parameters
    ----------
    problem : Problem
        N strategies.
    allowed : collection of Step
        Steps that may be taken, in whatever order they are named; "hold" is always allowed.

    Returns
    -------
    tuple of Outcome and Used
        Solved with "none" or the step that led there; else with "hold" the first outcome, and for
        a failure what each step said.
    """
    outcome = solve(problem)
    if isinstance(outcome, Solved):
        return outcome, "none"
    if isinstance(outcome, Infeasible):
        return outcome, "hold"
    said = [outcome.reason]
    for step, attempt in _ATTEMPTS.items():
        if step not in allowed:
            continue
        found = attempt(problem)
        if isinstance(found, Solved):
            return found, step
        said.append(f"{step}: {found.reason if isinstance(found, Failed) else 'infeasible'}")
    return Failed(reason="; ".join(said)), "hold"


def _on_the_other_road(problem: Problem) -> Outcome:
    return solve(problem, road="modelled")


def _by_rule(objective: str) -> Callable[[Problem], Outcome]:
    """Return a step that follows a rule, to which no charge can be made."""
    return lambda problem: solve(replace(problem, objective=objective, costs=None, penalty=None))


_ATTEMPTS: Final[dict[Step, Callable[[Problem], Outcome]]] = {
    "other_solver": _on_the_other_road,
    "hrp": _by_rule("hrp"),
    "inverse_volatility": _by_rule("inverse_volatility"),
}
