"""
The many runs of `scripts/fuzz-output`: COUNT and SEED are arguments.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.printed import kernel, profiles


def main(count: int, seed: int) -> int:
    """Print every failure and figures; return 1 if there was one."""
    found = 0
    with tempfile.TemporaryDirectory() as directory:
        for failures in (profiles.failures, kernel.failures):
            for failure in failures(count // 2, seed, Path(directory)):
                found += 1
                print(ascii(failure))
    print(f"{count} commands over hostile strings, {found} that print or fail as they must not")
    return 1 if found else 0


if __name__ == "__main__":
    os.chdir(tempfile.gettempdir())
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(numbers + [20_000, 1][len(numbers) :])))
