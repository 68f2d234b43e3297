"""
`python -m tracer.hook begin|end [--output-dir DIR] [--best-effort]`: what a runtime calls, in the
words that `program` has for it.

The container's state is on standard input. Exit code 0, or 1 after one line that says what is
wrong. A person has no business here; it is a program of its own, beside `cli`, because it starts in
half the time without the command line's packages.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Sequence

from tracer.errors import SeccompTraceError
from tracer.hook import saying, stages, state
from tracer.hook.stages import Policy


def main(arguments: Sequence[str]) -> int:
    """Do what one of the stages has to do; the exit code."""
    gc.disable()  # what is imported stays, and looking through it for garbage takes its time
    verb, *options = arguments
    try:
        stage = {"begin": stages.begin, "end": stages.end}[verb]
        stage(state.read(sys.stdin.buffer), _policy(options), saying.say)
    except SeccompTraceError as error:
        saying.say(error)
        return 1
    except Exception as error:  # a traceback would not get through any runtime
        saying.say(f"a fault in seccomp-trace itself: {type(error).__name__}: {error}")
        return 1
    return 0


# Written by `configuration`, and by nobody else.
def _policy(options: Sequence[str]) -> Policy:
    output_dir = None
    if "--output-dir" in options:
        output_dir = options[options.index("--output-dir") + 1]
    return Policy(output_dir, "--best-effort" in options)


def run() -> None:
    """Do it, and end the process."""
    # Everything is written and closed: taking the interpreter apart takes a tenth of the time.
    os._exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
