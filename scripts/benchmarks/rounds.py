"""
Rounds: every setting once, one after the other, so that a machine whose speed drifts drifts for all
of them; and the table of their medians.

What belongs here is how a benchmark is done, whatever it measures.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections import defaultdict
from typing import Callable, Dict, List, Mapping, Optional, Sequence

Samples = Dict[str, List[float]]
Settings = Dict[str, Callable[[], float]]


def interleaved(rounds: int, settings: Dict[str, Callable[[], float]]) -> Samples:
    """Every setting once a round; the first round warms up and does not count."""
    samples: Samples = defaultdict(list)
    for number in range(rounds + 1):
        for name, measure in settings.items():
            value = measure()
            if number:
                samples[name].append(value)
    return samples


def milliseconds(command: Sequence[str], env: Optional[Mapping[str, str]] = None) -> float:
    """A whole command's time."""
    start = time.monotonic()
    subprocess.run(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return (time.monotonic() - start) * 1e3


def print_table(title: str, samples: Samples, base: str, beside: str) -> None:
    """
    Medians, ratios of medians to the base, and the median of what each round shows above `beside`.
    """
    bare = statistics.median(samples[base])
    print(f"{title:30} {'median':>10} {'ratio':>9}   above {beside}")
    for name, values in samples.items():
        median = statistics.median(values)
        above = statistics.median(one - other for one, other in zip(values, samples[beside]))
        print(f"  {name:28} {median:10.1f} {median / bare:9.3f} {above:10.1f}")
    print()
