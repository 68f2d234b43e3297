"""
The command line under test, as a real process of the checkout's virtual environment.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

PROGRAM = Path(sys.executable).parent / "seccomp-trace"


@dataclasses.dataclass(frozen=True)
class SeccompTrace:
    """
    `seccomp-trace`, started in a directory; what still runs when a test ends is ended with it.
    """

    directory: Path
    program: Path = PROGRAM
    started: list[subprocess.Popen[str]] = dataclasses.field(default_factory=list)

    def __call__(
        self,
        *arguments: str,
        env: Optional[Mapping[str, str]] = None,
        timeout: float = 120,
        input: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """
        Run it to its end, whatever the end is; `env` is an engine's `environment`.
        """
        process = self.start(*arguments, env=env)
        stdout, stderr = process.communicate(input, timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(
        self, *arguments: str, env: Optional[Mapping[str, str]] = None, **popen: Any
    ) -> subprocess.Popen[str]:
        """
        Start it, with pipes for its standard streams unless `popen` says otherwise.
        """
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        options = {**pipes, "cwd": self.directory, "env": env, "text": True, **popen}
        process = subprocess.Popen([str(self.program), *arguments], **options)
        self.started.append(process)
        return process

    def end(self) -> None:
        """
        End what still runs: politely, so that it can end the command it records, then by force.
        """
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                try:
                    process.communicate(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
