"""
Tests of opening a path, and of judging who could have placed what it leads to.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tracer.container.root_path import Opened, is_roots, open_path


def opened(path: object) -> Opened:
    found = open_path(str(path))
    os.close(found.descriptor)
    return found


def status(mode: int, user: int = 0, group: int = 0) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, user, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    "found, expected",
    [
        (status(0o100755), True),
        (status(0o100775), True),
        (status(0o100775, group=7), False),
        (status(0o100757), False),
        (status(0o041777), False),
        (status(0o100755, user=1000), False),
    ],
    ids=["root's", "root's group", "a group", "everybody", "sticky", "a user's"],
)
def test_what_others_may_write_to_is_not_roots_alone(found: os.stat_result, expected: bool):
    """
    A file or directory is root's alone if no other user or group may write to it.
    """
    assert is_roots(found) is expected


def test_a_file_of_the_system_is_owned_through_its_links():
    """
    A file below directories of root's is owned, also where links of root's lead to it.
    """
    assert opened("/usr/bin/env").owned
    assert opened("/bin/env").owned


def test_a_file_in_a_directory_for_everybody_is_not_owned(tmp_path: Path):
    """
    What lies below /tmp, or is reached by a link there, another user could have placed.
    """
    (tmp_path / "link").symlink_to("/usr/bin/env")

    assert not opened(tmp_path / "link").owned
    assert not opened(tmp_path).owned


def test_a_path_leads_where_the_kernel_leads(tmp_path: Path):
    """
    Relative and absolute links and `..` lead to the same file as for the kernel.
    """
    (tmp_path / "deep").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "deep" / "up").symlink_to("../deep/.././file")
    (tmp_path / "whole").symlink_to(tmp_path / "deep")

    found = open_path(f"{tmp_path}//whole/./up")

    assert os.path.samestat(os.fstat(found.descriptor), (tmp_path / "file").stat())
    os.close(found.descriptor)


def test_a_link_that_was_changed_later_counts(tmp_path: Path):
    """
    The time of change is the later one of the file's and its links'.
    """
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("x")
    link.symlink_to(file)
    os.chown(link, -1, os.getegid(), follow_symlinks=False)

    assert opened(link).changed == link.lstat().st_ctime_ns >= file.stat().st_ctime_ns


@pytest.mark.parametrize(
    "path, number",
    [("loop", errno.ELOOP), ("nothing", errno.ENOENT), ("file/below", errno.ENOTDIR)],
)
def test_a_path_that_leads_nowhere_is_an_os_error(path: str, number: int, tmp_path: Path):
    """
    A loop of links, a missing file and a file in a directory's place end as for the kernel.
    """
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError) as caught:
        open_path(str(tmp_path / path))

    assert caught.value.errno == number
    assert len(os.listdir("/proc/self/fd")) == before
