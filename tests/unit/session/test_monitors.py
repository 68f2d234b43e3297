"""
Tests of finding a container's runtime above its first process.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tracer.kernel.wire import RuntimeExecuted
from tracer.session.monitors import executed_above
from tracer.session.naming import started

# A program that forks twice, tells the number of the innermost process, and waits.
FORKS = """
import os, sys
if not os.fork():
    if not os.fork():
        print(os.getpid(), flush=True)
        sys.stdin.read()
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
"""
RUNTIME = "/usr/bin/env"


@contextmanager
def running(program: Path, *arguments: str, **options: object) -> Iterator[int]:
    """
    Give the number of a grandchild of a program, a copy of Python's under another name.
    """
    shutil.copy(Path(sys.executable).resolve(), program)
    words = [str(program), "-S", "-c", FORKS, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, **options) as child:  # type: ignore
        yield int(child.stdout.readline())


def test_a_monitors_arguments_name_the_runtime(tmp_path: Path):
    """
    conmon above a container's first process names the runtime's path.
    """
    with running(tmp_path / "conmon", "-c", "ab" * 32, "-r", RUNTIME) as process:
        found = executed_above(process)

        inode = Path(RUNTIME).stat().st_ino
        assert found == RuntimeExecuted(inode, started(process), RUNTIME)


def test_a_runtime_that_is_still_there_names_itself(tmp_path: Path):
    """
    While a hook runs, the runtime is above the container's first process.
    """
    path = tmp_path / "runc"
    with running(path) as process:
        assert executed_above(process).path == str(path)


@pytest.mark.parametrize("named", ["/usr/bin/env", "env"])
def test_a_shim_names_the_runtime_in_its_bundle(named: str, tmp_path: Path):
    """
    containerd's shim has the runtime's name in its directory, and searches its own PATH for it.
    """
    (tmp_path / "runtime").write_text(named)
    shim = tmp_path / "containerd-shim-runc-v2"
    with running(shim, cwd=tmp_path, env={"PATH": "/nowhere:/usr/bin"}) as process:
        assert executed_above(process).path == "/usr/bin/env"


@pytest.mark.parametrize("name", ["something", "containerd-shim"])
def test_without_a_monitor_nothing_is_known(name: str, tmp_path: Path):
    """
    A process without a monitor, or with a shim that has no bundle, has no runtime.
    """
    with running(tmp_path / name) as process:
        assert executed_above(process) == RuntimeExecuted()


def test_a_process_that_is_gone_has_no_runtime():
    """
    A number that no process has leads nowhere.
    """
    assert executed_above(2**22) == RuntimeExecuted()
