"""
Tests of telling which runtime ran from the file that was executed.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from tests.unit.container import elf_files
from tests.unit.session.heads import container
from tracer.kernel.wire import RuntimeExecuted
from tracer.session.belonging import tree_of
from tracer.session.runtimes import NOT_SEEN, Runtime, identify

BOOT = 1_000_000
UNKNOWN = "the runtime's version is unknown: "


def identified(executed: RuntimeExecuted, name: str = "runc", **measured: str) -> Runtime:
    made = tree_of(1, container(runtime=executed))
    return identify(dataclasses.replace(made, runtime=name), BOOT, measured)


def executed_now(path: Path) -> RuntimeExecuted:
    return RuntimeExecuted(path.stat().st_ino, time.time_ns() - BOOT, str(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    A runc of version 1.3.6.
    """
    path = tmp_path / "runc"
    path.write_bytes(elf_files.runc("1.3.6+ds1"))
    return path


@pytest.mark.parametrize("name", ["runc", "/odd/runc-1.3.6", ""])
def test_the_file_that_ran_names_the_runtime(name: str, path: Path):
    """
    Name, version and build id are the file's, whatever the engine calls the runtime.
    """
    found = identified(executed_now(path), name)

    assert found == Runtime("runc", str(path), "1.3.6+ds1", elf_files.BUILD_ID)


def test_a_measured_build_is_known_by_its_id(path: Path):
    """
    A file that does not tell its version has the one that was measured of its build.
    """
    path.write_bytes(elf_files.runc())
    executed = executed_now(path)

    silent, known = identified(executed), identified(executed, **{elf_files.BUILD_ID: "1.2.3"})

    assert (silent.version, silent.build_id) == ("", elf_files.BUILD_ID)
    assert silent.note == f"{UNKNOWN}{path} does not tell it"
    assert (known.version, known.note) == ("1.2.3", "")


def test_a_file_that_was_replaced_since_has_not_run(path: Path, tmp_path: Path):
    """
    Another file of the same name does not tell what ran, nor does its build id.
    """
    executed = executed_now(path)
    path.rename(tmp_path / "old")
    path.write_bytes(elf_files.runc("1.4.3+ds1"))

    found = identified(executed)

    note = f"{UNKNOWN}{path} was replaced or changed since the container started"
    assert found == Runtime("runc", str(path), note=note)


def test_a_file_that_was_changed_since_has_not_run(path: Path):
    """
    The same inode with a later change is not what ran.
    """
    executed = dataclasses.replace(executed_now(path), time=path.stat().st_ctime_ns - BOOT - 1)

    found = identified(executed)

    assert (found.version, found.build_id) == ("", "")
    assert found.note.endswith("was replaced or changed since the container started")


def test_a_file_that_is_gone_is_named_without_a_version(path: Path):
    """
    A file that cannot be read any more leaves the version unknown, with the reason.
    """
    executed = executed_now(path)
    path.unlink()

    found = identified(executed)

    assert (found.name, found.path, found.version) == ("runc", str(path), "")
    assert found.note == f"{UNKNOWN}{path}: cannot be read: No such file or directory"


def test_a_runtime_of_another_kind_keeps_its_name(tmp_path: Path):
    """
    A program that is no runtime we know is called as its file is.
    """
    path = tmp_path / "youki"
    path.write_bytes(elf_files.elf({".note.gnu.build-id": elf_files.note()}))

    found = identified(executed_now(path), "/usr/bin/youki")

    assert (found.name, found.version, found.build_id) == ("youki", "", elf_files.BUILD_ID)


def test_a_monitor_is_not_taken_for_its_runtime(tmp_path: Path):
    """
    A file that is neither a runtime nor of the runtime's name is not the one that ran.
    """
    path = tmp_path / "conmon"
    path.write_bytes(elf_files.elf({}))

    assert identified(executed_now(path)) == Runtime("runc", note=NOT_SEEN)


def test_without_an_exec_only_the_name_is_known():
    """
    A runtime whose exec nobody saw has its name; a plain program has no runtime at all.
    """
    assert identified(RuntimeExecuted(), "/usr/bin/crun") == Runtime("crun", note=NOT_SEEN)
    assert identified(RuntimeExecuted(), "") == Runtime()
