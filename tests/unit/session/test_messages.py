"""
Tests of audit messages as denials: whose they are, how they fold, how much there is room for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Optional

import pytest

from tracer.kernel.audit import KILL_PROCESS, KILL_THREAD, LOG, Message
from tracer.kernel.denials import Keeper, Place
from tracer.session import messages
from tracer.session.messages import Messages

X86_64 = 0xC000003E
TRAP = 0x00030000
GONE = 1 << 30  # more than any process's number
ENDED = Place("a" * 64, 0, 0)
NOBODY = Keeper(0, 0)


class Waiting:
    """
    What reads messages, with some that wait; five more are lost and two are never read.
    """

    def __init__(self, *found: Message) -> None:
        self.found = found
        self.are_waiting = False

    def waiting(self) -> Iterator[Message]:
        yield from self.found

    def lost(self) -> int:
        return 5

    def drop(self) -> int:
        return 2


def message(
    number: int = 83, process: int = GONE, action: int = LOG, at: Optional[float] = None
) -> Message:
    now = time.time() if at is None else at
    return Message(now, process, "mkdir", "/bin/busybox", X86_64, number, action)


def ended(process: int) -> Optional[tuple[Place, Keeper]]:
    return (ENDED, NOBODY) if process == GONE else None


def test_messages_of_a_kind_are_one_with_a_count():
    """
    Messages of the same call, program and answer from one place fold; others stay apart.
    """
    given = [message(), message(), message(84), message(action=KILL_PROCESS)]
    read = Messages(Waiting(*given))  # type: ignore[arg-type]

    found = {(one.message.number, one.message.action): one.count for one in read.new(ended)}

    assert found == {(83, LOG): 2, (84, LOG): 1, (83, KILL_PROCESS): 1}


def test_an_answer_that_the_kernel_side_counts_is_passed_over():
    """
    A trap that is logged too is not told twice.
    """
    read = Messages(Waiting(message(action=TRAP)))  # type: ignore[arg-type]

    assert list(read.new(ended)) == []
    assert read.strangers == 0


@pytest.mark.parametrize("unlogged", ["kill_thread", "kill_process"])
def test_where_not_each_kill_is_logged_none_is_told(unlogged: str):
    """
    The kernel side counts them all, and what only some messages tell would be told twice.
    """
    given = [message(), message(action=KILL_THREAD), message(action=KILL_PROCESS)]
    read = Messages(Waiting(*given), [unlogged])  # type: ignore[arg-type]

    assert [one.message.action for one in read.new(ended)] == [LOG]
    assert not read.tell_kills


def test_a_process_that_is_gone_is_known_by_its_end_or_counted():
    """
    A message of a process that has ended is its place's; if nothing is known of it, it is counted.
    """
    given = [message(), message(process=GONE + 1), message(process=GONE + 1)]
    read = Messages(Waiting(*given))  # type: ignore[arg-type]

    assert [one.place for one in read.new(ended)] == [ENDED]
    assert read.strangers == 2


@pytest.mark.parametrize(
    "age, elsewhere, is_ours", [(0, 0, True), (3600 * 24 * 365, 0, False), (0, 1, False)]
)
def test_a_process_that_is_younger_than_its_message_is_another(
    age: int, elsewhere: int, is_ours: bool, monkeypatch: pytest.MonkeyPatch
):
    """
    A process's number may have been given to another one since, and where processes have other
    numbers it is always another's: then its end is what counts.
    """
    own = os.stat("/proc/self/ns/pid").st_ino
    monkeypatch.setattr(messages, "INITIAL", own + elsewhere)
    given = message(process=os.getpid(), at=time.time() - age)
    read = Messages(Waiting(given))  # type: ignore[arg-type]

    (found,) = read.new(lambda process: (ENDED, NOBODY))

    assert (found.place != ENDED) == is_ours


def test_one_place_has_room_for_so_many_kinds(monkeypatch: pytest.MonkeyPatch):
    """
    Beyond that many kinds from one place further ones are counted, and those known are told.
    """
    monkeypatch.setattr(messages, "KINDS_EACH", 3)
    read = Messages(Waiting(*map(message, range(10)), message(1)))  # type: ignore[arg-type]

    found = {one.message.number: one.count for one in read.new(ended)}

    assert found == {0: 1, 1: 2, 2: 1}
    assert read.full == 7


def test_what_is_not_read_in_the_end_is_lost():
    """
    Messages that found no room and messages that nobody read any more are lost alike.
    """
    read = Messages(Waiting())  # type: ignore[arg-type]

    read.end()

    assert read.lost() == 7
