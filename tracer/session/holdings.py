"""
What a recorder that stays holds: the containers among its recordings, and what they are called.

Pure but for `held` and `recording_of`, which look into the maps and ask engines.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import AbstractSet, Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from tracer.container import engines
from tracer.container.engines import Named, started_by_request
from tracer.container.podman import Launch, read_launch
from tracer.errors import HostError
from tracer.kernel import pinned
from tracer.kernel.recorder import Recorder
from tracer.kernel.wire import ADOPTED, COMMAND, Head, State
from tracer.recording import Reason, Recording
from tracer.session import assembly, checking
from tracer.session.belonging import Container, genuine, runtime_of
from tracer.session.resident import is_running

Known = Callable[[Sequence[str]], Mapping[str, Tuple[str, Named]]]

CLAIM_NS = 60_000_000_000  # how long after its end a claim counts, as in bpf/room.c
UNCOUNTED = "denials were not recorded: the recorder was started without --denials"
SLACK_SECONDS = 1.0  # between a container's first task and when its engine says it started


@dataclass(frozen=True)
class Holding:
    """
    A container and its recording. `claimed`: a hook or a `run` is going to fetch it, or was
    killed a moment ago.
    """

    container: Container
    labels: Tuple[Tuple[str, str], ...]
    running: bool
    claimed: bool

    @property
    def name(self) -> str:
        """What people call it: its name, or the beginning of its id."""
        return self.container.name or self.container.id[:12]


def unchanged(recorder: Recorder, containers: Sequence[Holding]) -> FrozenSet[int]:
    """
    The recordings of those that had ended and have been left alone since they were looked at.
    Started again, a container goes on with the recording that it had.
    """
    heads = recorder.heads()
    found = ((one.container, heads.get(one.container.recording)) for one in containers)
    return frozenset(
        before.recording
        for before, head in found
        if head and not is_running(head) and head.last_exit == before.head.last_exit
    )


def has_run(holding: Holding) -> bool:
    """Whether a program was executed in the container, and not only what its runtime does."""
    return bool(holding.container.head.executables or holding.container.head.unnamed)


@dataclass(frozen=True)
class Wanted:
    """
    Which containers: names or beginnings of ids, and what each must have. Nothing: all of them.

    `labels`: KEY or KEY=VALUE. An image may lack its registry and its tag.
    """

    references: Tuple[str, ...] = ()
    names: Tuple[str, ...] = ()
    images: Tuple[str, ...] = ()
    labels: Tuple[str, ...] = ()

    def covers(self, holding: Holding) -> bool:
        """Whether a holding is wanted."""
        one = holding.container
        return (
            (not self.references or any(refers(name, one) for name in self.references))
            and (not self.names or one.name in self.names)
            and (not self.images or any(is_image(name, one.image) for name in self.images))
            and all(has_label(label, holding.labels) for label in self.labels)
        )


def refers(reference: str, container: Container) -> bool:
    """Whether a person means this container: its name, its id, or the beginning of that."""
    return reference == container.name or (
        len(reference) >= 3 and container.id.startswith(reference)
    )


def is_image(wanted: str, image: str) -> bool:
    """Whether an image's name is the one wanted, which may lack its registry, digest and tag."""
    whole = f"/{image}"
    tagged = whole.split("@")[0]
    name, _, tag = tagged.rpartition(":")
    untagged = tagged if "/" in tag else name  # it was a registry's port
    return any(one.endswith(f"/{wanted}") for one in (whole, tagged, untagged))


def has_label(wanted: str, labels: Sequence[Tuple[str, str]]) -> bool:
    """Whether a container has the label KEY, or KEY=VALUE."""
    key, separator, value = wanted.partition("=")
    return any(key == name and (not separator or value == text) for name, text in labels)


def held(recorder: Recorder) -> Tuple[Holding, ...]:
    """The containers that a recorder holds, the oldest first, by the names that engines know."""
    heads, launches, present = recorder.heads(), recorder.launches(), pinned.stamp()
    since = present.started if present else 0
    asked = {started_by_request(line)[0] for _, line in recorder.requests()}
    claims = {one for one in recorder.claims() if one in heads and not is_abandoned(heads[one])}
    return holdings(heads, launches, claims, engines.known, since=since, asked=asked - {""})


def is_abandoned(head: Head) -> bool:
    """Whether a container came to its end so long ago that its hook will not fetch it any more."""
    end = max(head.last_exit, head.born)
    return not is_running(head) and time.clock_gettime_ns(time.CLOCK_BOOTTIME) - end > CLAIM_NS


