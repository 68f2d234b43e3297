"""
What a command tells while it records: a line of life on a terminal, and sentences.

What the line says is `report.life`'s; here is where it goes, for every command that records.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, Tuple

from tracer.cli.printing import LINE_LIMIT
from tracer.text import printable

if TYPE_CHECKING:
    from tracer.session.looking import Tell, Watch


@contextmanager
def life() -> Iterator[Tuple[Watch, Tell]]:
    """What to show of a recording while it lasts, and how to say a sentence in between."""
    from tracer.report.life import Life

    with Life(sys.stderr) as line:

        def tell(sentence: str) -> None:
            line.say(f"seccomp-trace: {printable(sentence, LINE_LIMIT)}")

        yield line.show, tell
