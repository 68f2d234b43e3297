"""
Tests of finding a running container by its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tracer.container.engines import Ask, answer, ask
from tracer.container.first_process import NotRunning, find_running
from tracer.errors import HostError, InputError


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
    with pytest.raises(InputError, match=problem) as caught:
        find_running("web", ask=engines(**known))

    assert isinstance(caught.value, NotRunning) is (len(known) < 2)


def test_of_one_that_is_stopped_the_id_is_told():
    """
    Who looks for what is held of it must not take another of that name.
    """
    with pytest.raises(NotRunning) as caught:
        find_running("web", ask=engines(docker=0))

    assert [(one.engine, one.named.id) for one in caught.value.stopped] == [("docker", "a" * 64)]


def silent(command: Sequence[str]) -> str:
    """
    Of the engines podman gives no answer, and docker knows a container that runs.
    """
    if command[0] == "podman":
        raise HostError("podman gave no answer")
    return engines(docker=17)(command)


def test_a_silent_engine_may_have_it():
    """
    What an engine that gives no answer has is not known to be gone.
    """
    with pytest.raises(HostError, match="podman gave no answer"):
        find_running("web", "podman", silent)

    assert find_running("web", ask=silent).engine == "docker"


def test_silence_is_told_from_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    A command that takes too long is an error for who has to know; one that is not there is not.
    """
    monkeypatch.setattr("tracer.container.engines.ANSWER_SECONDS", 0.1)

    with pytest.raises(HostError, match="sleep gave no answer"):
        answer(["sleep", "60"])

    assert (ask(["sleep", "60"]), answer([str(tmp_path / "none")])) == ("", "")


def test_of_two_the_named_engines_is_taken():
    """
    --engine decides.
    """
    assert find_running("web", "podman", engines(podman=3, docker=17)).named.process == 3
