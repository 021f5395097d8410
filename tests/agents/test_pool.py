"""A solve that hangs or cannot be done costs one failed reply; a process that is ended, none."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.codec import decode_record, encode_record
from schemas.optimize import OptimizeRequest, ShadowProblem
from streams.agents.crash import CRASH_VARIABLE
from streams.agents.pool import Pool, resident_mb, solve_bytes

ROOT = Path(__file__).parents[2]
SIZE = 4


def request(number=1, **changes):
    cov = np.diag(np.arange(1.0, SIZE + 1)) * 0.04
    made = OptimizeRequest(
        request_id=f"r{number}",
        attempt=1,
        portfolio_id="p",
        shard=0,
        strategies=tuple("abcd"),
        mean_annual=np.zeros(SIZE).tobytes(),
        cov_annual_lower=cov[np.tril_indices(SIZE)].tobytes(),
        held=np.zeros(SIZE).tobytes(),
        held_cash=1.0,
        held_elsewhere=0.0,
        objective="min_variance",
        risk_aversion=1.0,
        weight_min=np.zeros(SIZE).tobytes(),
        weight_max=np.ones(SIZE).tobytes(),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
    )
    return encode_record(msgspec.structs.replace(made, **changes))


def reply_of(record):
    return decode_record(record).reply


@pytest.fixture
def pool():
    made = Pool(1, deadline_ms=20_000)  # a start takes seconds on a busy machine
    yield made
    made.close()


def pids(pool):
    return list(pool._executor._processes)


def test_an_answer_is_inverse_to_the_variances(pool):
    reply = reply_of(asyncio.run(pool.solve(request())))
    assert reply.status == "solved"
    assert reply.request_id == "r1"
    inverse = 1.0 / np.arange(1.0, SIZE + 1)
    # the closed form for uncorrelated strategies; the solver stops at 1e-9
    assert np.frombuffer(reply.weights) == pytest.approx(inverse / inverse.sum(), abs=1e-6)
    assert reply.diagnostics.worker == f"pid-{pids(pool)[0]}"


def test_a_process_that_is_killed_costs_nothing(pool):
    async def scene():
        first = await pool.solve(request(1))
        os.kill(pids(pool)[0], signal.SIGKILL)
        return first, await pool.solve(request(2)), await pool.solve(request(3))

    first, second, third = (reply_of(record) for record in asyncio.run(scene()))
    assert [reply.status for reply in (first, second, third)] == ["solved"] * 3
    assert [reply.request_id for reply in (first, second, third)] == ["r1", "r2", "r3"]
    assert second.weights == third.weights == first.weights


def test_a_process_killed_while_it_solves_costs_nothing(pool):
    async def scene():
        await pool.solve(request(1))
        pid = pids(pool)[0]
        os.kill(pid, signal.SIGSTOP)  # in the middle of a solve, as far as anybody can tell
        asyncio.get_running_loop().call_later(0.3, os.kill, pid, signal.SIGKILL)
        return pid, await pool.solve(request(2)), await pool.solve(request(3))

    killed, second, third = asyncio.run(scene())
    second, third = reply_of(second), reply_of(third)
    assert (second.status, third.status) == ("solved", "solved")
    assert f"pid-{killed}" != second.diagnostics.worker == third.diagnostics.worker


def test_a_process_that_grew_too_large_is_replaced_after_its_answer():
    small = Pool(1, deadline_ms=20_000, memory_max_mb=1)
    try:
        replies = [reply_of(asyncio.run(small.solve(request()))) for _ in range(2)]
    finally:
        small.close()
    assert {reply.status for reply in replies} == {"solved"}
    assert len({reply.diagnostics.worker for reply in replies}) == 2


def test_a_process_within_its_bound_stays():
    large = Pool(1, deadline_ms=20_000, memory_max_mb=4_096)
    try:
        replies = [reply_of(asyncio.run(large.solve(request()))) for _ in range(2)]
        assert 10.0 < resident_mb(pids(large)[0]) < 4_096  # an interpreter with numpy and cvxpy
    finally:
        large.close()
    assert len({reply.diagnostics.worker for reply in replies}) == 1
    assert resident_mb(2**22 + 1) == 0.0  # nobody: beyond the greatest process id


def test_a_request_that_ends_every_process_is_a_failed_reply(monkeypatch):
    monkeypatch.setenv(CRASH_VARIABLE, "mid_solve:2")  # in each process of the pool, the second
    deadly = Pool(1, deadline_ms=20_000)

    async def scene():
        replies = [await deadly.solve(request(number)) for number in (1, 2)]
        monkeypatch.setenv(CRASH_VARIABLE, "mid_solve")
        replies.append(await deadly.solve(request(3)))  # its first try ends as planned before
        monkeypatch.delenv(CRASH_VARIABLE)
        await deadly.solve(request(4))  # ends the last process that was started with a plan
        return [reply_of(record) for record in [*replies, await deadly.solve(request(5))]]

    try:
        found = asyncio.run(scene())
    finally:
        deadly.close()
    assert [reply.status for reply in found] == ["solved", "solved", "failed", "solved"]
    assert found[2].reason == "the solving process died twice over it"
    assert found[2].request_id == "r3"


def test_a_solve_past_its_deadline_is_a_failed_reply_and_the_pool_works_again(pool):
    async def scene():
        await pool.solve(request(1))
        pool._deadline_s = 0.5
        hung = pids(pool)[0]
        os.kill(hung, signal.SIGSTOP)
        late = await pool.solve(request(2))
        pool._deadline_s = 20.0
        return hung, late, await pool.solve(request(3))

    hung, late, third = asyncio.run(scene())
    assert reply_of(late).status == "failed"
    assert reply_of(late).reason == "no answer within 0.5 s"
    assert reply_of(third).status == "solved"
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)  # ended and reaped, not left behind


def paper(name, **changes):
    """A paper book's problem beside the main one."""
    fields = {
        "held": np.zeros(SIZE).tobytes(),
        "held_cash": 1.0,
        "held_elsewhere": 0.0,
        "objective": "inverse_volatility",
        "risk_aversion": 1.0,
        "weight_min": np.zeros(SIZE).tobytes(),
        "weight_max": np.ones(SIZE).tobytes(),
        "groups": (),
        "turnover_max": None,
        "long_only": True,
    }
    return ShadowProblem(name=name, **{**fields, **changes})


