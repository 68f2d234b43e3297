"""
Which refusals are tried, how often, and what is learnt from them.
"""

from __future__ import annotations

from typing import FrozenSet

from tracer.measuring.tally import (
    ENOUGH_FAILED,
    MOST_ATTEMPTS,
    Tally,
    first_refusals,
    pairs,
    showing,
    trials_of,
    with_substitutes,
)
from tracer.measuring.variants import CONTAINERS, Refusal
from tracer.profile.floors import LEAST_REFUSED, RefusalTrial

EMPTY: FrozenSet[str] = frozenset()
VARIANTS = 4


def tally(refused: int, failed: int = 0, *calls: str) -> Tally:
    return Tally(VARIANTS, made=refused, refused=refused, failed=failed, calls=frozenset(calls))


def test_each_call_is_refused_with_each_answer():
    """The first trials refuse every call of the floor alone, with EPERM and with ENOSYS."""
    assert first_refusals(["read", "close"]) == (
        Refusal(("close",), "EPERM"),
        Refusal(("close",), "ENOSYS"),
        Refusal(("read",), "EPERM"),
        Refusal(("read",), "ENOSYS"),
    )


def test_an_attempt_without_a_refusal_proves_nothing():
    """Only an attempt that saw a refusal counts as refused, failed, or as showing other calls."""
    found = Tally(VARIANTS)

    found.add(frozenset({"mmap"}), refused=False, worked=False)
    found.add(frozenset({"mmap"}), refused=False, worked=True)

    assert (found.made, found.refused, found.failed, found.calls) == (2, 0, 0, None)


def test_what_stands_in_is_what_all_attempts_have_in_common():
    """A call that only some of the attempts made came by chance, not in place of the refused."""
    found = Tally(VARIANTS)

    found.add(frozenset({"faccessat", "futex"}), refused=True, worked=True)
    found.add(frozenset({"faccessat"}), refused=True, worked=True)
    found.add(EMPTY, refused=True, worked=False)

    assert (found.refused, found.failed, found.calls) == (3, 1, frozenset({"faccessat"}))


def test_attempts_end_when_they_would_tell_nothing_more():
    """Enough failures, enough successes, or too many attempts without a refusal are the end."""
    assert Tally(VARIANTS).wanted == VARIANTS
    assert tally(VARIANTS, VARIANTS).wanted == 0
    assert tally(LEAST_REFUSED - 1).wanted == 1
    assert tally(LEAST_REFUSED).wanted == 0
    assert tally(LEAST_REFUSED, 1).wanted == tally(LEAST_REFUSED, 2).wanted == 1
    assert tally(LEAST_REFUSED, ENOUGH_FAILED).wanted == 0
    assert Tally(VARIANTS, made=MOST_ATTEMPTS).wanted == 0


def test_attempts_do_not_end_before_every_variant_was_tried():
    """Neither failures nor successes of some variants say what the others would do."""
    few = LEAST_REFUSED + 1
    many = Tally(few + 5, made=few, refused=few, failed=few)
    survived = Tally(few + 5, made=few, refused=few)

    assert (many.wanted, survived.wanted) == (5, 5)


def test_a_single_failing_variant_is_seen_often_enough():
    """The most attempts try each variant of a container so often that its failures count."""
    assert MOST_ATTEMPTS // len(CONTAINERS) >= ENOUGH_FAILED


def test_a_rare_call_gets_more_attempts():
    """As many attempts follow as the refusals that are missing will likely take."""
    assert Tally(VARIANTS, made=10, refused=5).wanted == 2 * (LEAST_REFUSED - 5)
    assert Tally(VARIANTS, made=VARIANTS).wanted == LEAST_REFUSED * VARIANTS


def test_a_survivable_call_is_refused_with_its_substitute():
    """A call that came in place of a refused one is refused with it."""
    tallies = {
        Refusal(("faccessat2",), "EPERM"): tally(LEAST_REFUSED, 0, "faccessat", "read"),
        Refusal(("read",), "EPERM"): tally(LEAST_REFUSED, LEAST_REFUSED, "mmap"),
    }

    assert with_substitutes(frozenset({"faccessat2", "read"}), tallies) == (
        Refusal(("faccessat", "faccessat2"), "EPERM"),
    )


def test_all_survivable_calls_are_refused_together():
    """Those that starts work without, each alone, are refused at once, by answer."""
    tallies = {
        Refusal((name,), "ENOSYS"): tally(LEAST_REFUSED) for name in ("close", "fcntl", "openat2")
    }
    whole = Refusal(("close", "fcntl", "openat2"), "ENOSYS")

    assert with_substitutes(frozenset(), tallies) == (whole,)
    assert pairs({whole: tally(4)}) == ()
    assert pairs({whole: tally(4, 4)}) == (
        Refusal(("close", "fcntl"), "ENOSYS"),
        Refusal(("close", "openat2"), "ENOSYS"),
        Refusal(("fcntl", "openat2"), "ENOSYS"),
    )


def test_trials_of_several_calls_say_only_what_fails_and_why():
    """Of several calls the smallest groups that failed are kept; of single ones all refused."""
    tallies = {
        Refusal(("close", "fcntl", "openat2"), "EPERM"): tally(4, 4),
        Refusal(("fcntl", "openat2"), "EPERM"): tally(4, 4),
        Refusal(("close", "fcntl"), "EPERM"): tally(4),
        Refusal(("close",), "EPERM"): tally(10),
        Refusal(("sched_yield",), "EPERM"): tally(0),
    }

    assert trials_of(tallies) == (
        RefusalTrial(("close",), "EPERM", 10, 0),
        RefusalTrial(("fcntl", "openat2"), "EPERM", 4, 4),
    )


def test_few_failures_prove_nothing():
    """A start may fail because the host is busy: failures that do not repeat are left out."""
    tallies = {
        Refusal(("close",), "EPERM"): tally(MOST_ATTEMPTS, ENOUGH_FAILED - 1),
        Refusal(("close",), "ENOSYS"): tally(MOST_ATTEMPTS, ENOUGH_FAILED),
    }

    assert trials_of(tallies) == (RefusalTrial(("close",), "ENOSYS", MOST_ATTEMPTS, ENOUGH_FAILED),)


def test_a_trial_repeats_the_samples_that_showed_its_calls():
    """The numbers of samples with all of the calls come first, else those with any."""
    samples = [(0, frozenset({"close"})), (1, frozenset({"close", "fchown"})), (2, EMPTY)]

    assert showing(samples, ["close"]) == (0, 1)
    assert showing(samples, ["close", "fchown"]) == (1,)
    assert showing(samples, ["close", "faccessat"]) == (0, 1)
    assert showing(samples, ["mmap"]) == ()
