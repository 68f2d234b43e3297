"""
Tests of which recording is a container's that is about to begin.
"""

from __future__ import annotations

import os
import time

from tests.unit.session.heads import head
from tracer.hook.claiming import known
from tracer.kernel.wire import CGROUP, COMMAND, NAMESPACE

ID = "a" * 64
NOBODYS = 2**22 + 1  # no process has this number
NOW = time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_a_container_is_known_by_its_cgroup_or_its_first_process():
    """
    Either is enough; a process is known only where it is numbered as the kernel does.
    """
    by_cgroup = {1: head(CGROUP, container=ID, alive=1), 2: head(CGROUP, container="b", alive=1)}
    by_process = {3: head(NAMESPACE, first_process=os.getpid(), born=NOW), 4: head(NAMESPACE)}

    assert known(by_cgroup, ID, NOBODYS) == 1
    assert known(by_process, ID, os.getpid()) == 3


def test_an_earlier_run_is_another_container():
    """
    Of several the newest that still goes on is meant.
    """
    ended = head(CGROUP, container=ID, alive=0)
    running = head(CGROUP, container=ID, alive=1)

    assert known({1: ended, 2: running, 3: ended}, ID, NOBODYS) == 2
    assert known({1: ended}, ID, NOBODYS) is None


def test_an_earlier_process_of_the_number_is_another():
    """
    It was born before this one was.
    """
    assert known({1: head(NAMESPACE, first_process=os.getpid(), born=1)}, ID, os.getpid()) is None


def test_a_command_is_no_container():
    """
    The command of a `run` may be the very process.
    """
    assert known({1: head(COMMAND, first_process=os.getpid(), born=NOW)}, ID, os.getpid()) is None
