"""
Tests of telling a runtime and its version from what its file has in it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.container import elf_files
from tracer.container.elf import Elf
from tracer.container.runtime_version import Release, release_of


def release(directory: Path, content: bytes) -> Release:
    path = directory / "program"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return release_of(Elf(descriptor, str(path)))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("machine", [elf_files.X86_64, elf_files.AARCH64])
@pytest.mark.parametrize("relocated", [False, True])
@pytest.mark.parametrize(
    "strings, version",
    [
        (("1.1.5+ds1",), "1.1.5+ds1"),
        (("1.1.5+ds1-1+deb12u1", "1.1.5+ds1"), "1.1.5+ds1"),
        (("usage", "1.3.6\n", "v1.3.6-0-g491b69ba"), "1.3.6"),
        (("1.2.0-rc.1+dev", "", "info"), "1.2.0-rc.1+dev"),
        (("1.3.6", "4.17.0"), ""),
        (("usage", "x" * 70), ""),
        ((), ""),
    ],
    ids=["one", "with its commit", "embedded", "candidate", "two", "none", "nothing"],
)
def test_a_runcs_version_is_the_only_one_among_its_strings(
    strings: tuple[str, ...], version: str, relocated: bool, machine: int, tmp_path: Path
):
    """
    The version of a runc is the one string of its data that looks like a version.
    """
    content = elf_files.runc(*strings, relocated=relocated, machine=machine)

    assert release(tmp_path, content) == Release("runc", version)


@pytest.mark.parametrize(
    "literals, found",
    [
        (b"command\x001.28\0%s version %s\n\0commit: %s\n\0", Release("crun", "1.28")),
        (b"command\0\0\x001.8.1\0\0\0crun\0\0%s version %s\n\0", Release("crun", "1.8.1")),
        (b"1.8.1\0command\0%s version %s\n\0", Release()),
        (b"1.8.1\0version\0", Release()),
    ],
    ids=["alone", "with the name", "elsewhere", "no format"],
)
def test_a_cruns_version_stands_before_its_format(literals: bytes, found: Release, tmp_path: Path):
    """
    The version of a crun is the literal before the format that prints it, or unknown.
    """
    assert release(tmp_path, elf_files.crun(literals)) == found


@pytest.mark.parametrize(
    "content",
    [elf_files.elf({}), elf_files.elf({".rodata": (0, b"1.0\0%s version %s\n\0")})],
    ids=["empty", "another"],
)
def test_a_program_that_is_no_runtime_has_no_release(content: bytes, tmp_path: Path):
    """
    A program without a runtime's marks is no runtime.
    """
    assert release(tmp_path, content) == Release()
