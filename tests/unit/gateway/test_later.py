"""Work that waits gives the network its turn, goes round, keeps its order within an answer, and survives a fault."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from checkvalve.gateway.later import MAX_SIZE, Later, Work


def steps(done: list[str], name: str, count: int, size: int = 1, seconds: float = 0.0) -> Iterator[int]:
    for number in range(count):
        time.sleep(seconds)
        done.append(f"{name}{number}")
        yield size


async def finished(later: Later) -> None:
    for _ in range(10_000):
        if not later._waiting:
            return
        await asyncio.sleep(0)
    raise AssertionError("the work does not end")


async def test_answers_take_turns_and_each_keeps_its_order() -> None:
    later, done = Later(), list[str]()
    one, two = Work(later), Work(later)
    one.add(steps(done, "a", 2), 2)
    one.add(steps(done, "b", 1), 1)
    two.add(steps(done, "c", 2), 2)
    await finished(later)
    assert sorted(done) == ["a0", "a1", "b0", "c0", "c1"]
    assert done.index("c0") < done.index("a1")
    assert [d for d in done if d[0] in "ab"] == ["a0", "a1", "b0"]
    assert later.size == 0


async def test_the_network_has_its_turn_between_slices() -> None:
    later, done = Later(), list[str]()
    Work(later).add(steps(done, "a", 40, seconds=0.001), 40)
    turns = 0
    while later._waiting:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20
    assert len(done) == 40


async def test_the_more_answers_wait_the_longer_is_a_slice_but_one_long_answer_delays_nobody() -> None:
    turns = {}
    for answers, each in ((1, 256), (64, 4)):
        later, done = Later(), list[str]()
        for number in range(answers):
            Work(later).add(steps(done, str(number), each, size=MAX_SIZE, seconds=0.0005), each * MAX_SIZE)
        turns[answers] = 0
        while later._waiting:
            await asyncio.sleep(0)
            turns[answers] += 1
        assert (later.size, len(done)) == (0, 256)
    assert turns[1] >= 64
    assert turns[64] <= turns[1] // 4


async def test_an_answer_of_which_too_much_waits_is_not_read_on_until_half_is_done() -> None:
    later, said = Later(), list[bool]()
    work = Work(later)
    work.add(steps([], "a", 4, size=MAX_SIZE // 4), MAX_SIZE, said.append)
    assert said == []
    work.add(steps([], "b", 1), 1, said.append)
    assert said == [True]
    work.step()
    assert said == [True]
    work.step()
    work.step()
    assert said == [True, False]
    await finished(later)
    assert said == [True, False]


async def test_a_fault_costs_its_own_work_alone(caplog: pytest.LogCaptureFixture) -> None:
    later, done = Later(), list[str]()

    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("anna.schmidt@example.de")

    work = Work(later)
    work.add(broken(), 10)
    work.add(steps(done, "a", 1), 1)
    await finished(later)
    assert (done, later.size) == (["a0"], 0)
    assert "RuntimeError" in caplog.text
    assert "anna" not in caplog.text


async def test_catching_up_does_all_at_once() -> None:
    later, done = Later(), list[str]()
    work = Work(later)
    work.add(steps(done, "a", 5), 5)
    work.catch_up()
    assert (len(done), later.size) == (5, 0)
    Work(later).add(steps(done, "b", 5), 5)
    later.catch_up(10)
    assert (len(done), later.size) == (10, 0)
