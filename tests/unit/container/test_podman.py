"""
Tests of what a conmon's command line says.
"""

from __future__ import annotations

import pytest

from tracer.container.podman import Launch, read_launch

ID = "ab" * 32
SESSION = "cd" * 32
# As podman 4.3.1 calls it, cut where the kernel side has no more room.
START = (
    f"/usr/bin/conmon --api-version 1 -c {ID} -u {ID} -r /usr/bin/runc -b /var/x/{ID}/userdata "
    f"-p /run/x/{ID}/pidfile -n web --exit-dir /run/exits --full-attach -s -l k8s-file:/var/x"
).split()
EXEC = (
    f"/usr/bin/conmon --api-version 1 -c {ID} -u {SESSION} -r /usr/bin/runc -b /var/x/{ID}/userdata"
    f"/{SESSION} -p /var/x/{ID}/userdata/{SESSION}/exec_pid -n web --exit-dir /var"
).split()


def test_a_start_names_the_container_and_its_runtime():
    """
    conmon's arguments carry id, name and runtime of the container that is started.
    """
    assert read_launch(START) == Launch(ID, "web", "/usr/bin/runc", joins=False)


def test_arguments_of_podmans_cleanup_are_none_of_conmons():
    """
    A whole command line goes on with the cleanup's arguments, which have a runtime's option too.
    """
    cleanup = ["--runtime", "runc", "-c", "other", "container", "cleanup", ID]
    told = [word for argument in cleanup for word in ("--exit-command-arg", argument)]

    assert read_launch([*START, "--exit-command", "/usr/bin/podman", *told]) == read_launch(START)


def test_an_exec_is_known_by_its_session():
    """
    An exec's session has an id of its own; the option that says exec may have been cut off.
    """
    assert read_launch(EXEC) == Launch(ID, "web", "/usr/bin/runc", joins=True)


def test_long_options_mean_the_same():
    """
    conmon's long option names are understood too.
    """
    arguments = ["conmon", "--cid", ID, "--cuuid", ID, "--name", "web", "--runtime", "crun"]

    assert read_launch(arguments) == Launch(ID, "web", "crun", joins=False)


def test_a_cut_command_line_gives_what_is_left():
    """
    What was cut off is empty; the container is still known.
    """
    assert read_launch(["conmon", "-c", ID, "-u"]) == Launch(ID, "", "", joins=False)


@pytest.mark.parametrize("arguments", [[], ["conmon"], ["conmon", "--version"], ["conmon", "-c"]])
def test_a_conmon_without_a_container_is_none(arguments: list[str]):
    """
    A conmon that was only asked for its version starts nothing.
    """
    assert read_launch(arguments) is None
