"""
What a `run` of the command line under test left: its recording and its profile, to be judged.

Verbs on them for tests: which program made which calls, what a profile allows, and the arguments
by which the test program `calls` makes a call of a given name.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from tests.live.command import SeccompTrace
from tests.live.engines import Engine
from tracer import syscalls
from tracer.recording import Recording, from_json

PROFILE = "profile.json"
RECORDING = "recording.json"
SEVERAL = "several"


@dataclasses.dataclass(frozen=True)
class Recorded:
    """
    One recording, with the profile made of it and how the command ended.
    """

    recording: Recording
    profile: Path
    done: subprocess.CompletedProcess[str]

    def calls(self, executable: Optional[str] = None) -> set[str]:
        """
        Return the names of the calls that one executable, or any, made.
        """
        return calls_of(self.recording, executable)

    def allowed(self) -> set[str]:
        """
        Return the names of the calls that the profile allows.
        """
        return allowed_by(self.profile)


def record(
    seccomp_trace: SeccompTrace,
    engine: Engine,
    *arguments: str,
    options: Sequence[str] = (),
    timeout: float = 120,
) -> Recorded:
    """
    Record a command of an engine, which must come to a good end and be complete.
    """
    return record_command(
        seccomp_trace,
        engine,
        engine.command(*arguments),
        options=options,
        timeout=timeout,
    )


def record_command(
    seccomp_trace: SeccompTrace,
    engine: Engine,
    command: Sequence[str],
    *,
    options: Sequence[str] = (),
    timeout: float = 120,
) -> Recorded:
    """
    Record any command with one container, or none, in the environment of an engine.
    """
    done = seccomp_trace(
        *("run", "-o", PROFILE, "--recording", RECORDING, *options, "--", *command),
        env=engine.environment,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return recorded_in(seccomp_trace.directory, done)


def record_several(
    seccomp_trace: SeccompTrace, command: Sequence[str], env: Mapping[str, str]
) -> dict[str, Recorded]:
    """
    Record a command that starts several containers into a directory; return them by their names.
    """
    directory = seccomp_trace.directory / SEVERAL
    directory.mkdir()
    done = seccomp_trace("run", "-o", f"{SEVERAL}/", "--", *command, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for path in directory.glob("*.recording.json"):
        name = path.name[: -len(".recording.json")]
        profile = path.with_name(f"{name}.seccomp.json")
        found[name] = Recorded(read_complete(path), profile, done)
    return found


def recorded_in(directory: Path, done: subprocess.CompletedProcess[str]) -> Recorded:
    """
    Return what a run with `-o PROFILE --recording RECORDING` left in its directory.
    """
    return Recorded(read_complete(directory / RECORDING), directory / PROFILE, done)


def read_complete(path: Path) -> Recording:
    """
    Return the recording in a file, which must be complete.
    """
    recording = from_json(path.read_text(), str(path))
    assert recording.complete, [reason.text for reason in recording.reasons]
    return recording


def calls_of(recording: Recording, executable: Optional[str] = None) -> set[str]:
    """
    Return the names of the calls that one executable, or any, made.
    """
    return {
        seen.name or f"number {seen.number}"
        for seen in recording.observations
        if executable in (None, seen.executable)
    }


def allowed_by(profile: Path) -> set[str]:
    """
    Return the names of the calls that a profile allows without condition.
    """
    rules = json.loads(profile.read_text())["syscalls"]
    return {
        name
        for rule in rules
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }


def making(*names: str) -> list[str]:
    """
    Return the arguments by which the test program `calls`, or `threads200`, makes these calls.
    """
    return [str(syscalls.number_of(syscalls.X86_64, name)) for name in names]
