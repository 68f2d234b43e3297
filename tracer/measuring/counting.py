"""
From samples to a floor. Pure.

A sample is what one start, or one exec, showed: the names of the runtime's calls.
"""

from __future__ import annotations

from collections import Counter
from typing import FrozenSet, Sequence, Tuple

Sample = FrozenSet[str]


def count(samples: Sequence[Sample]) -> Tuple[Tuple[str, int], ...]:
    """Return how many samples show each call, the most frequent first."""
    counted = Counter(name for sample in samples for name in sample)
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
