"""
An engine's command line: where the engine is in it, and how to give it another seccomp profile.

Pure: lists of arguments in, lists out. The engine need not come first (`sudo podman run ...`,
`runuser -u USER -- podman run ...`): everything before it is left alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import FrozenSet, List, Mapping, Optional, Sequence, Tuple

# Options before the subcommand that take the next argument: podman(1), docker(1).
WITH_VALUE: Mapping[str, FrozenSet[str]] = {
    "podman": frozenset(
        "--cgroup-manager --conmon --connection -c --events-backend --hooks-dir --identity "
        "--imagestore --log-level --module --namespace --network-cmd-path --network-config-dir "
        "--out --root --runroot --runtime --runtime-flag --ssh --storage-driver --storage-opt "
        "--tmpdir --transient-store --url --volumepath".split()
    ),
    "docker": frozenset(
        "--config --context -c --host -H --log-level -l --tlscacert --tlscert --tlskey".split()
    ),
}

STARTS = ("run", "create")
SECURITY_OPTION = "--security-opt"


@dataclass(frozen=True)
class EngineCall:
    """
    An engine found in a command line.

    `client`: everything before the subcommand, by which the same engine can be asked. `verb`: the
    subcommand, without "container". `options`: the index of the first argument after the verb.
    """

    engine: str
    client: Tuple[str, ...]
    verb: str
    options: int


def find_engine(command: Sequence[str]) -> Optional[EngineCall]:
    """The engine that a command line calls, or None."""
    for place, word in enumerate(command):
        engine = os.path.basename(word)
        if engine in WITH_VALUE:
            verb = _next_word(command, place + 1, WITH_VALUE[engine])
            client = tuple(command[:verb])
            if list(command[verb : verb + 1]) == ["container"]:
                verb += 1
            return EngineCall(engine, client, "".join(command[verb : verb + 1]), verb + 1)
    return None


def _next_word(command: Sequence[str], place: int, with_value: FrozenSet[str]) -> int:
    """The index of the first argument from `place` on that is neither an option nor its value."""
    while place < len(command) and command[place].startswith("-"):
        place += 2 if command[place] in with_value else 1
    return place


def with_profile(command: Sequence[str], call: EngineCall, profile: str) -> Tuple[str, ...]:
    """
    The same command with this file as the container's seccomp profile, in place of any other.

    `call.verb` must be one of STARTS.
    """
    head, tail = command[: call.options], command[call.options :]
    return (*head, SECURITY_OPTION, f"seccomp={profile}", *_without_seccomp(tail))


def _without_seccomp(options: Sequence[str]) -> Tuple[str, ...]:
    kept: List[str] = []
    place = 0
    while place < len(options):
        word = options[place]
        following = options[place + 1] if place + 1 < len(options) else ""
        if word == SECURITY_OPTION and following.startswith(("seccomp=", "seccomp:")):
            place += 2
        elif word.startswith((f"{SECURITY_OPTION}=seccomp=", f"{SECURITY_OPTION}=seccomp:")):
            place += 1
        else:
            kept.append(word)
            place += 1
    return tuple(kept)
