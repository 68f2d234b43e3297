"""
Which runtime files are measured, and that nothing else is executed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest

from tests.unit.profile.floor_data import floor
from tracer.container.runtime_file import RuntimeFile
from tracer.errors import HostError, InputError
from tracer.measuring import files
from tracer.measuring.files import check_unchanged, runtime_at, unmeasured

RUNC = RuntimeFile("/usr/sbin/runc", "runc", "1.3.6+ds1", "8f1c", True, 7, 1)


def absent(path: Path) -> None:
    pass


def script(path: Path) -> None:
    path.write_text("#!/bin/sh\ntouch executed\n")
    path.chmod(0o755)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2 * 1024**3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (absent, "there is no such file"),
        (Path.mkdir, "is a directory"),
        (os.mkfifo, "is a FIFO"),
        (script, "is no 64-bit ELF program"),
        (Path.touch, "is no 64-bit ELF program"),
        (huge, "is larger than"),
    ],
)
def test_a_path_that_is_no_runtime_is_refused(
    make: Callable[[Path], None], message: str, tmp_path: Path
):
    """Whatever is no regular ELF file of a sound size is refused in one line, and not executed."""
    path = tmp_path / "runc"
    make(path)

    with pytest.raises(InputError, match=message) as caught:
        runtime_at(str(path))

    assert str(path) in str(caught.value) and len(caught.value.lines) == 1
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (RuntimeFile("/tmp/runc", "runc", "1.3.6", "", False, 7, 1), "others than root"),
        (RuntimeFile("/bin/true", "", "", "", True, 7, 1), "no runtime that can be measured"),
        (RuntimeFile("/bin/youki", "youki", "0.4", "", True, 7, 1), "no runtime that can be"),
    ],
)
def test_only_roots_own_runtimes_are_measured(
    found: RuntimeFile, message: str, monkeypatch: pytest.MonkeyPatch
):
    """A file that another user could have placed, or of another program, is refused."""
    monkeypatch.setattr(files, "read_runtime", lambda path: found)

    with pytest.raises(InputError, match=message):
        runtime_at("/usr/bin/env")


def test_a_version_that_is_measured_is_no_news(monkeypatch: pytest.MonkeyPatch):
    """What a distribution adds to a version makes it no other version."""
    assert unmeasured([RUNC], [floor("runc-1.1.5")]) == [RUNC]
    assert unmeasured([RUNC], [floor("runc-1.3.6")]) == []


def test_a_file_that_changes_while_it_is_measured_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    """Another inode, or none, after the measurement is an error that says what happened."""
    changed = RuntimeFile("/usr/sbin/runc", "runc", "1.3.6+ds1", "8f1c", True, 8, 2)
    monkeypatch.setattr(files, "read_runtime", lambda path: RUNC)
    check_unchanged(RUNC)

    monkeypatch.setattr(files, "read_runtime", lambda path: changed)
    with pytest.raises(HostError, match="was changed while it was measured"):
        check_unchanged(RUNC)
