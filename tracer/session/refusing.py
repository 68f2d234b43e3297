"""
Denials beside a recording: what the filter that a container runs under answers instead of the
kernel, counted where this kernel can tell it, and then part of the recording.

What is answered with an error, a trap or a kill; of LOG `watch` and `verify` hear.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Dict, Iterator, Mapping, Optional, Tuple

from tracer import syscalls
from tracer.errors import HostError
from tracer.kernel import denials
from tracer.kernel.recorder import Recorder
from tracer.kernel.wire import Head
from tracer.profile import model
from tracer.recording import Denial, Recording, Sighting
from tracer.session.belonging import Container
from tracer.session.refusals import NOT_VISIBLE, Refusal, Refusals

SIGNALS = {model.TRAP: "trap", model.KILL: "kill"}


@dataclass(frozen=True)
class Refusing:
    """What is counted in a session, or why nothing is."""

    kernel: Optional[Refusals] = None
    why: str = ""


@contextmanager
def refusing(recorder: Recorder) -> Iterator[Refusing]:
    """Count what is denied to whatever a recorder records while in this context."""
    with ExitStack() as opened:
        try:
            kernel = opened.enter_context(denials.counting(recorder.threads))
        except HostError as error:
            yield Refusing(why=f"denials were not recorded: {error.message}")
            return
        yield Refusing(Refusals(kernel, None))


def beside(recorder: Recorder) -> Refusing:
    """What a recorder that stays, and counts them, has of each container."""
    return Refusing(Refusals(denials.Denials(recorder.loaded), None))


def with_denials(
    recording: Recording, refusing: Refusing, container: Container, heads: Mapping[int, Head]
) -> Recording:
    """The recording of one run, of this container or tree, with what was denied to it."""
    (run,) = recording.runs.values()
    if refusing.kernel is None:
        notes = (*run.notes, refusing.why) if refusing.why else run.notes
        return replace(recording, runs={run.id: replace(run, notes=notes)})
    found: Dict[Tuple[object, ...], Denial] = {}
    for one in refusing.kernel.of([container], heads):
        if one.answer == NOT_VISIBLE:
            continue
        denial = _denial(one, run.id)
        if denial.key in found:
            count = found[denial.key].count + denial.count
            denial = replace(denial, counts=((run.id, count),))
        found[denial.key] = denial
    lost = refusing.kernel.lost([container], heads)
    notes = (*run.notes, f"{lost} denials could not be kept: too many kinds") if lost else run.notes
    runs = {run.id: replace(run, notes=notes)}
    return replace(recording, runs=runs, denials=tuple(found.values()))


def _denial(one: Refusal, run: str) -> Denial:
    error = syscalls.error_name(one.answer.errno or 0)
    return Denial(
        executable=one.executable,
        architecture=one.architecture,
        number=one.number,
        name=None if one.syscall.isdigit() else one.syscall,
        answer=SIGNALS.get(one.answer.action) or error,
        last=Sighting(one.time, one.thread, one.comm),
        counts=((run, one.count),),
    )
