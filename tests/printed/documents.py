"""
A profile and a recording that use every field which holds a string.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.unit import recordings
from tracer import syscalls
from tracer.recording import (
    HOST,
    Capabilities,
    Circumstances,
    Denial,
    Reason,
    Recording,
    Run,
    Sighting,
    extra_of,
    to_json,
)

CASES = Path(__file__).parents[1] / "cases"
MASK = 0xA80425FB
WAYS = ("read", "openat", "mount", "clone", "socket")


def recording() -> Recording:
    """Return a recording of one run with checks, denials, outcomes, notes and reasons."""
    runs, first = frozenset({"run"}), Sighting(1, 1, "ls")
    seen = [
        recordings.observation(name, runs=runs, outcomes={"run": ["ENOSYS", "EPERM"]})
        for name in WAYS
    ]
    made = recordings.recording(*WAYS, run=_run())
    return Recording(
        made.runs,
        made.executables,
        (*seen, recordings.observation(None, number=777, runs=runs)),
        extra_of({"new": "x"}),
        (recordings.check("CAP_CHOWN"), recordings.check("CAP_SYS_ADMIN", granted=False)),
        (Denial("/bin/ls", syscalls.X86_64, 165, "mount", "EPERM", first, (("run", 2),)),),
    )


def _run() -> Run:
    held = Capabilities(
        *(0, HOST, 0, MASK, MASK, MASK, 0),
        circumstances=Circumstances("/bin/ls", 0, 0, ((0, 0, 1),)),
    )
    return Run(
        id="run",
        engine="podman",
        container_id="ab" * 32,
        container_name="web",
        image="nginx",
        command=("/bin/ls", "-l"),
        runtime="runc",
        runtime_version="1.1.5",
        kernel="6.18",
        architecture=syscalls.X86_64,
        no_new_privileges=False,
        filter="engine",
        started=1,
        ended=2,
        integrity=(Reason("late", "it began before", 1),),
        notes=("a note",),
        capabilities=held,
        runtime_path="/usr/bin/runc",
        runtime_build_id="ab" * 20,
    )


def recordings_given() -> "list[str]":
    """Return the texts of recordings, sound ones."""
    whole = recording()
    runs = {id: replace(run, integrity=()) for id, run in whole.runs.items()}
    return [to_json(whole), to_json(replace(whole, runs=runs)), *_sound("given-*.rec")]


def profiles_given() -> "list[str]":
    """Return the texts of profiles, sound JSON all of them."""
    return [
        json.dumps(PROFILE),
        json.dumps({"linux": {"seccomp": PROFILE}}),
        *_sound("given-*.json"),
    ]


def _sound(pattern: str) -> "list[str]":
    found = []
    for path in sorted(CASES.glob(f"*/{pattern}")):
        try:
            json.loads(path.read_text())
        except (ValueError, RecursionError):
            continue
        found.append(path.read_text())
    return found


PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrno": "ENOSYS",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "listenerPath": "/run/listener",
    "listenerMetadata": "metadata",
    "syscalls": [
        {"names": ["read", "mount"], "action": "SCMP_ACT_ALLOW", "comment": "a comment"},
        {"names": ["no_such_call"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
        {
            "names": ["clone"],
            "action": "SCMP_ACT_ERRNO",
            "errno": "EPERM",
            "errnoRet": 1,
            "args": [{"index": 0, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}],
            "includes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["amd64"], "minKernel": "4.8"},
            "excludes": {"caps": ["CAP_CHOWN"]},
        },
    ],
}
