"""The optimizer's answers to paper books, and what each book makes of its own."""

from collections.abc import Iterator

import msgspec
import numpy as np

from schemas.optimize import OptimizeReply, OptimizeRequest, ShadowAnswer, SolveDiagnostics
from streams.core.arrays import FloatArray
from streams.core.optimize import Infeasible, Solved, round_weights, verify
from streams.core.requests import problem_of, reply_to, solve_request
from streams.core.shadows.problems import requests_of

_NO_ANSWER = "no_answer"


def answered(request: OptimizeRequest, facts: SolveDiagnostics) -> OptimizeReply:
    """Return the whole reply to a request: the main answer first, then those of paper books."""
    reply = reply_to(request, solve_request(request), facts)
    answers = tuple(shadow_answer(name, own) for name, own in requests_of(request))
    return msgspec.structs.replace(reply, shadows=answers) if answers else reply


def shadow_answer(name: str, request: OptimizeRequest) -> ShadowAnswer:
    """Solve what one paper book asks; whatever goes wrong is an answer, and stops nobody."""
    try:
        outcome = solve_request(request)
        if isinstance(outcome, Solved):
            return ShadowAnswer(
                name=name,
                weights=outcome.weights.astype("<f8").tobytes(),
                cash=outcome.cash,
                clusters=_clusters(request),
            )
    except Exception as error:  # noqa: BLE001  # a paper book never stops the main one
        return ShadowAnswer(name=name, reason=f"solver_failed: {error!r}")
    if isinstance(outcome, Infeasible):
        return ShadowAnswer(name=name, reason=f"infeasible: {', '.join(outcome.violated)}")
    return ShadowAnswer(name=name, reason=f"solver_failed: {outcome.reason}")


def _clusters(request: OptimizeRequest) -> tuple[tuple[str, ...], ...] | None:
    structure = None if request.correlation is None else problem_of(request).correlation
    if structure is None:
        return None
    return tuple(tuple(request.strategies[i] for i in cluster) for cluster in structure.clusters)


def targets_of(
    request: OptimizeRequest, reply: OptimizeReply, names: tuple[str, ...]
) -> Iterator[tuple[str, tuple[FloatArray, float] | str]]:
    """Yield what became of each paper book that asked: weights over ``names`` and cash, or why not.

    The weights are verified against the book's limits, and rounded as those that are sent.
    """
    answers = {answer.name: answer for answer in reply.shadows}
    for name, own in requests_of(request):
        answer = answers.get(name)
        if answer is None or answer.reason:
            yield name, _NO_ANSWER if answer is None else answer.reason
            continue
        problem = problem_of(own)
        if len(answer.weights) % 8:
            yield name, f"verification_failed: {len(answer.weights)} bytes of weights"
            continue
        raw = np.frombuffer(answer.weights, dtype="<f8")
        complaints = verify(problem, raw, answer.cash)
        if complaints:
            yield name, f"verification_failed: {complaints[0]}"
            continue
        rounded, cash = round_weights(raw, answer.cash)
        weights = np.zeros(len(names))
        weights[[names.index(each) for each in own.strategies]] = rounded
        yield name, (weights, cash)
