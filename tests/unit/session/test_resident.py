"""
Tests of who may start, use and take away the recorder that stays; the kernel's part is pretended.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from tests.unit.session.heads import ID, command, container, head, namespace
from tracer.errors import HostError
from tracer.kernel import pinned, program, wire
from tracer.kernel.pinned import Stamp
from tracer.kernel.wire import Head
from tracer.session import resident

GONE = 2**22 + 1  # more than a process's number can be: PID_MAX_LIMIT


def now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@pytest.fixture
def ended() -> Iterator[int]:
    """
    The number of a process that has ended, and is a zombie.
    """
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


def test_a_process_is_there_that_made_the_recording():
    """
    The process that a head names is there if it was before the recording.
    """
    assert resident.is_there(command(first_process=os.getpid(), born=now()))


def test_a_process_that_got_the_number_later_is_another():
    """
    A process that is younger than the recording did not make it.
    """
    assert not resident.is_there(command(first_process=os.getpid(), born=5))


def test_a_process_that_has_ended_is_not_there(ended: int):
    """
    Neither a zombie nor a number that nobody has is there.
    """
    assert not resident.is_there(command(first_process=ended, born=now()))
    assert not resident.is_there(command(first_process=GONE, born=now()))


class Held:
    """
    A recorder that holds these heads, and remembers what it was told to release.
    """

    def __init__(self, *heads: Head) -> None:
        self.left = dict(enumerate(heads, 1))

    def heads(self) -> dict[int, Head]:
        return dict(self.left)

    def release(self, ended: "set[int]") -> None:
        for one in ended:
            del self.left[one]

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_what_a_killed_run_left_is_let_go():
    """
    A command whose tracer is gone goes, with the namespaces of its tree; its containers, other
    commands and what they began stay.
    """
    alive = {"first_process": os.getpid(), "born": now()}
    held = Held(
        command(first_process=GONE),
        namespace(outer=1),
        container(outer=1),
        namespace(outer=1, launcher=9),
        command(**alive),
        namespace(outer=5),
    )

    resident.tidy(held)  # type: ignore[arg-type]

    assert set(held.left) == {3, 4, 5, 6}


def test_what_a_killed_attach_left_is_let_go():
    """
    What was attached to goes a while after its process, which may have been seen no more; a
    container stays, since it can be collected.
    """
    long_ago, gone = {"born": 5, "last_exit": 6}, {"first_process": GONE}
    held = Held(
        head(wire.ADOPTED, **gone, **long_ago),
        head(wire.ADOPTED, **gone, born=5, last_exit=now()),
        head(wire.ADOPTED, **gone, **long_ago, maker="runc"),
        head(wire.ADOPTED, **gone, **long_ago, container=ID),
        head(wire.ADOPTED, first_process=os.getpid(), born=now()),
    )

    resident.tidy(held)  # type: ignore[arg-type]

    assert set(held.left) == {2, 3, 4, 5}


def test_nothing_is_let_go_while_everybody_lives():
    """
    Without a killed `run` there is nothing to let go of.
    """
    held = Held(command(first_process=os.getpid(), born=now()), container(), namespace(outer=0))

    resident.tidy(held)  # type: ignore[arg-type]

    assert set(held.left) == {1, 2, 3}


@pytest.mark.parametrize("kind, running", [(wire.CGROUP, True), (wire.ADOPTED, False)])
def test_adopted_tasks_run_while_their_process_does(kind: int, running: bool):
    """
    A container runs while tasks of it are alive; of adopted ones, whose number may be wrong, the
    process that was named decides.
    """
    assert resident.is_running(head(kind, alive=1, first_process=GONE, born=5)) == running


@pytest.fixture
def stamped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """
    A place of the test's own for the lock and what is pinned.
    """
    monkeypatch.setattr(pinned, "LOCK", tmp_path / "lock" / "recorder.lock")
    monkeypatch.setattr(pinned, "PLACE", tmp_path / "place")
    monkeypatch.setattr(pinned, "mount", lambda: False)
    return monkeypatch


def pretend(monkeypatch: pytest.MonkeyPatch, present: Optional[Stamp]) -> None:
    monkeypatch.setattr(pinned, "stamp", lambda: present)


OURS = Stamp("1", program.identity(), 5, False)
OTHERS = Stamp("0.0.9", "other", 5, False)


def test_what_runs_already_is_not_started_again(stamped: pytest.MonkeyPatch):
    """
    A recorder of the same sources is left alone, even with --replace.
    """
    pretend(stamped, OURS)

    assert resident.start() is False
    assert resident.start(replace=True) is False


def test_another_versions_recorder_is_refused(stamped: pytest.MonkeyPatch):
    """
    A recorder of other sources is neither read nor replaced unasked, and what to do is said.
    """
    pretend(stamped, OTHERS)

    with pytest.raises(HostError, match="0.0.9.*recorder start --replace"):
        resident.start()
    with pytest.raises(HostError, match="0.0.9.*recorder start --replace"):
        resident.find()


def test_without_a_recorder_there_is_none(stamped: pytest.MonkeyPatch):
    """
    Nothing pinned is an error to who wants it, and nothing to stop.
    """
    pretend(stamped, None)

    with pytest.raises(HostError, match="no recorder is running"):
        resident.find()
    assert resident.stop() is None


def test_one_that_numbers_processes_otherwise_is_not_used(stamped: pytest.MonkeyPatch):
    """
    Whose run is still there nobody can tell from within another PID namespace.
    """
    pretend(stamped, dataclasses.replace(OURS, namespace=5))
    stamped.setattr(pinned, "opened", None)

    with pytest.raises(HostError, match="another PID namespace"):
        resident.find()


def test_one_that_is_just_being_stopped_is_none(stamped: pytest.MonkeyPatch):
    """
    A recorder whose pins go while they are opened is no longer there.
    """
    pretend(stamped, OURS)
    stamped.setattr(pinned, "opened", lambda: None)

    with pytest.raises(HostError, match="being stopped"):
        resident.find()


def test_stop_says_what_went(stamped: pytest.MonkeyPatch):
    """
    Containers that nobody has collected are counted, the running ones of them too.
    """
    pretend(stamped, OURS)
    held = Held(container(alive=2), container(), namespace(outer=0), command())
    stamped.setattr(resident, "find", lambda: held)

    assert resident.stop() == resident.Left(2, 1)


def test_stop_takes_away_what_it_cannot_read(stamped: pytest.MonkeyPatch):
    """
    Another version's recorder is stopped, and nothing is claimed of what it held.
    """
    pretend(stamped, OTHERS)

    assert resident.stop() == resident.Left(0, 0)


def test_the_lock_goes_with_the_recorder(stamped: pytest.MonkeyPatch, tmp_path: Path):
    """
    After `stop` neither the lock nor its directory is left.
    """
    pretend(stamped, None)

    resident.stop()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mounted", [True, False])
def test_a_start_that_fails_unmounts_what_it_mounted(stamped: pytest.MonkeyPatch, mounted: bool):
    """
    If nothing can be loaded, the BPF filesystem is unmounted again, unless it was there before.
    """
    unmounted = []
    pretend(stamped, None)

    def refuse(capacity: object) -> None:
        raise HostError("no BTF")

    stamped.setattr(pinned, "mount", lambda: mounted)
    stamped.setattr(pinned, "unmount", lambda: unmounted.append(True))
    stamped.setattr(resident, "own", refuse)
    stamped.setattr(resident, "MEMORY_CGROUPS", ())

    with pytest.raises(HostError, match="no BTF"):
        resident.start()

    assert unmounted == [True] * mounted


def test_a_session_that_cannot_use_it_says_so(stamped: pytest.MonkeyPatch):
    """
    Beside another version's recorder a session records by itself, and tells it in one line.
    """
    told: list[str] = []
    own = object()
    pretend(stamped, OTHERS)
    stamped.setattr(resident, "own", lambda: own)

    assert resident.for_session(told.append) is own
    (line,) = told
    assert "0.0.9" in line and line.endswith("recording without it")


def test_a_session_leaves_a_full_recorder_alone(stamped: pytest.MonkeyPatch):
    """
    Where everybody's recorder has no room a session says so and has its own.
    """
    told: list[str] = []
    own, crowded = object(), Crowded()
    pretend(stamped, OURS)
    stamped.setattr(resident, "own", lambda: own)
    stamped.setattr(resident, "find", lambda: crowded)

    assert resident.for_session(told.append) is own
    (line,) = told
    assert "no room" in line and line.endswith("recording without it")
    assert crowded.closed


class Crowded:
    """
    A recorder without room.
    """

    closed = False

    def is_full(self) -> bool:
        return True

    def __enter__(self) -> "Crowded":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


def test_a_session_says_nothing_where_there_is_none(stamped: pytest.MonkeyPatch):
    """
    Without a recorder that stays a session has its own, and no word is lost about it.
    """
    told: list[str] = []
    own = object()
    pretend(stamped, None)
    stamped.setattr(resident, "own", lambda: own)

    assert resident.for_session(told.append) is own
    assert told == []


def test_nothing_is_made_where_there_is_no_memory_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    Whoever starts the recorder goes to the root of each hierarchy that is there, and makes no file
    where none is: below version 1 lies but a tmpfs.
    """
    there, not_there = tmp_path / "there", tmp_path / "not"
    there.mkdir()
    not_there.mkdir()
    (there / "cgroup.procs").touch()
    monkeypatch.setattr(resident, "MEMORY_CGROUPS", (str(not_there), str(there)))

    resident._leave_memory_cgroup()

    assert (there / "cgroup.procs").read_text() == "0"
    assert list(not_there.iterdir()) == []
