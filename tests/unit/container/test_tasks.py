"""
Tests of which processes belong to a container, by the cgroups that they are in.
"""

from __future__ import annotations

import os

import pytest

from tracer.container import tasks

ID = "ab" * 32
SYSTEMD = f"0::/machine.slice/libpod-{ID}.scope/container\n"
HYBRID = f"4:pids:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/docker/{ID}\n"


@pytest.mark.parametrize(
    "groups, inside",
    [
        (SYSTEMD, True),
        (f"0::/machine.slice/libpod-{ID}.scope\n", True),
        (f"0::/machine.slice/libpod-{ID}.scope/container/below\n", True),
        (f"0::/machine.slice/libpod-conmon-{ID}.scope\n", False),
        (f"0::/user.slice/user-1000.slice/libpod-{ID}.scope/container\n", False),
        (f"0::/user.slice/machine.slice/libpod-{ID}.scope\n", False),
        (f"0::/machine.slice/libpod-{ID}.scope.of-another\n", False),
        ("0::/\n", False),
    ],
)
def test_who_is_in_a_containers_cgroup_is_its(groups: str, inside: bool):
    """
    A container's are those in its own cgroup or below: no monitor of its, and nobody who has made a
    cgroup of the same name elsewhere.
    """
    assert tasks.lies_in(tasks.cgroups_of(ID, SYSTEMD), groups) is inside


def test_one_hierarchy_is_enough():
    """
    Where there are several hierarchies, a process may have left the container's in some of them.
    """
    cgroups = tasks.cgroups_of(ID, HYBRID)

    assert len(cgroups) == 3
    assert tasks.lies_in(cgroups, f"4:pids:/docker/{ID}\n1:name=systemd:/\n0::/\n")
    assert not tasks.lies_in(cgroups, f"5:memory:/docker/{ID}\n1:name=systemd:/\n0::/\n")


@pytest.mark.parametrize("name", ["", "s", "/", "web", ID[:-1], ID + "a", ID.upper()])
def test_what_is_no_engines_id_is_no_container(name: str):
    """
    A runtime that is called by hand takes any id, which may be a part of every cgroup's name.
    """
    scope = tasks.scope_of(os.getpid(), name)

    assert (scope.container, scope.cgroups) == ("", ())
