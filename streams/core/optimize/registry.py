"""Terms written in Python, known by the names under which this process registered them.

A portfolio file can only name what the program that reads it has registered itself: a file never
makes code be loaded.
"""

import difflib
from typing import TYPE_CHECKING, Protocol

from streams.core.arrays import FloatArray
from streams.core.errors import DataError

if TYPE_CHECKING:
    import cvxpy as cp

    from streams.core.optimize.problem import Problem


class PythonTerm(Protocol):
    """One expression of the weights, written twice so that the answer can be checked."""

    def expression(self, weights: "cp.Variable", problem: "Problem") -> "cp.Expression":
        """Build the scalar that the solver sees, of the weights (N,)."""
        ...

    def value(self, weights: FloatArray, problem: "Problem") -> float:
        """Compute the same at some weights (N,), without cvxpy."""
        ...


_REGISTERED: dict[str, PythonTerm] = {}


def register(name: str, term: PythonTerm) -> None:
    """Make a term known to this process under a name.

    Parameters
    ----------
    name : str
        As the portfolio file's ``python`` has it.
    term : PythonTerm
        Registering another one under the same name replaces it.
    """
    assert name, "a registered term has a name"
    _REGISTERED[name] = term


def registered(name: str) -> PythonTerm:
    """Return a registered term.

    Parameters
    ----------
    name : str
        As it was registered.

    Returns
    -------
    PythonTerm
        The term.

    Raises
    ------
    DataError
        Where this process has none of that name.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    near = difflib.get_close_matches(name, _REGISTERED, n=1, cutoff=0.0)
    hint = f"did you mean {near[0]!r}?" if near else "none are"
    message = f"objective.terms: python term {name!r} is not registered in this process; {hint}"
    raise DataError(message)
