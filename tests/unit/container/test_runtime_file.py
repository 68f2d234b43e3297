"""
Tests of reading a runtime's file, which anybody may have placed.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from tests.unit.container import elf_files
from tracer.container import runtime_file
from tracer.container.elf import Elf
from tracer.container.runtime_file import read_runtime
from tracer.container.runtime_version import Release, release_of
from tracer.errors import InputError

RUNC = elf_files.runc("1.3.6+ds1")


def placed(directory: Path, content: bytes = RUNC) -> Path:
    path = directory / "runc"
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_a_runtime_is_named_by_its_file(tmp_path: Path):
    """
    Name, version, build id and inode are of the file itself, whatever it is called.
    """
    path = placed(tmp_path).rename(tmp_path / "mine")

    found = read_runtime(str(path))

    assert (found.name, found.version, found.build_id) == ("runc", "1.3.6+ds1", elf_files.BUILD_ID)
    assert (found.path, found.owned) == (str(path), False)
    assert (found.inode, found.changed) == (path.stat().st_ino, path.stat().st_ctime_ns)


def test_a_measured_build_has_the_version_that_was_measured(tmp_path: Path):
    """
    A known build id tells the version, also of a file that does not.
    """
    path = placed(tmp_path, elf_files.runc())

    assert read_runtime(str(path)).version == ""
    assert read_runtime(str(path), {elf_files.BUILD_ID: "1.2.3"}).version == "1.2.3"


def test_a_replaced_file_is_read_anew(tmp_path: Path):
    """
    What was read of a file is not taken for what is in its place now.
    """
    path = str(placed(tmp_path))
    before = read_runtime(path)
    other = tmp_path / "other"
    other.write_bytes(elf_files.runc("1.4.3+ds1"))
    other.replace(path)

    assert (before.version, read_runtime(path).version) == ("1.3.6+ds1", "1.4.3+ds1")


def test_a_program_that_others_could_have_placed_is_not_executed(tmp_path: Path):
    """
    A file of a runtime's name that does not tell its version is not asked in a shared directory.
    """
    mark, path = tmp_path / "executed", tmp_path / "youki"
    source = f'int main(void) {{ return fopen("{mark}", "w") && puts("youki version 9.9") < 0; }}'
    arguments = ["gcc", "-x", "c", "-include", "stdio.h", "-o", str(path), "-"]
    subprocess.run(arguments, input=source, text=True, check=True)

    found = read_runtime(str(path))

    assert (found.name, found.version, found.owned) == ("", "", False)
    assert not mark.exists()
    subprocess.run([str(path)], check=True, stdout=subprocess.DEVNULL)
    assert mark.exists()


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path):
    """
    A FIFO without a writer is refused at once.
    """
    os.mkfifo(tmp_path / "runc")

    with pytest.raises(InputError, match="runc: is a FIFO, and no program$"):
        read_runtime(str(tmp_path / "runc"))


def test_a_socket_is_refused(tmp_path: Path):
    """
    A socket is no program.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "runc"))

        with pytest.raises(InputError, match="runc: is a socket, and no program$"):
            read_runtime(str(tmp_path / "runc"))


def test_a_huge_file_is_refused_unread(tmp_path: Path):
    """
    A file of 2 GB is no runtime, even if it begins like one.
    """
    path = placed(tmp_path)
    os.truncate(path, 2**31)

    with pytest.raises(InputError, match="is larger than 268435456 bytes, and no runtime$"):
        read_runtime(str(path))


def test_a_file_that_is_changed_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A file that somebody writes to while it is read has no version.
    """
    path = placed(tmp_path)

    def while_it_is_changed(file: Elf) -> Release:
        with path.open("ab") as end:
            end.write(b"more")
        return release_of(file)

    monkeypatch.setattr(runtime_file, "release_of", while_it_is_changed)

    with pytest.raises(InputError, match="runc: was changed while it was read$"):
        read_runtime(str(path))


@pytest.mark.parametrize(
    "path, problem",
    [
        ("/nowhere/runc", "/nowhere/runc: cannot be read: No such file or directory"),
        ("/usr/bin", "/usr/bin: is a directory, and no program"),
        ("/dev/zero", "/dev/zero: is a device, and no program"),
        ("/proc/self/mem", "/proc/self/mem: cannot be read: Input/output error"),
        ("/etc/passwd", "/etc/passwd: is no 64-bit ELF program"),
        ("/etc/passwd/runc", "/etc/passwd/runc: cannot be read: Not a directory"),
        ("/usr/\0/runc", "/usr/\\x00/runc: cannot be read: embedded null byte"),
        ("runc", "runc: is no absolute path"),
        ("[...]/bin/runc", "[...]/bin/runc: is no absolute path"),
        ("", ": is no absolute path"),
    ],
)
def test_what_is_no_program_is_refused_in_one_line(path: str, problem: str):
    """
    A path that leads to no program says in one line what is wrong.
    """
    with pytest.raises(InputError) as caught:
        read_runtime(path)

    assert str(caught.value) == problem


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "no 64-bit ELF"),
        (b"#!/bin/sh\nexec runc\n", "no 64-bit ELF"),
        (b"\x7fELF\x01\x01" + bytes(90), "no 64-bit ELF"),
        (RUNC[:40], "no 64-bit ELF"),
        (RUNC[:-10], "damaged"),
        (RUNC[:58] + b"\x38" + RUNC[59:], "damaged"),
        (RUNC[:62] + b"\xff\xff", "damaged"),
        (RUNC[:40] + b"\xff" * 8 + RUNC[48:], "damaged"),
    ],
    ids=["empty", "script", "32 bits", "cut header", "cut", "entry size", "names", "offset"],
)
def test_what_is_no_whole_elf_file_is_refused(content: bytes, problem: str, tmp_path: Path):
    """
    A script, another program's format and a damaged file are refused.
    """
    with pytest.raises(InputError, match=f"runc: is .*{problem}"):
        read_runtime(str(placed(tmp_path, content)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=strategies.lists(
        strategies.tuples(strategies.integers(4, len(RUNC) - 1), strategies.integers(0, 255)),
        min_size=1,
        max_size=20,
    ),
    length=strategies.integers(1, len(RUNC)),
)
def test_no_damage_to_a_file_is_an_unexpected_error(
    tmp_path: Path, changes: list[tuple[int, int]], length: int
):
    """
    Whatever bytes a file has, it is read, or refused as expected errors are.
    """
    content = bytearray(RUNC)
    for place, value in changes:
        content[place] = value
    path = placed(tmp_path, bytes(content[:length]))

    try:
        assert read_runtime(str(path)).name in ("", "runc")
    except InputError:
        pass


def test_nothing_stays_open(tmp_path: Path):
    """
    Reading leaves no descriptor, whether it succeeds or not.
    """
    before = len(os.listdir("/proc/self/fd"))
    read_runtime(str(placed(tmp_path)))
    for path in (str(placed(tmp_path, b"")), "/usr/bin", "/nowhere"):
        with pytest.raises(InputError):
            read_runtime(path)

    assert len(os.listdir("/proc/self/fd")) == before
