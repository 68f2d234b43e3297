"""
Tests of finding what can be left out, with as few trials as halving needs.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.session.trials import PLAN, allowing, trial
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.session.minimisation import droppable, minimise
from tracer.session.refinement import Wish
from tracer.session.trial import Plan, Trial, Watchful

NAMES = [f"call{number}" for number in range(64)]


def needing(needed: "set[str]") -> "tuple[Callable[[frozenset[str]], bool], list[frozenset[str]]]":
    """
    Return a trial of a command that needs these calls, and the list of what was left out in each.
    """
    tried: "list[frozenset[str]]" = []

    def works(dropped: "frozenset[str]") -> bool:
        tried.append(dropped)
        return not dropped & needed

    return works, tried


@given(st.sets(st.sampled_from(NAMES)), st.integers(0, 64))
def test_all_that_is_not_needed_is_dropped_and_nothing_else(needed: "set[str]", border: int):
    """
    However the calls are grouped, what is left is what the command needs.
    """
    works, _ = needing(needed)

    assert droppable([NAMES[:border], NAMES[border:]], works) == set(NAMES) - needed


def test_a_group_that_nobody_misses_takes_one_trial():
    """
    What was never used goes at once.
    """
    works, tried = needing(set())

    assert droppable([NAMES], works) == set(NAMES)
    assert tried == [set(NAMES)]


def test_one_needed_call_among_many_takes_two_trials_for_each_halving():
    """
    Sixty-four calls of which one is needed take 13 trials, not 64.
    """
    works, tried = needing({"call17"})

    droppable([NAMES], works)

    assert len(tried) == 13


def test_either_of_two_calls_is_kept():
    """
    Where one of two calls suffices, one of them stays.
    """
    dropped = droppable([["a", "b", "c"]], lambda out: not {"a", "b"} <= out)

    assert len(dropped & {"a", "b"}) == 1 and "c" in dropped


def test_without_candidates_nothing_is_tried():
    """
    A profile with nothing but what runtimes need takes no trial.
    """
    works, tried = needing(set())

    assert droppable([[], []], works) == set()
    assert not tried


def test_what_the_kernel_makes_is_never_tried(monkeypatch: pytest.MonkeyPatch):
    """
    A call that only shows when the container is stopped is kept, and told apart from a floor's.
    """
    profile = allowing("read", "keyctl", "restart_syscall", "tgkill")
    allowed: "list[frozenset[str]]" = []

    def attempt(_bench: object, _plan: Plan, _path: str, _signals: object) -> Trial:
        return trial("read")

    def put(tried: Profile) -> str:
        allowed.append(allowed_names(tried))
        return ""

    monkeypatch.setattr("tracer.session.minimisation.attempt", attempt)
    with Watchful() as signals:
        found = minimise(
            *(None, PLAN, Wish(profile), put, signals),  # type: ignore[arg-type]
            told=lambda *_: None,
        )

    assert all("restart_syscall" in names for names in allowed)
    assert (found.dropped, found.floor) == (("keyctl",), ("read", "tgkill"))
    assert found.kernel == ("restart_syscall",)
    assert found.missed == ()
