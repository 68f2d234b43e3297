"""
What an engine is to us, and which there are.

What belongs here: the protocol, the registry, and running an engine's own command line to ask it
something. A question that an engine cannot answer is no error: the container may be gone, and a
recording without its image's name is still a recording.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Callable, Mapping, Optional, Protocol, Sequence, Tuple

ANSWER_SECONDS = 20

Ask = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Named:
    """
    What an engine says of a container; empty where it says nothing.

    `infra`: it only holds a pod's namespaces.
    """

    id: str
    name: str = ""
    image: str = ""
    infra: bool = False


class Engine(Protocol):
    """One container engine."""

    name: str

    def look_up(
        self, client: Sequence[str], reference: str, since: int, ask: Ask
    ) -> Optional[Named]:
        """
        The container of an id or name, whether it still exists or not.

        `client` is how the engine's client is called, options included; `since` the Unix time from
        which its events are asked for. None if the engine does not know it.
        """


def ask(command: Sequence[str]) -> str:
    """What a command prints on standard output; empty if it fails or takes too long."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return done.stdout.decode(errors="replace")


def runtime_version(path: str, ask: Ask = ask) -> str:
    """The version that an OCI runtime says it has (`runc --version`), or an empty string."""
    words = ask([path, "--version"]).split("\n")[0].split()
    return words[-1] if words and words[0] == os.path.basename(path) else ""


def fields_of(text: str) -> Mapping[str, object]:
    """The JSON object in an engine's answer; empty if it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def string_at(fields: Mapping[str, object], *path: str) -> str:
    """A string inside nested objects, or an empty one."""
    value: object = fields
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def registry() -> Mapping[str, Engine]:
    """The engines by name."""
    from tracer.container.docker import Docker
    from tracer.container.podman import Podman

    return {"podman": Podman(), "docker": Docker()}


def started_by_request(line: str) -> Tuple[str, bool]:
    """
    The container that an HTTP request to an engine's socket starts, and whether by an exec.

    `POST /v1.41/containers/ID/start`, `POST /v4.3.1/libpod/containers/ID/start`: Docker Engine API
    and podman's. ("", False) for any other request.
    """
    words = line.split(" ")
    parts = words[1].split("?")[0].split("/") if len(words) > 1 else []
    if len(parts) >= 4 and parts[-3] == "containers" and parts[-1] in ("start", "restart", "exec"):
        return parts[-2], parts[-1] == "exec"
    return "", False
