"""Many tasks, one writer: each gets its own numbers after fsync, whatever becomes of the others."""

import asyncio
from pathlib import Path

import pytest
from tests.integration.journal.conftest import Open, event, verified

from checkvalve.store.journal import GroupCommitter, JournalError
from checkvalve.store.segments import MAX_RECORD


async def test_concurrent_appends_get_distinct_numbers_that_hold_what_each_sent(opened: Open, tmp_path: Path) -> None:
    journal = opened()
    committer = GroupCommitter(journal)

    async def send(task: int) -> None:
        for turn in range(10):
            sent = [b"task %d turn %d line %d" % (task, turn, line) for line in range(1 + task % 3)]
            numbers = await committer.append([event(c) for c in sent])
            assert numbers == list(range(numbers[0], numbers[0] + len(sent)))
            assert [journal.read(n).clear for n in numbers] == sent

    await asyncio.gather(*(send(task) for task in range(30)))
    await committer.stop()
    assert journal.size == sum(10 * (1 + task % 3) for task in range(30))
    assert verified(tmp_path).ok


async def test_waiting_appends_share_a_write(opened: Open, tmp_path: Path) -> None:
    """A hundred at once take far fewer checkpoints than a hundred."""
    journal = opened()
    committer = GroupCommitter(journal)
    sizes: set[int] = set()

    async def send(number: int) -> None:
        await committer.append([event(b"%d" % number)])
        sizes.add(int(journal.checkpoint().split(b"\n")[1]))

    await asyncio.gather(*(send(n) for n in range(100)))
    await committer.stop()
    assert journal.size == 100
    assert len(sizes) <= 4


async def test_a_caller_that_goes_away_does_not_take_the_others_along(opened: Open) -> None:
    journal = opened()
    committer = GroupCommitter(journal)
    tasks = [asyncio.create_task(committer.append([event(b"%d" % n)])) for n in range(20)]
    await asyncio.sleep(0)
    tasks[7].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    await committer.stop()
    assert isinstance(done[7], asyncio.CancelledError)
    numbers = [n for i, d in enumerate(done) if i != 7 and isinstance(d, list) for n in d]
    assert len(set(numbers)) == 19


async def test_one_callers_impossible_record_does_not_refuse_the_others(opened: Open) -> None:
    journal = opened()
    committer = GroupCommitter(journal)
    good = [asyncio.create_task(committer.append([event(b"good %d" % n)])) for n in range(3)]
    bad = asyncio.create_task(committer.append([event(bytes(MAX_RECORD))]))
    good += [asyncio.create_task(committer.append([event(b"good %d" % n)])) for n in range(3, 6)]
    with pytest.raises(JournalError, match="a record of"):
        await bad
    numbers = [n for task in good for n in await task]
    await committer.stop()
    assert {journal.read(n).clear for n in numbers} == {b"good %d" % n for n in range(6)}
    assert journal.size == 6


async def test_stopping_waits_for_what_was_promised(opened: Open) -> None:
    journal = opened()
    committer = GroupCommitter(journal)
    tasks = [asyncio.create_task(committer.append([event(b"x")] * 300)) for _ in range(5)]
    await asyncio.sleep(0)
    await committer.stop()
    assert journal.size == 1500
    assert sorted(n for task in tasks for n in task.result()) == list(range(1500))
    assert await committer.append([]) == []
