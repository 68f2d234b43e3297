"""
`python -m tracer`, and the entry point `seccomp-trace`.

What is here runs before anything else is imported: Ctrl-C in that time ends the program as it ends
any other, and not with a traceback. So is what runs last, when no signal may change any more how it
ends.
"""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. Exit codes: see `tracer.cli.main`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tracer import cli

    try:
        cli.main()
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


if __name__ == "__main__":
    main()
