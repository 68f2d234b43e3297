"""
What a compiler prints, kept instead of shown: it writes on file descriptors, not on streams.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Dict, Iterator


@contextmanager
def kept_output() -> Iterator[Any]:
    """Keep what is printed on file descriptors 1 and 2; yields a function that returns it."""
    kept = os.memfd_create("diagnostics")
    real: Dict[int, int] = {number: os.dup(number) for number in (1, 2)}

    def said() -> str:
        size = os.fstat(kept).st_size
        return os.pread(kept, size, 0).decode(errors="replace")

    try:
        for number in real:
            os.dup2(kept, number)
        yield said
    finally:
        for number, original in real.items():
            os.dup2(original, number)
            os.close(original)
        os.close(kept)
