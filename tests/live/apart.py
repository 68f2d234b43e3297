"""
A host that lacks something, simulated: a program in a mount namespace of its own.

What is mounted there hides what is below it from that program alone, and goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence


def apart(preparations: Sequence[str], command: Sequence[str]) -> list[str]:
    """
    Return the command line that runs a command after these shell commands, apart from the host.

    The process stays one and the same, so that signals sent to it reach the command.
    """
    script = " && ".join([*preparations, 'exec "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
