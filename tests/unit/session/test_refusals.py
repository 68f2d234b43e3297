"""
Tests of whose a denial is: a container's own, by its recording or by where it happened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Optional, cast

import pytest

from tests.unit.session.heads import ID, container, namespace
from tests.unit.session.test_messages import Waiting
from tracer.kernel import wire
from tracer.kernel.audit import Audit
from tracer.kernel.denials import (
    KILLED,
    UNSEEN,
    Denials,
    Denied,
    Keeper,
    Kind,
    Place,
    Standing,
    State,
)
from tracer.kernel.wire import Head
from tracer.profile import model
from tracer.session.belonging import Container
from tracer.session.messages import Messages
from tracer.recording import Recording, Run
from tracer.session.refusals import NOT_VISIBLE, Refusals
from tracer.session.refusing import Refusing, with_denials

OURS, THEIRS, WITHIN = 10, 20, 30  # recordings
NUMBER, BORN = 4026532222, 500  # of a PID namespace
FIRST, LAST = 400, 900  # when our container began, and ended
HEAD = namespace(namespace=NUMBER, namespace_born=BORN, born=FIRST, last_exit=LAST)


@dataclass(frozen=True)
class Kernel:
    """
    The kernel side with one denial, of a recording (0: none is known) and at a place.
    """

    recording: int
    place: Place
    kinds: int = 1
    error: int = 1

    def counted(self) -> Mapping[Kind, Denied]:
        kind = Kind(1, self.recording, 0, wire.AUDIT_ARCH_X86_64, 39, self.error)
        return {kind: Denied(3, 600, 700, (0,) * 6, 8, 8, "program")}

    def standings(self) -> Mapping[int, Standing]:
        return {1: Standing(self.place, Keeper(0, 0), self.kinds, 0, lost=2)}

    def paths(self) -> Mapping[tuple[int, int], str]:
        return {}

    def state(self) -> State:
        return State(1, 0, 0)

    def skipped(self) -> int:
        return 0

    def place_of_ended(self, process: int) -> None:
        return None


def found(
    recording: int, place: Place, head: Head = HEAD, id: str = "", kinds: int = 1
) -> tuple[int, int]:
    """
    How many denials of our container there are, and how many it lacks.
    """
    ours = Container(OURS, head, "podman", id, "ours", "", "crun", False, False)
    heads = {OURS: head, THEIRS: HEAD, WITHIN: namespace(outer=OURS)}
    refusals = Refusals(cast(Denials, Kernel(recording, place, kinds)), None)
    count = sum(one.count for one in refusals.of([ours], heads))
    return count, refusals.lost([ours], heads)


@pytest.mark.parametrize("recording, count", [(OURS, 3), (WITHIN, 3), (THEIRS, 0)])
def test_a_recording_that_is_known_says_whose_it_is(recording: int, count: int):
    """
    Wherever it happened: a namespace's number is another container's a moment later.
    """
    assert found(recording, Place("", NUMBER, BORN))[0] == count


@pytest.mark.parametrize(
    "place, is_ours",
    [
        (Place("", NUMBER, BORN), True),
        (Place("", NUMBER, BORN + 1), False),
        (Place("", NUMBER + 1, BORN), False),
        (Place(ID, 0, 0), True),
        (Place(ID.replace("a", "c"), 0, 0), False),
        (Place("", 0, OURS), True),
        (Place("", 0, THEIRS), False),
    ],
)
def test_of_others_the_place_says_whose_it_is(place: Place, is_ours: bool):
    """
    By the container's id, the namespace with its birth, or the recording that a place stands for.
    """
    assert found(0, place, id=ID) == ((3, 2) if is_ours else (0, 0))


@pytest.mark.parametrize(
    "born, alive, last_exit, count",
    [(None, 1, 0, 3), (None, 0, LAST, 3), (None, 0, 650, 0), (BORN, 0, 650, 0)],
)
def test_a_namespace_whose_birth_is_unknown_is_ours_while_we_run(
    born: Optional[int], alive: int, last_exit: int, count: int
):
    """
    What was denied after the container's end was denied to a later one.
    """
    head = container(container="", namespace=NUMBER, alive=alive, last_exit=last_exit)

    assert found(0, Place("", NUMBER, born or 0), head)[0] == count


@pytest.mark.parametrize(
    "unlogged, told", [((), []), (("kill_thread",), [(3, model.KILL)]), (("log",), [])]
)
def test_kills_that_no_message_tells_of_are_those_that_were_counted(
    unlogged: Collection[str], told: list[tuple[int, str]]
):
    """
    Where each kill is logged the messages tell of it, and which way it was.
    """
    kernel = Kernel(OURS, Place("", NUMBER, BORN), error=KILLED)
    ours = Container(OURS, HEAD, "podman", "", "ours", "", "crun", False, False)
    messages = Messages(cast(Audit, Waiting()), unlogged)

    refusals = Refusals(cast(Denials, kernel), messages).of([ours], {OURS: HEAD})

    assert [(one.count, one.answer.action) for one in refusals] == told


def test_a_vsyscall_is_told_without_an_answer_and_is_no_denial_of_a_recording():
    """
    The kernel side knows that a filter was asked, and not what it said.
    """
    kernel = Kernel(OURS, Place("", NUMBER, BORN), error=UNSEEN)
    ours = Container(OURS, HEAD, "podman", "", "ours", "", "crun", False, False)
    refusals = Refusals(cast(Denials, kernel), None)
    recorded = Recording({"run": Run("run")}, (), ())

    (told,) = refusals.of([ours], {OURS: HEAD})
    whole = with_denials(recorded, Refusing(refusals), ours, {OURS: HEAD})

    assert (told.answer, told.count) == (NOT_VISIBLE, 3)
    assert whole.denials == ()


def test_kinds_that_are_not_there_any_more_are_lost():
    """
    Beside the recorder that stays the oldest give way: what was counted and is missing is said.
    """
    assert found(OURS, Place("", 0, OURS), kinds=4) == (3, 2 + 3)