def holdings(
    heads: Mapping[int, Head],
    launches: Mapping[int, Sequence[str]],
    claims: AbstractSet[int],
    known: Known,
    *,
    since: int = 0,
    asked: AbstractSet[str] = frozenset(),
) -> Tuple[Holding, ...]:
    """
    The containers among recordings; a PID namespace that no runtime made is none.

    `since`: when the recorder was started, ns, CLOCK_BOOTTIME. `asked`: names and ids of containers
    that commands which are being recorded asked of engines.
    """
    commands = {number for number, head in heads.items() if head.kind == COMMAND}
    found: List[Tuple[int, Head, Optional[Launch], str]] = []
    for number, head in sorted(genuine(heads).items()):
        launch = read_launch(launches.get(head.launcher, ()))
        if head.kind != COMMAND and (head.container or launch or runtime_of(head)):
            id = head.container or (launch.container if launch else "")
            found.append((number, head, launch, id))
    # What a user calls his container may be the name or the id of one of root's.
    roots = {id for _, head, _, id in found if id and not head.user}
    names = known(sorted(roots))
    held: List[Holding] = []
    for number, head, launch, id in found:
        if head.user and id in roots:
            continue
        engine, named = ("", None) if head.user else names.get(id, ("", None))
        container = _container(number, head, launch, id, engine, named)
        container = replace(container, late=_is_late(head, launch, named, since))
        claimed = number in claims or head.outer in commands or bool({id, container.name} & asked)
        # Of one that was only entered since, the tasks seen may have ended while it goes on.
        running = is_running(head) or bool(container.late and named and named.process)
        if not container.infra:
            held.append(Holding(container, named.labels if named else (), running, claimed))
    return tuple(held)


def _container(
    number: int, head: Head, launch: Optional[Launch], id: str, engine: str, named: Optional[Named]
) -> Container:
    name = launch.name if launch and not launch.joins else ""
    return Container(
        recording=number,
        head=head,
        engine="podman" if launch else engine,
        id=id,
        name=name or (named.name if named else ""),
        image=named.image if named else "",
        runtime=launch.runtime if launch else runtime_of(head),
        late=False,
        infra=named.infra if named else bool(launch and launch.name.endswith("-infra")),
    )


def _is_late(head: Head, launch: Optional[Launch], named: Optional[Named], since: int) -> bool:
    """
    Whether the container ran before it was recorded, as far as can be told.

    An exec into one looks like a beginning where no new PID namespace was seen.
    """
    if head.kind == ADOPTED:
        return head.late
    if launch:
        return launch.joins
    if head.namespace:
        return False
    boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    earliest = max((head.born + boot) / 1e9 - SLACK_SECONDS, (since + boot) / 1e9)
    return not named or not named.started or named.started < earliest


def recordings_of(recorder: Recorder, containers: Sequence[Holding]) -> Dict[int, Recording]:
    """
    What is held of containers now, by recording, read at one go.

    Those are missing that have been released, or have given way, while they were read.
    """
    host = assembly.this_host()
    contents = recorder.contents({one.container.recording for one in containers})
    # A head goes before its contents do; and read after them, it knows of all that they lack.
    still = recorder.heads()
    doubts = doubts_of_one(recorder.state(), recorder.recursion_misses())
    asked = checking.beside(recorder)
    parts = checking.noted(asked, {number: contents[number].paths for number in contents})
    found: Dict[int, Recording] = {}
    for one in (holding.container for holding in containers):
        if one.recording in still:
            one = replace(one, head=still[one.recording])
            run = assembly.run_of_container(one, (), False, host)
            run = replace(run, integrity=run.integrity + doubts)
            recording = assembly.recording_of(run, [contents[one.recording]], host)
            of_one = tuple(parts[number] for number in parts if number == one.recording)
            recording = checking.with_checks(recording, asked, of_one, host)
            found[one.recording] = with_denials(recorder, recording, one)
    return found


def with_denials(recorder: Recorder, recording: Recording, container: Container) -> Recording:
    """A container's recording with what was denied to it, if the recorder counts that."""
    if "denials" not in recorder.loaded.maps:
        (run,) = recording.runs.values()
        runs = {run.id: replace(run, notes=(*run.notes, UNCOUNTED))}
        return replace(recording, runs=runs)
    from tracer.session import refusing  # most hooks need not wait for it: 20 ms

    refused, heads = refusing.beside(recorder), {container.recording: container.head}
    return refusing.with_denials(recording, refused, container, heads)


def doubts_of_one(state: State, skipped: Mapping[str, int]) -> Tuple[Reason, ...]:
    """What a whole recorder's counters say against a container, whose head has its own losses."""
    others = {"recordings_lost": 0, "namespaces_lost": 0, "requests_lost": 0}
    return assembly.Doubts(replace(state, **others), skipped).reasons()


def recording_of(recorder: Recorder, holding: Holding) -> Recording:
    """What is held of one container now. Raises HostError if that is gone."""
    number = holding.container.recording
    found = recordings_of(recorder, [holding])
    if number not in found:
        raise gone(holding)
    return found[number]


def gone(holding: Holding) -> HostError:
    """What to say of a container whose recording somebody else has taken meanwhile."""
    return HostError(f"{holding.name}: it is not held any more: somebody else has collected it")