def test_paper_books_are_answered_in_the_same_reply_and_leave_the_main_answer_as_it_is(pool):
    none = np.zeros(SIZE).tobytes()
    books = (paper("iv"), paper("bad", held=b"x"), paper("tight", weight_max=none))

    async def scene():
        alone = await pool.solve(request())
        return alone, await pool.solve(request(shadows=books), ("iv", "bad", "tight"))

    alone, beside = (reply_of(record) for record in asyncio.run(scene()))
    assert (beside.weights, beside.cash) == (alone.weights, alone.cash)
    iv, bad, tight = beside.shadows
    inverse = 1.0 / np.sqrt(np.arange(1.0, SIZE + 1))
    # the closed form, to a few roundings
    assert np.frombuffer(iv.weights) == pytest.approx(inverse / inverse.sum(), rel=1e-12)
    assert (iv.name, iv.reason) == ("iv", "")
    assert (bad.name, bad.weights) == ("bad", b"")
    assert bad.reason.startswith("solver_failed: ")
    assert (tight.name, tight.reason) == ("tight", "infeasible: weight_max")


def test_a_paper_book_that_hangs_costs_the_main_book_nothing(pool, monkeypatch):
    """The process stands still once the main answer is out."""

    async def scene():
        await pool.solve(request(1))
        working = pool._try

        async def hanging(work, left_s):
            if work.func is solve_bytes:
                return await working(work, left_s)
            os.kill(pids(pool)[0], signal.SIGSTOP)
            return await working(work, lambda: 0.5)

        monkeypatch.setattr(pool, "_try", hanging)
        books = (paper("one"),)
        late = await pool.solve(request(2, shadows=books), ("one",))
        monkeypatch.setattr(pool, "_try", working)
        return late, await pool.solve(request(3))

    late, third = (reply_of(record) for record in asyncio.run(scene()))
    assert late.status == third.status == "solved"
    assert late.weights == third.weights
    (answer,) = late.shadows
    assert (answer.name, answer.weights) == ("one", b"")
    assert answer.reason.startswith("solver_failed: no answer within ")


def test_paper_books_end_before_an_answer_is_asked_for_again(monkeypatch):
    """On a clock of the test: the main solve takes 1 s of 4 s, and each paper book hangs."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pool = Pool(1, deadline_ms=5_000, awaited_ms=4_000)
    main = solve_bytes(request(2))
    given = []

    async def standing_still(work, left_s):
        if work.func is solve_bytes:
            now[0] += 1.0
            return main
        given.append(left_s())
        now[0] += left_s()
        raise TimeoutError

    monkeypatch.setattr(pool, "_try", standing_still)
    books = (paper("one"), paper("two"))
    try:
        record = asyncio.run(pool.solve(request(2, shadows=books), ("one", "two")))
    finally:
        pool.close()
    # of nine tenths of 4 s, 1 s is gone, and the second book gets nothing; a sum of floats near 100
    assert given == pytest.approx([2.6], abs=1e-12)
    assert now[0] == pytest.approx(103.6, abs=1e-12)
    assert reply_of(record).status == "solved"
    reason = "solver_failed: no answer within 3.6 s for the main book and all paper books"
    assert [(answer.name, answer.reason) for answer in reply_of(record).shadows] == [
        ("one", reason),
        ("two", reason),
    ]


def test_a_paper_book_whose_process_dies_has_no_second_time(pool, monkeypatch):
    """On a clock of the test: the second try gets what the first has left."""
    now, given, dead = [100.0], [], BrokenProcessPool()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(pool, "_renew", lambda: None)

    async def dying(task, within_s):
        task.cancel()
        given.append(within_s)
        now[0] += 1.0
        raise dead

    monkeypatch.setattr(asyncio, "wait_for", dying)

    async def scene():
        return await pool._shadows(request(2, shadows=(paper("one"),)), ("one",), 103.0)

    (answer,) = asyncio.run(scene())
    assert given == [3.0, 2.0]
    assert answer.reason == "solver_failed: the solving process died twice over it"


@pytest.mark.parametrize(
    "changes",
    [
        {"mean_annual": b"\0" * 7},
        {"cov_annual_lower": b""},
        {"objective": "no such objective"},
        {"weight_max": np.full(SIZE, np.nan).tobytes()},
        {"held": np.zeros(SIZE + 1).tobytes()},
    ],
)
def test_a_request_that_cannot_be_worked_with_is_a_failed_reply(changes):
    reply = reply_of(solve_bytes(request(5, **changes)))
    assert (reply.status, reply.request_id) == ("failed", "r5")
    assert reply.reason


def test_a_pool_process_ends_with_its_parent_however_that_ends():
    code = (
        "from streams.agents.pool import Pool\n"
        "import asyncio, time\n"
        "from tests.agents.test_pool import request\n"
        "if __name__ == '__main__':\n"
        "    pool = Pool(2, 20_000)\n"
        "    asyncio.run(pool.solve(request()))\n"
        "    print(*pool._executor._processes, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        children = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    end_s = time.monotonic() + 10.0
    while time.monotonic() < end_s and any(map(alive, children)):
        time.sleep(0.05)
    assert not any(map(alive, children))


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
