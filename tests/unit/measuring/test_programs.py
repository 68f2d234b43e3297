"""
The tiny programs of a measurement: valid files, which do what they are for.
"""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from tracer.measuring.programs import LASTS_SECONDS, MACHINES, elf

HERE = MACHINES.get(os.uname().machine)


def written(directory: Path, content: bytes) -> Path:
    path = directory / "program"
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.mark.skipif(HERE is None, reason="no program for this architecture")
def test_the_program_that_ends_ends_with_0(tmp_path: Path):
    """The kernel executes the file, and it succeeds."""
    assert HERE is not None

    assert subprocess.run([str(written(tmp_path, elf(HERE, HERE.ends)))]).returncode == 0


@pytest.mark.skipif(HERE is None, reason="no program for this architecture")
def test_the_program_that_lasts_waits(tmp_path: Path):
    """The lasting program still runs when somebody ends it."""
    assert HERE is not None
    with subprocess.Popen([str(written(tmp_path, elf(HERE, HERE.lasts)))]) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.kill()


def move(register: int, value: int) -> int:
    """AArch64's instruction that moves a number into a register: MOVZ Xd, #value."""
    return 0xD2800000 | value << 5 | register


def test_the_code_for_aarch64_is_what_it_says():
    """Its words are the instructions of the comments, put together from the manual's fields."""
    exit_group = [move(0, 0), move(8, 94), 0xD4000001]
    store_pair = 0xA9800000 | (-2 & 0x7F) << 15 | 31 << 10 | 31 << 5 | 9  # STP x9, xzr, [sp, #-16]!
    ppoll = [move(0, 0), move(1, 0), 0x910003E2, move(3, 0), move(8, 73), 0xD4000001]
    machine = MACHINES["aarch64"]

    assert words(machine.ends) == exit_group
    assert words(machine.lasts) == [move(9, LASTS_SECONDS), store_pair, *ppoll, *exit_group]


def words(code: bytes) -> "list[int]":
    return [word for (word,) in struct.iter_unpack("<I", code)]
