"""What waits is given at once, by shard and in order, as far as may be folded at once."""

import asyncio

import pytest

from streams.agents.inbox import BYTES_AT_ONCE, RECORDS_MAX, Inbox


def test_all_that_waits_comes_at_once_by_shard_in_order():
    async def run():
        inbox = Inbox()
        for offset in range(3):
            await inbox.put(1, offset, b"x")
            await inbox.put(0, offset, None)
        return await inbox.take()

    assert asyncio.run(run()) == {
        1: [(0, b"x"), (1, b"x"), (2, b"x")],
        0: [(0, None), (1, None), (2, None)],
    }


def test_large_records_come_one_by_one():
    async def run():
        inbox = Inbox()
        for offset in range(2):
            await inbox.put(0, offset, bytes(BYTES_AT_ONCE))
        return [await inbox.take(), await inbox.take()]

    assert [list(taken) for taken in asyncio.run(run())] == [[0], [0]]


def test_a_full_inbox_lets_its_writer_wait():
    async def run():
        inbox = Inbox()
        for offset in range(RECORDS_MAX):
            await inbox.put(0, offset, b"")
        writer = asyncio.ensure_future(inbox.put(0, RECORDS_MAX, b""))
        await asyncio.sleep(0)
        was_waiting = not writer.done()
        taken = await inbox.take()
        await writer
        return was_waiting, len(taken[0])

    assert asyncio.run(run()) == (True, RECORDS_MAX)


def test_what_is_cleared_is_not_given():
    async def run():
        inbox = Inbox()
        await inbox.put(0, 5, b"old")
        inbox.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(inbox.take(), 0.01)
        await inbox.put(0, 3, b"new")
        return await inbox.take()

    assert asyncio.run(run()) == {0: [(3, b"new")]}


def test_a_writer_that_waited_when_it_was_cleared_adds_nothing():
    """Its record lies ahead of where the journal is read again: it would be a gap."""

    async def run():
        inbox = Inbox()
        for offset in range(RECORDS_MAX):
            await inbox.put(0, offset, b"")
        writer = asyncio.ensure_future(inbox.put(0, RECORDS_MAX, b"ahead"))
        await asyncio.sleep(0)
        inbox.clear()
        await writer
        await inbox.put(0, 7, b"again")
        return await inbox.take()

    assert asyncio.run(run()) == {0: [(7, b"again")]}
