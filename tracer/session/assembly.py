"""
From the kernel's maps to a recording: names for numbers, times of day, reasons for doubt.

Pure but for the clocks and the host's name, which are read once and handed in (`Host`), and for
the files of runtimes (`runtimes`).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from tracer import syscalls
from tracer.kernel import wire
from tracer.kernel.recorder import Content
from tracer.recording import RUNTIME, UNKNOWN, Executable, Observation, Reason, Recording, Run
from tracer.recording import Sighting
from tracer.session.belonging import Container
from tracer.session.runtimes import identify

ARCHITECTURES = {
    wire.AUDIT_ARCH_X86_64: syscalls.X86_64,
    wire.AUDIT_ARCH_I386: syscalls.X86,
    wire.AUDIT_ARCH_AARCH64: syscalls.AARCH64,
    wire.AUDIT_ARCH_ARM: syscalls.ARM,
}
NATIVE = {"x86_64": syscalls.X86_64, "aarch64": syscalls.AARCH64}


@dataclass(frozen=True)
class Host:
    """
    What a recording says of where it was made.

    `boot`: nanoseconds to add to CLOCK_BOOTTIME for the Unix epoch.
    """

    kernel: str
    architecture: str
    boot: int


def this_host() -> Host:
    """The machine that we are on."""
    boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Host(os.uname().release, NATIVE.get(os.uname().machine, ""), boot)


def check_names() -> None:
    """Raise HostError unless system calls can be named."""
    for architecture in ARCHITECTURES.values():
        syscalls.name_of(architecture, 0)


@dataclass(frozen=True)
class Doubts:
    """Why nothing that was recorded meanwhile may be complete: counters of the whole recorder."""

    state: wire.State
    skipped: Mapping[str, int]

    def reasons(self) -> Tuple[Reason, ...]:
        """One Reason for each counter that is not zero."""
        skipped = sum(self.skipped.values())
        return _reasons(
            ("programs-skipped", "the kernel skipped runs of the recorder's programs", skipped),
            (
                "recordings-lost",
                "recordings could not begin: too many at once",
                self.state.recordings_lost,
            ),
            (
                "namespaces-lost",
                "PID namespaces could not be followed: too many at once",
                self.state.namespaces_lost,
            ),
            (
                "requests-lost",
                "requests to engines could not be kept: too many",
                self.state.requests_lost,
            ),
        )


def _reasons(*counted: Tuple[str, str, int]) -> Tuple[Reason, ...]:
    return tuple(Reason(code, text, count) for code, text, count in counted if count)


LATE = Reason(
    "attached-late",
    "it was running before the recording began: what it had called is unknown",
    1,
)


def head_reasons(head: wire.Head) -> Tuple[Reason, ...]:
    """What one recording's own counters say against it."""
    late = (LATE,) if head.late else ()
    return late + _reasons(
        ("calls-lost", "calls were seen for which no map had room", head.lost),
        ("tasks-lost", "threads were born that could not be followed", head.lost_tasks),
    )


def head_notes(head: wire.Head) -> Tuple[str, ...]:
    """What a person should know about one recording, without being a reason for doubt."""
    notes: List[str] = []
    if head.outsider:
        notes.append(
            "a program was executed in the container without its filter (podman exec "
            "--privileged, nsenter): what it called is not recorded"
        )
    if head.unnamed:
        notes.append(f"{head.unnamed} executions of programs whose path could not be kept")
    if head.alive > 0:
        notes.append("the recording was ended while its processes were still running")
    return tuple(notes)


def recording_of(run: Run, contents: Iterable[Content], host: Host) -> Recording:
    """
    One recording of one run, from what one or more of the kernel's recordings hold.

    A run without a container has no runtime: a program that confined itself is just not known.
    """
    runs = frozenset({run.id})
    executables: Dict[str, Executable] = {}
    observations: List[Observation] = []
    for content in contents:
        for path in content.paths.values():
            executables[path] = Executable(path, runs)
        names = executable_names(run, content.paths)
        observations += [_observation(call, names, runs, host) for call in content.calls]
    return Recording({run.id: run}, tuple(executables.values()), tuple(observations))


def executable_names(run: Run, paths: Mapping[int, str]) -> Mapping[int, str]:
    """What executables of a run are called, by the kernel's id."""
    return {wire.EXECUTABLE_RUNTIME: RUNTIME if run.container_id else UNKNOWN, **paths}


def _observation(
    call: wire.Call, names: Mapping[int, str], runs: "frozenset[str]", host: Host
) -> Observation:
    architecture = architecture_of(call.architecture, call.number)
    return Observation(
        executable=names.get(call.executable, UNKNOWN),
        architecture=architecture,
        number=call.number,
        name=syscalls.name_of(architecture, call.number),
        first=Sighting(call.first + host.boot, call.thread, call.comm),
        runs=runs,
    )


def architecture_of(audit: int, number: int) -> str:
    """libseccomp's token for the kernel's AUDIT_ARCH and a call's number (bit 30: x32)."""
    x32 = number & syscalls.X32_BIT and number != wire.IMPOSSIBLE
    if audit == wire.AUDIT_ARCH_X86_64 and x32:
        return syscalls.X32
    return ARCHITECTURES[audit]


def run_of_container(
    container: Container, command: Tuple[str, ...], marker: bool, host: Host
) -> Run:
    """The run of one container, without the doubts that are the recorder's."""
    head, runtime = container.head, identify(container, host.boot)
    return Run(
        id=_run_id(head, host),
        engine=container.engine,
        container_id=container.id,
        container_name=container.name,
        image=container.image,
        command=command,
        runtime=runtime.name,
        runtime_version=runtime.version,
        runtime_path=runtime.path,
        runtime_build_id=runtime.build_id,
        kernel=host.kernel,
        architecture=host.architecture,
        no_new_privileges=head.no_new_privileges if head.observations else None,
        filter=("marker" if marker else "engine") if head.filtered else "none",
        started=head.born + host.boot,
        ended=_ended(head, host),
        integrity=(LATE,) * (container.late and not head.late) + head_reasons(head),
        notes=head_notes(head) + ((runtime.note,) if runtime.note else ()),
    )


def run_of_command(head: wire.Head, command: Tuple[str, ...], host: Host) -> Run:
    """The run of a plain command's process tree."""
    return Run(
        id=_run_id(head, host),
        command=command,
        kernel=host.kernel,
        architecture=host.architecture,
        no_new_privileges=head.no_new_privileges,
        started=head.born + host.boot,
        ended=_ended(head, host),
        integrity=head_reasons(head),
        notes=head_notes(head),
    )


def _run_id(head: wire.Head, host: Host) -> str:
    """Unique on this host and, by its boot's id, elsewhere: times alone could meet."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
        return f"{boot.read().strip().replace('-', '')[:16]}-{head.born:x}-{head.first_process:x}"


def _ended(head: wire.Head, host: Host) -> Optional[int]:
    return head.last_exit + host.boot if head.last_exit and head.alive <= 0 else None
