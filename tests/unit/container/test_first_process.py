"""
Tests of finding a running container by its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from tracer.container.engines import Ask
from tracer.container.first_process import find_running
from tracer.errors import InputError


def engines(**processes: int) -> Ask:
    """
    Engines that know a container of any name, with this first process.
    """

    def ask(command: Sequence[str]) -> str:
        described: Mapping[str, object] = {"id": "a" * 64, "process": processes.get(command[0], 0)}
        return json.dumps(described) if command[0] in processes else ""

    return ask


def test_the_engine_that_knows_it_is_found():
    """
    Whichever engine has a container of the name is the one.
    """
    running = find_running("web", ask=engines(docker=17))

    assert (running.engine, running.named.process) == ("docker", 17)


def test_one_that_does_not_run_gives_way_to_one_that_does():
    """
    A stopped container of the same name does not stand in the way.
    """
    assert find_running("web", ask=engines(podman=0, docker=17)).engine == "docker"


@pytest.mark.parametrize(
    ("known", "problem"),
    [
        ({}, "no container of podman or docker; --pid takes any process"),
        ({"docker": 0}, "docker has it, but it is not running"),
        ({"podman": 3, "docker": 17}, "podman and docker have one; --engine says which"),
    ],
)
def test_none_or_several_are_an_error(known: dict[str, int], problem: str):
    """
    No container, a stopped one, and two of the same name are told apart.
    """
    with pytest.raises(InputError, match=problem):
        find_running("web", ask=engines(**known))


def test_of_two_the_named_engines_is_taken():
    """
    --engine decides.
    """
    assert find_running("web", "podman", engines(podman=3, docker=17)).named.process == 3
