"""
Tests of reading processes from /proc: real ones, and trees that are made to mislead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.capabilities.namespace import EVERYTHING
from tracer.container.process import last_capability, read_members, read_process
from tracer.errors import HostError, InputError


@pytest.fixture
def waiting() -> Iterator[threading.Event]:
    """
    A second thread of this process.
    """
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    yield event
    event.set()
    thread.join()


def test_every_thread_is_read_the_main_one_first(waiting: threading.Event):
    """
    A process has all its threads, each with its own credentials.
    """
    process = read_process(os.getpid())

    numbers = {int(name) for name in os.listdir("/proc/self/task")}
    assert process.threads[0].numbers[0] == process.number == os.getpid()
    assert {thread.numbers[0] for thread in process.threads} == numbers
    assert len(numbers) > 1


def test_a_threads_number_leads_to_its_process(waiting: threading.Event):
    """
    Any thread's number stands for the process.
    """
    thread = max(int(name) for name in os.listdir("/proc/self/task"))

    assert read_process(thread).number == os.getpid()


def test_the_executable_is_the_file_itself(tmp_path: Path):
    """
    A program that was replaced is read as the one that runs, and not as what has its name now.
    """
    program = tmp_path / "cat"
    program.write_bytes(Path("/bin/cat").read_bytes())
    program.chmod(0o700)
    process = subprocess.Popen([program], stdin=subprocess.PIPE)
    program.unlink()
    program.symlink_to("/etc/passwd")

    found = read_process(process.pid).executable

    process.communicate()
    assert found is not None
    assert found.path == f"{program} (deleted)"
    assert found.program.mode & 0o7777 == 0o700
    assert (found.program.owner, found.problem) == (os.getuid(), "")


def test_a_container_has_all_descendants_of_its_first_process():
    """
    Children, and children of children, are members; the parent is not.
    """
    script = "import os, sys; os.fork() or os.fork(); sys.stdout.write('x'); sys.stdout.flush()"
    command = [sys.executable, "-c", f"{script}; os.read(0, 1)"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(3) == b"xxx"

    members = read_members(process.pid)

    process.communicate(b"xxx")
    assert members[0].number == process.pid
    assert len(members) == 3
    assert os.getpid() not in [member.number for member in members]


def test_the_maps_are_those_of_the_namespace():
    """
    In the host's own user namespace ids are what they are.
    """
    namespace = read_process(os.getpid()).namespace

    assert namespace.is_initial == (os.stat("/proc/self/ns/user").st_ino == 0xEFFFFFFD)
    assert (namespace.uid_map == EVERYTHING) or not namespace.is_initial


def test_there_is_no_such_process():
    """
    A number that nobody has is an error in a line.
    """
    with pytest.raises(InputError, match="there is no process 4194305"):
        read_process(4194305)


def test_a_proc_that_denies_what_is_there_is_told(tmp_path: Path):
    """
    A process that exists, but not in /proc, is hidden (hidepid), which is another error.
    """
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").touch()

    with pytest.raises(HostError, match=f"hides process {os.getpid()}"):
        read_process(os.getpid(), str(tmp_path))


def test_no_proc_at_all_is_told(tmp_path: Path):
    """
    Where nothing is mounted the error says what to do.
    """
    with pytest.raises(HostError, match="is not mounted here; mount -t proc"):
        read_process(os.getpid(), str(tmp_path))


def test_a_process_may_end_at_any_moment():
    """
    What ends while it is read is an ended process: no traceback, no half an answer.
    """
    told = set()
    for _ in range(100):
        process = subprocess.Popen(["true"])
        threading.Thread(target=process.wait).start()
        try:
            while True:
                found = read_process(process.pid)
                assert found.executable is not None and found.threads
        except InputError as error:
            told.add(str(error).replace(str(process.pid), "N"))

    assert told <= {
        "there is no process N",
        "process N ended while it was read",
        "process N has ended, and only waits to be reaped",
    }


@pytest.mark.parametrize(("text", "last"), [("40\n", 40), ("37\n", 37), ("99\n", 63), ("x", 40)])
def test_the_kernels_last_capability_is_asked_for(tmp_path: Path, text: str, last: int):
    """
    What cannot be is not taken for a number of a capability.
    """
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "sys/kernel/cap_last_cap").write_text(text)

    assert last_capability(str(tmp_path)) == last
