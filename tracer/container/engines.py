"""
What an engine is to us, and which there are.

What belongs here: the protocol, the registry, and running an engine's own command line to ask it
something. A question that an engine cannot answer is no error: the container may be gone, and a
recording without its image's name is still a recording.
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Callable, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from tracer.errors import HostError

ANSWER_SECONDS = 20
KNOWN_RUNTIMES = ("runc", "crun", "youki")
AT_ONCE = 200  # containers asked about in one command

Ask = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Named:
    """
    What an engine says of a container; empty where it says nothing.

    `infra`: it only holds a pod's namespaces. `process`: its first one on this host, 0 if it does
    not run. `started`: seconds since the epoch, 0 if unknown. `runtime`: name or path.
    """

    id: str
    name: str = ""
    image: str = ""
    infra: bool = False
    process: int = 0
    started: float = 0.0
    runtime: str = ""
    labels: Tuple[Tuple[str, str], ...] = ()


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

    def inspect(self, client: Sequence[str], references: Sequence[str], ask: Ask) -> List[Named]:
        """Those containers of these ids or names that exist now."""


def ask(command: Sequence[str]) -> str:
    """What a command prints on standard output; empty if it cannot be run or takes too long."""
    with suppress(HostError):
        return answer(command)
    return ""


def answer(command: Sequence[str]) -> str:
    """The same for who has to know of silence. Raises HostError if it takes too long."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{command[0]} gave no answer in {ANSWER_SECONDS} s") from error
    except (OSError, ValueError):
        return ""
    return done.stdout.decode(errors="replace")


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


def named(fields: Mapping[str, object]) -> Optional[Named]:
    """An engine's description of a container, under our own names for its fields, if it is one."""
    if not string_at(fields, "id"):
        return None
    process, labels = fields.get("process"), fields.get("labels")
    return Named(
        id=string_at(fields, "id"),
        name=string_at(fields, "name").lstrip("/"),
        image=string_at(fields, "image"),
        infra=fields.get("infra") is True,
        process=process if isinstance(process, int) else 0,
        started=_seconds(string_at(fields, "started")),
        runtime=string_at(fields, "runtime"),
        labels=tuple(
            sorted((key, str(value)) for key, value in labels.items())
            if isinstance(labels, dict)
            else ()
        ),
    )


def _seconds(timestamp: str) -> float:
    """A time as engines write it (RFC 3339, nine digits for the fraction); 0 if it is none."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT[\d:]{8})(\.\d+)?(Z|[+-]\d\d:\d\d)", timestamp)
    if not found:
        return 0.0
    zone = "+00:00" if found[3] == "Z" else found[3]
    try:
        return datetime.fromisoformat(found[1] + zone).timestamp() + float(found[2] or 0)
    except ValueError:
        return 0.0


def registry() -> Mapping[str, Engine]:
    """The engines by name."""
    from tracer.container.docker import Docker
    from tracer.container.podman import Podman

    return {"podman": Podman(), "docker": Docker()}


def known(references: Sequence[str], ask: Ask = ask) -> Mapping[str, Tuple[str, Named]]:
    """What this host's engines know of these containers: by id, the engine and what it says."""
    found: Dict[str, Tuple[str, Named]] = {}
    for name, engine in registry().items():
        for start in range(0, len(references), AT_ONCE):
            some = references[start : start + AT_ONCE]
            for one in engine.inspect([name], some, ask):
                found.setdefault(one.id, (name, one))
    return found


def running(ask: Ask = ask) -> List[Named]:
    """The containers that run now, of every engine."""
    found: List[Named] = []
    for name, engine in registry().items():
        ids = ask([name, "ps", "--quiet", "--no-trunc"]).split()
        if ids:
            found += engine.inspect([name], ids, ask)
    return found


def id_in_cgroups(groups: str) -> str:
    """The container's id in what /proc/PID/cgroup holds, or an empty string."""
    found = re.search(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", groups)
    return found[0] if found else ""


def inspected(answer: str) -> List[Named]:
    """The containers that an engine has described, one on a line."""
    return [one for one in (named(fields_of(line)) for line in answer.splitlines()) if one]


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
