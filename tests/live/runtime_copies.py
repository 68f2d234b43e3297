"""
Runtimes of the live tests: what they say themselves, and copies of them in odd places.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from tests.live.engines import Engine
from tests.live.policy import require_command


def version_of(engine: Engine) -> str:
    """
    Return the version of the runtime that an engine of the tests has, as it says itself.
    """
    return said_by(require_command(engine.runtime))


def said_by(runtime: Union[str, Path]) -> str:
    """
    Return the version that the runtime of a path prints.
    """
    command = [str(runtime), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0].split()[-1]


@contextlib.contextmanager
def directory_of_roots() -> Iterator[Path]:
    """
    Give a directory below which root alone can place a file, unlike pytest's below /tmp.
    """
    directory = Path(tempfile.mkdtemp(prefix="seccomp-trace-", dir="/var/lib"))
    try:
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory)


def other_version(runtime: str, version: str, path: Path) -> Path:
    """
    Make a copy of a system's runtime that says another version, of as many letters.

    Return its path. The new version stands wherever the file has the old one.
    """
    original = Path(require_command(runtime))
    old = said_by(original)
    assert len(version) == len(old), (version, old)
    path.write_bytes(original.read_bytes().replace(old.encode(), version.encode()))
    path.chmod(0o755)
    return path
