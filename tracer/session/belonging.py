"""
Which of the kernel's recordings are a command's, and what container each of them is.

The kernel records every container that begins; what it is, and whose, is decided here, from its
head, from the monitor that started it and from what the command asked of an engine's socket. Pure:
it is given what the maps hold, and how to ask an engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Set, Tuple

from tracer.container.engines import Named, started_by_request
from tracer.container.podman import Launch, read_launch
from tracer.kernel.wire import COMMAND, Head

# A runtime's comm, up to a colon ("runc:[2:INIT]"). Others are no runtimes: with systemd's driver
# systemd puts a container's first task into its cgroup.
RUNTIMES = ("runc", "crun", "youki")
CONTAINER_ID = re.compile(r"[0-9a-f]{64}")

LookUp = Callable[[str, str], Optional[Named]]


@dataclass(frozen=True)
class Container:
    """
    A recording of the kernel's that is a container's.

    `runtime` is the path or, where none is known, the name. `late`: it ran before it was recorded.
    `infra`: it only holds a pod's namespaces.
    """

    recording: int
    head: Head
    engine: str
    id: str
    name: str
    image: str
    runtime: str
    late: bool
    infra: bool


@dataclass(frozen=True)
class Belongings:
    """A command's containers; and all the recordings that are of its own process tree."""

    containers: Tuple[Container, ...]
    tree: FrozenSet[int]


@dataclass(frozen=True)
class Evidence:
    """
    What the maps say, and who is asked about the rest.

    `look_up(engine, reference)` asks an engine for a container by id or name.
    """

    command: int
    heads: Mapping[int, Head]
    launches: Mapping[int, Sequence[str]]
    requests: Sequence[Tuple[int, str]]
    look_up: LookUp


def belongings(evidence: Evidence) -> Belongings:
    """The recordings that are the command's, sorted into containers and the tree itself."""
    tree = _tree(evidence.command, evidence.heads)
    asked = _asked_for(evidence, tree)
    containers: List[Container] = []
    own: Set[int] = {evidence.command}
    for recording, head in sorted(genuine(evidence.heads).items()):
        launch = read_launch(evidence.launches.get(head.launcher, ()))
        if recording in tree and head.kind != COMMAND:
            if head.container or launch or runtime_of(head):
                containers.append(_of_tree(recording, head, launch, evidence.look_up))
            else:
                own.add(recording)
        elif head.container in asked:
            containers.append(_of_engine(recording, head, asked[head.container]))
    return Belongings(tuple(containers), frozenset(own))


def _tree(command: int, heads: Mapping[int, Head]) -> FrozenSet[int]:
    """The command's recording and every one that began in its tree, at whatever depth."""
    tree = {command}
    for recording, head in sorted(heads.items()):  # ids are times: what is outer comes first
        if head.outer in tree:
            tree.add(recording)
    return frozenset(tree)


def genuine(heads: Mapping[int, Head]) -> Mapping[int, Head]:
    """
    The heads without those of users who entered a cgroup named like a container of root's, before
    it was there.
    """
    roots = {head.container for head in heads.values() if head.container and not head.user}
    return {
        recording: head
        for recording, head in heads.items()
        if not head.user or head.container not in roots
    }


def _of_tree(recording: int, head: Head, launch: Optional[Launch], look_up: LookUp) -> Container:
    id = head.container or (launch.container if launch else "")
    engine = "podman" if launch else ""
    named = look_up(engine, id) if engine and id else None
    return Container(
        recording=recording,
        head=head,
        engine=engine,
        id=id,
        name=launch.name if launch and not launch.joins else (named.name if named else ""),
        image=named.image if named else "",
        runtime=launch.runtime if launch else runtime_of(head),
        late=bool(launch and launch.joins),
        infra=named.infra if named else bool(launch and launch.name.endswith("-infra")),
    )


def _of_engine(recording: int, head: Head, asked: "Asked") -> Container:
    return Container(
        recording=recording,
        head=head,
        engine=asked.engine,
        id=head.container,
        name=asked.named.name,
        image=asked.named.image,
        runtime=runtime_of(head),
        late=not asked.started,
        infra=asked.named.infra,
    )


def runtime_of(head: Head) -> str:
    """The name of the runtime that made a container, or an empty string."""
    name = head.maker.split(":")[0]
    return name if name in RUNTIMES else ""


@dataclass(frozen=True)
class Asked:
    """A container that a command asked an engine to start, or (not `started`) to execute in."""

    engine: str
    named: Named
    started: bool


def _asked_for(evidence: Evidence, tree: FrozenSet[int]) -> Dict[str, Asked]:
    """The containers, by id, that the tree asked of an engine's socket."""
    found: Dict[str, Asked] = {}
    for recording, line in evidence.requests:
        reference, joins = started_by_request(line)
        if not reference or recording not in tree:
            continue
        engine = "podman" if "/libpod/" in line else "docker"
        named = evidence.look_up(engine, reference)
        if named is None and CONTAINER_ID.fullmatch(reference):
            named = Named(reference)
        if named is not None:
            started = not joins or (named.id in found and found[named.id].started)
            found[named.id] = Asked(engine, named, started)
    return found


def tree_of(recording: int, head: Head) -> Container:
    """A command's process tree, as far as it is like a container."""
    return Container(recording, head, "", "", "", "", "", False, False)
