"""
Floors for tests: measurements of our own, so that nothing depends on the shipped data.
"""

from __future__ import annotations

from typing import Any, Dict, Tuple

from tracer import syscalls
from tracer.profile.floors import Floor, RefusalTrial
from tracer.recording import Run


def floor(name: str = "runc-1.1.5", *calls: str, **fields: Any) -> Floor:
    """
    A floor of a start with these calls, each seen in every sample.
    """
    runtime, _, version = name.partition("-")
    known: Dict[str, Any] = {
        "architecture": syscalls.X86_64,
        "no_new_privileges": False,
        "action": "start",
        "samples": 200,
        "date": "2026-12-01",
        "engine": "",
        "build_ids": (),
        "calls": tuple((call, 200) for call in calls),
    }
    return Floor(runtime=runtime, version=version, **{**known, **fields})


# A run under the engine's filter, by a crun that floors of tests are about.
RAN = Run(
    "run",
    container_id="c" * 64,
    runtime="crun",
    runtime_version="1.8.1",
    architecture=syscalls.X86_64,
    filter="engine",
)


def trials(*calls: str, failed: Tuple[int, int] = (0, 0)) -> Tuple[RefusalTrial, ...]:
    """
    Twenty starts that saw these calls refused with EPERM and with ENOSYS, and how many failed.
    """
    return tuple(
        RefusalTrial(calls, answer, 20, number)
        for answer, number in zip(("EPERM", "ENOSYS"), failed)
    )
