"""
From samples to the counts of a floor.
"""

from __future__ import annotations

from tracer.measuring.counting import count


def test_samples_are_counted_per_call():
    """A floor says in how many samples each call was seen, the most frequent first."""
    samples = [frozenset({"execve"}), frozenset({"close", "execve", "futex"})]

    assert count(samples) == (("execve", 2), ("close", 1), ("futex", 1))
