"""
Tests of which of the kernel's recordings are a command's, and what container each is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

import pytest

from tests.unit.session.heads import ID, OTHER, command, container, namespace
from tracer.container.engines import Named
from tracer.kernel.wire import Head
from tracer.session.belonging import Belongings, Container, Evidence, belongings

LAUNCH = ("conmon", "-c", ID, "-u", ID, "-r", "/usr/bin/crun", "-n", "web")
EXEC = ("conmon", "-c", ID, "-u", OTHER, "-r", "/usr/bin/crun", "-n", "web")
START = f"POST /v1.41/containers/{ID}/start HTTP/1.1"
JOIN = f"POST /v1.41/containers/{ID}/exec HTTP/1.1"


def decide(
    heads: Mapping[int, Head],
    launches: Optional[Mapping[int, Sequence[str]]] = None,
    requests: Sequence[tuple[int, str]] = (),
    known: Optional[Mapping[str, Named]] = None,
) -> Belongings:
    """
    What belongs to recording 1, the command's.
    """

    def look_up(engine: str, reference: str) -> Optional[Named]:
        return (known or {}).get(reference)

    return belongings(Evidence(1, {1: command(), **heads}, launches or {}, requests, look_up))


def only(found: Belongings) -> Container:
    (one,) = found.containers
    return one


def test_a_plain_command_is_its_own_tree():
    """
    Without any other recording there is the command and no container.
    """
    assert decide({}) == Belongings((), frozenset({1}))


def test_a_container_in_the_tree_is_named_by_its_monitor():
    """
    What began in the command's tree with a conmon has that conmon's id, name and runtime.
    """
    one = only(decide({2: container(launcher=9)}, {9: LAUNCH}))

    assert (one.recording, one.engine, one.id, one.name) == (2, "podman", ID, "web")
    assert (one.runtime, one.late, one.infra) == ("/usr/bin/crun", False, False)


def test_the_engine_adds_the_image():
    """
    What the monitor cannot say is asked of the engine.
    """
    found = decide({2: container(launcher=9)}, {9: LAUNCH}, known={ID: Named(ID, "web", "nginx")})

    assert only(found).image == "nginx"


def test_an_exec_joins_what_ran_before():
    """
    A recording that began with an exec is late, and named by the engine.
    """
    found = decide({2: container(launcher=9)}, {9: EXEC}, known={ID: Named(ID, "real", "nginx")})

    one = only(found)
    assert (one.late, one.name, one.image) == (True, "real", "nginx")


def test_without_a_cgroup_the_monitor_gives_the_id():
    """
    A container without a cgroup of its own (--cgroups=disabled) is known by its monitor.
    """
    one = only(decide({2: namespace(launcher=9, maker="crun")}, {9: LAUNCH}))

    assert (one.id, one.name) == (ID, "web")


@pytest.mark.parametrize("maker, runtime", [("runc:[1:CHILD]", "runc"), ("crun", "crun")])
def test_a_runtime_without_an_engine_makes_containers_too(maker: str, runtime: str):
    """
    `runc run` alone makes a container without an engine and a name.
    """
    one = only(decide({2: namespace(maker=maker)}))

    assert (one.engine, one.name, one.runtime) == ("", "", runtime)


@pytest.mark.parametrize("maker", ["systemd", "(sd-pam)", "runcible", "sh"])
@pytest.mark.parametrize("outer", [0, 1], ids=["a daemon's", "in the tree"])
def test_who_puts_a_task_into_a_cgroup_is_no_runtime(maker: str, outer: int):
    """
    With systemd's driver systemd writes cgroup.procs: the container is one, its runtime unknown.
    """
    one = only(decide({2: container(outer=outer, maker=maker)}, requests=[(1, START)]))

    assert (one.id, one.runtime) == (ID, "")


def test_a_program_whose_name_begins_as_a_runtimes_makes_no_container():
    """
    Only a runtime's whole name, up to a colon, makes a container of a namespace.
    """
    assert decide({2: namespace(maker="runcible")}).containers == ()


def test_a_namespace_that_is_no_container_is_part_of_the_tree():
    """
    What unshare(1) makes in a plain command belongs to the command's own recording.
    """
    assert decide({2: namespace()}) == Belongings((), frozenset({1, 2}))


def test_a_recording_inside_another_belongs_through_it():
    """
    A container that began inside another recording of the tree is the command's too.
    """
    found = decide({2: namespace(), 3: container(outer=2)})

    assert (only(found).recording, found.tree) == (3, frozenset({1, 2}))


def test_others_recordings_are_nobodys():
    """
    Containers that began elsewhere, and another command's, are not ours.
    """
    found = decide(
        {
            2: container(outer=0),
            3: command(),
            4: container(outer=3, container=OTHER),
            5: namespace(outer=3),
        }
    )

    assert found == Belongings((), frozenset({1}))


def test_a_container_that_a_daemon_started_belongs_to_who_asked():
    """
    A container outside the tree is ours if the tree asked an engine's socket to start it.
    """
    found = decide(
        {2: container(outer=0)}, requests=[(1, START)], known={ID: Named(ID, "web", "nginx")}
    )

    one = only(found)
    assert (one.engine, one.id, one.name, one.image) == ("docker", ID, "web", "nginx")
    assert (one.runtime, one.late) == ("runc", False)


def test_a_start_by_name_is_resolved_by_the_engine():
    """
    A request that names a container by its name is settled by the id that the engine gives.
    """
    found = decide(
        {2: container(outer=0)},
        requests=[(1, "POST /v1.41/containers/web/start HTTP/1.1")],
        known={"web": Named(ID, "web")},
    )

    assert only(found).id == ID


def test_an_engine_that_knows_nothing_leaves_the_id():
    """
    If the engine does not answer, the id in the request is enough.
    """
    one = only(decide({2: container(outer=0)}, requests=[(1, START)]))

    assert (one.id, one.name) == (ID, "")


def test_somebody_elses_request_is_not_ours():
    """
    What a process outside of the tree asked for is not recorded for us.
    """
    found = decide({2: container(outer=0), 7: command()}, requests=[(7, START)])

    assert found.containers == ()


def test_a_request_for_another_container_is_not_for_this_one():
    """
    Asking for one container does not bring another.
    """
    assert decide({2: container(outer=0, container=OTHER)}, requests=[(1, START)]).containers == ()


def test_joining_through_a_socket_is_late():
    """
    `docker exec` alone into a container that ran before makes its recording late.
    """
    assert only(decide({2: container(outer=0)}, requests=[(1, JOIN)])).late


@pytest.mark.parametrize("requests", [[START, JOIN], [JOIN, START]])
def test_started_and_joined_is_not_late(requests: list[str]):
    """
    A container that the command started is not late because it also executed in it, in whatever
    order the kernel's map gives the requests.
    """
    found = decide({2: container(outer=0)}, requests=[(1, one) for one in requests])

    assert not only(found).late


@pytest.mark.parametrize(
    "known, infra",
    [
        ({}, True),
        ({ID: Named(ID, "x-infra", infra=False)}, False),
        ({ID: Named(ID, "x", infra=True)}, True),
    ],
)
def test_what_only_holds_a_pods_namespaces_is_marked(known: Mapping[str, Named], infra: bool):
    """
    The engine says which container is a pod's own; without an answer its name does.
    """
    launch = ("conmon", "-c", ID, "-u", ID, "-n", "pod-infra")

    assert only(decide({2: container(launcher=9)}, {9: launch}, known=known)).infra == infra
