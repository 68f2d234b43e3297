"""
Starting what `variants` says, and recording each of it: the kernel and the engine are here.

Below `session`, which would ask the engine about every container: only the calls count here.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from typing import Callable, Iterable, Iterator, List, Mapping, Sequence, Tuple

from tracer.errors import HostError
from tracer.kernel.recorder import Recorder, own
from tracer.measuring.counting import Sample, sample_of
from tracer.measuring.variants import (
    CONTAINERS,
    LABEL,
    Target,
    exec_script,
    lasting_script,
    start_script,
)
from tracer.session.assembly import Doubts, recording_of, run_of_container, this_host
from tracer.session.belonging import Container, Evidence, belongings

AT_ONCE = 2 * len(CONTAINERS)  # samples of one round at most: they fit the kernel's maps with ease
LOADED = 3  # in every third round the processors are busy, so that Go's rarer calls show
ENDS_WITHIN = 60
LOOK_SECONDS = 0.05

Progress = Callable[[int], None]
# A round: given its number, and a descriptor for what the engine says on standard error.
Round = Callable[[int, int], Iterable[Sample]]


def observe_starts(target: Target, wanted: int, progress: Progress) -> List[Sample]:
    """Start at least `wanted` containers; what the runtime called in each."""
    size = min(wanted, AT_ONCE)

    def take(round: int, said: int) -> Iterator[Sample]:
        numbers = range(round * size, (round + 1) * size)
        with own() as recorder:
            command = _run(recorder, start_script(target, numbers), said)
            _wait_for_ends(recorder, command, {})
            yield from _samples(recorder, command, target)

    with _removed(target):
        return _rounds(take, wanted, progress)


def observe_execs(target: Target, wanted: int, progress: Progress) -> List[Sample]:
    """Execute at least `wanted` programs in running containers; what the runtime called in each."""
    numbers = range(min(wanted, AT_ONCE))

    with _removed(target), own() as recorder:
        # Started while it is recorded: one without a cgroup of its own is not known later.
        command = _run(recorder, lasting_script(target, numbers), subprocess.DEVNULL)

        def take(round: int, said: int) -> Iterable[Sample]:
            alive = {one.recording: one.head.alive for one in _containers(recorder, command)}
            running = [one.id for one in _containers(recorder, command) if one.head.alive > 0]
            recorder.forget_calls(alive.keys())
            _run(recorder, exec_script(target, running, round), said)
            _wait_for_ends(recorder, command, alive)
            return _samples(recorder, command, target)

        return _rounds(take, wanted, progress)


def _rounds(take: Round, wanted: int, progress: Progress) -> List[Sample]:
    samples: List[Sample] = []
    most = 2 * (wanted // AT_ONCE + 1)  # some variants may not be possible here: more rounds
    for round in range(most):
        with ExitStack() as stack:
            if round % LOADED == LOADED - 1:
                stack.enter_context(_busy())
            said = stack.enter_context(tempfile.TemporaryFile())
            samples += take(round, said.fileno())
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
        progress(len(samples))
        if len(samples) >= wanted:
            return samples
    raise HostError(f"only {len(samples)} of {wanted} samples", f"the engine said: {words[-300:]}")


# Runs a script to its end; returns the recording of its process tree.
def _run(recorder: Recorder, script: str, said: int) -> int:
    null = subprocess.DEVNULL
    with recorder.command() as command:
        child = subprocess.Popen(["sh", "-c", script], stdin=null, stdout=null, stderr=said)
    child.wait()
    return command


# Until no more tasks are alive in each container than there were: some are detached.
def _wait_for_ends(recorder: Recorder, command: int, alive: Mapping[int, int]) -> None:
    deadline = time.monotonic() + ENDS_WITHIN
    while any(
        one.head.alive > alive.get(one.recording, 0) for one in _containers(recorder, command)
    ):
        if time.monotonic() > deadline:
            raise HostError("what was started in a container does not end")
        time.sleep(LOOK_SECONDS)


def _containers(recorder: Recorder, command: int) -> Sequence[Container]:
    heads, launches = recorder.heads(), recorder.launches()
    evidence = Evidence(command, heads, launches, recorder.requests(), lambda *_: None)
    return belongings(evidence).containers


def _samples(recorder: Recorder, command: int, target: Target) -> Iterator[Sample]:
    containers = _containers(recorder, command)
    contents = recorder.contents({one.recording for one in containers})
    doubts = Doubts(recorder.state(), recorder.recursion_misses()).reasons()
    host = this_host()
    for one in containers:
        run = run_of_container(one, (), False, host)
        sample = sample_of(recording_of(run, [contents[one.recording]], host))
        if sample is None:
            continue
        reasons = (*doubts, *run.integrity)
        if reasons or not one.head.filtered:
            raise HostError("; ".join(reason.text for reason in reasons) or "no filter was loaded")
        if run.no_new_privileges != target.no_new_privileges:
            raise HostError("the containers' no-new-privileges is not the one asked for")
        yield sample


@contextmanager
def _removed(target: Target) -> Iterator[None]:
    """Remove, before and after, every container that a measurement has left on the engine."""
    client = shlex.join(target.client)
    script = f"{client} ps --all --quiet --filter label={LABEL} | xargs -r {client} rm --force"

    def remove() -> None:
        subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    remove()
    try:
        yield
    finally:
        remove()


@contextmanager
def _busy() -> Iterator[None]:
    """Keep every processor busy."""
    loops: Tuple["subprocess.Popen[bytes]", ...] = tuple(
        subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"])
        for _ in range(os.cpu_count() or 1)
    )
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
