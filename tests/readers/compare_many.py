"""
Compare what readers understand of many profiles: `scripts/compare-readers`.
"""

from __future__ import annotations

import sys
from random import Random
from typing import List

from tests.readers import hostile
from tests.readers.compare import Disagreement, compare

_AT_ONCE = 5000
_SHOWN = 20


def main(count: int, seed: int) -> int:
    """Print disagreements and figures; return 1 if there is a disagreement."""
    random = Random(seed)
    read, found = 0, 0
    for start in range(0, count, _AT_ONCE):
        texts = [hostile.text(random) for _ in range(min(_AT_ONCE, count - start))]
        accepted, disagreements = compare(texts)
        read += accepted
        found += _show(disagreements, found)
    print(f"{count} profiles, {read} accepted, {found} disagreements")
    return 1 if found else 0


def _show(some: List[Disagreement], before: int) -> int:
    for disagreement in some[: max(_SHOWN - before, 0)]:
        print(f"{disagreement.engine}: {disagreement.text!r}")
        print(f"  we understand   {disagreement.ours}")
        print(f"  it understands  {disagreement.theirs}")
    return len(some)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(numbers + [100_000, 1][len(numbers) :])))
