"""
`seccomp-trace watch` while tests do something, and what it told; profiles that deny something.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.programs import FLAGS, SOURCES

ENDS_WITHIN = 60


@dataclasses.dataclass(frozen=True)
class Told:
    """
    What a watch told: its denials, what it said besides, its exit code.
    """

    denials: list[dict[str, Any]]
    said: str
    status: int

    def of(self, container: str) -> list[dict[str, Any]]:
        """
        Return the denials in a container of that name.
        """
        return [one for one in self.denials if one["name"] == container]


class Watch:
    """
    A watch that has begun.
    """

    def __init__(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        self.process = process
        self._output = output

    def told(self) -> list[dict[str, Any]]:
        """
        Return the denials so far.
        """
        self._output.seek(0)
        return [
            json.loads(line) for line in self._output.read().splitlines(True) if line[-1:] == "\n"
        ]

    def until(self, holds: Callable[[list[dict[str, Any]]], object], within: float = 30) -> None:
        """
        Wait until what has been told is so.
        """
        eventually(lambda: holds(self.told()), within=within, what="what watch tells")

    def end(self, by: signal.Signals = signal.SIGINT) -> Told:
        """
        End it as a person does, and return what it told.
        """
        self.process.send_signal(by)
        _, said = self.process.communicate(timeout=ENDS_WITHIN)
        return Told(self.told(), said, self.process.returncode)


def watching(seccomp_trace: SeccompTrace, *arguments: str, **options: Any) -> Watch:
    """
    Start a watch and return once it watches.
    """
    output = tempfile.TemporaryFile("w+", dir=seccomp_trace.directory)
    words = ["watch", "--format", "json", *arguments]
    process = seccomp_trace.start(*words, stdout=output, **options)
    said = ""
    assert process.stderr is not None
    while "watching;" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return Watch(process, output)


def compiled(name: str, directory: Path) -> str:
    """
    Compile one of the test programs alone, to be run outside of any image.
    """
    program = directory / name
    if not program.exists():
        source = SOURCES / f"{name}.c"
        subprocess.run(["gcc", *FLAGS, "-o", str(program), str(source)], check=True)
    return str(program)


def profile(directory: Path, *rules: dict[str, object], architectures: Iterable[str] = ()) -> Path:
    """
    Write a profile that lets everything through but for its rules.
    """
    document: dict[str, object] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules)}
    if architectures:
        document["architectures"] = list(architectures)
    path = directory / f"profile-{len(list(directory.glob('profile-*')))}.json"
    path.write_text(json.dumps(document))
    return path


def deny(*names: str, action: str = "SCMP_ACT_ERRNO", **more: object) -> dict[str, object]:
    """
    Return the rule of a profile that answers some calls so.
    """
    return {"names": list(names), "action": action, **more}
