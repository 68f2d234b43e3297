"""
Live tests of the kernel side of `watch`: whom it mistakes for whom, and whose room it gives away.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.live.test_watch_answers import UNKNOWN
from tests.live.watched import compiled
from tracer.kernel import denials
from tracer.kernel.denials import counting

THREADS = 2000
PLACES = 600  # more than there may be before the quiet ones give way


@pytest.fixture
def denied(tmp_path: Path) -> str:
    """
    The program `denied`.
    """
    return compiled("denied", tmp_path)


def namespaces(denied: str, count: int) -> None:
    """
    Have a program denied a call in each of so many PID namespaces, one after the other.
    """
    script = f"for i in $(seq {count}); do unshare --pid --fork {denied} own {UNKNOWN} 1; done"
    subprocess.run(["sh", "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_two_thousand_threads_are_told_apart(denied: str):
    """
    Of two thousand threads that are denied calls at once no call is counted twice, and almost none
    cannot be judged.
    """
    with counting() as kernel:
        done = subprocess.run(
            [denied, "own", UNKNOWN, "50", str(THREADS)], check=True, capture_output=True
        )
        paths = kernel.paths()
        counted = sum(
            one.count
            for kind, one in kernel.counted().items()
            if paths.get((kind.place, kind.executable)) == denied
        )
        unsure = kernel.state().unsure

    assert int(done.stdout) == THREADS * 50
    assert counted <= THREADS * 50 <= counted + unsure
    assert unsure <= THREADS * 50 // 100  # of the whole host, but there were none


@pytest.mark.alone
def test_places_that_have_long_been_quiet_give_way(denied: str, monkeypatch: pytest.MonkeyPatch):
    """
    When there are many places the quiet ones go, in two steps, and all that belongs to them; what
    is denied afterwards has room and is counted from one.
    """
    monkeypatch.setattr(denials, "QUIET", 0)
    with counting() as kernel:
        namespaces(denied, PLACES)
        before = kernel.counted()
        assert len(kernel.standings()) >= PLACES

        assert not kernel.make_room(before)
        assert kernel.is_making_room
        gone = kernel.make_room(before)

        assert len(gone) >= PLACES - denials.CROWDED["places"]
        assert len(kernel.standings()) <= denials.CROWDED["places"]
        assert not set(gone) & {kind.place for kind in kernel.counted()}
        assert not set(gone) & {place for place, _ in kernel.paths()}
        namespaces(denied, 1)
        newest = max(kernel.counted().values(), key=lambda one: one.last)
        assert newest.count == 1
        assert kernel.state().places_lost == 0
