"""
`python -m tracer`, and the entry point `seccomp-trace`.

What is here runs before anything else is imported: Ctrl-C in that time ends the program as it ends
any other, and not with a traceback.
"""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. Exit codes: see `tracer.cli.main`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tracer import cli

    cli.main()


if __name__ == "__main__":
    main()
