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
from typing import Callable, Iterator, List, Optional, Tuple

from tracer.errors import HostError
from tracer.kernel.recorder import Recorder
from tracer.measuring.counting import Sample, sample_of
from tracer.measuring.variants import (
    CONTAINERS,
    LABEL,
    Target,
    exec_script,
    lasting_command,
    start_script,
)
from tracer.session.assembly import Doubts, Host, head_reasons, recording_of, run_of_container
from tracer.session.assembly import this_host
from tracer.session.belonging import Belongings, Evidence, belongings

AT_ONCE = 2 * len(CONTAINERS)  # samples of one round at most: they fit the kernel's maps with ease
LOADED = 3  # in every third round the processors are busy, so that Go's rarer calls show
ENDS_WITHIN = 60
LOOK_SECONDS = 0.05

Progress = Callable[[int], None]


def observe_starts(target: Target, wanted: int, progress: Progress) -> List[Sample]:
    """Start at least `wanted` containers; what the runtime called in each."""

    size = min(wanted, AT_ONCE)

    def script(round: int) -> str:
        return start_script(target, range(round * size, (round + 1) * size))

    with _removed(target):
        return _rounds(target, script, wanted, progress)


def observe_execs(target: Target, wanted: int, progress: Progress) -> List[Sample]:
    """Execute at least `wanted` programs in running containers; what the runtime called in each."""
    with _removed(target):
        started = [_lasting(target, number) for number in range(min(wanted, AT_ONCE))]
        containers = [container for container in started if container is not None]

        def script(round: int) -> str:
            return exec_script(target, containers, round)

        return _rounds(target, script, wanted, progress)


# The id of a container that goes on; None if the engine cannot do this variant here.
def _lasting(target: Target, number: int) -> Optional[str]:
    done = subprocess.run(
        lasting_command(target, number), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _rounds(
    target: Target, script: Callable[[int], str], wanted: int, progress: Progress
) -> List[Sample]:
    samples: List[Sample] = []
    most = 2 * (wanted // AT_ONCE + 1)  # some variants may not be possible here: more rounds
    for round in range(most):
        with ExitStack() as stack:
            if round % LOADED == LOADED - 1:
                stack.enter_context(_busy())
            said = stack.enter_context(tempfile.TemporaryFile())
            samples += _recorded(target, script(round), said.fileno())
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
        progress(len(samples))
        if len(samples) >= wanted:
            return samples
    raise HostError(f"only {len(samples)} of {wanted} samples", f"the engine said: {words[-300:]}")


def _recorded(target: Target, script: str, said: int) -> Iterator[Sample]:
    with Recorder() as recorder:
        with recorder.command() as number:
            child = subprocess.Popen(
                ["sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
        child.wait()
        _wait_for_ends(recorder, number)
        yield from _samples(recorder, number, target, this_host())


def _wait_for_ends(recorder: Recorder, number: int) -> None:
    # Those that are detached. A container that was there before goes on.
    deadline = time.monotonic() + ENDS_WITHIN
    while any(
        one.head.alive > 0 and not one.late for one in _found(recorder, number).containers
    ):
        if time.monotonic() > deadline:
            raise HostError("a container that was started does not end")
        time.sleep(LOOK_SECONDS)


def _found(recorder: Recorder, number: int) -> Belongings:
    return belongings(
        Evidence(
            number,
            recorder.heads(),
            recorder.launches(),
            recorder.requests(),
            lambda engine, reference: None,
        )
    )


def _samples(recorder: Recorder, number: int, target: Target, host: Host) -> Iterator[Sample]:
    containers = _found(recorder, number).containers
    contents = recorder.contents({one.recording for one in containers})
    doubts = Doubts(recorder.state(), recorder.recursion_misses()).reasons()
    for one in containers:
        run = run_of_container(one, "", (), False, host)
        sample = sample_of(recording_of(run, [contents[one.recording]], host))
        if sample is None:
            continue
        reasons = (*doubts, *head_reasons(one.head))
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
