"""
`caps required` of recordings of real containers: the capability that each program is known to need.

The programs are those of programs/needs.c. What is named is put to the proof: a container that has
one capability alone runs the one program that needs it, and none of the others.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.podman import entering_namespace, mount_namespace, write_wrapper
from tests.live.policy import require_command
from tests.live.programs import NEEDS
from tests.live.recorded import RECORDING, record

# Docker lets everybody bind low ports in a container's own network; here nobody may.
PORTS = ("--network", "none", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024")
BY_DEFAULT = ("mknod", "net_raw")  # docker gives them, podman does not
MORE = ("net_admin", "sys_admin", "sys_nice")  # no engine gives them
DIRECTORY = "/usr/local/bin"
PREPARE = (
    "cd /tmp; touch theirs grouped; chown 1000:1000 theirs; chmod 600 theirs; chown :1000 grouped; "
    f"cp {DIRECTORY}/needs victim; chown 1000 victim; chmod 4755 victim"
)
PREPARED = "localhost/needs"


def adding(names: Sequence[str]) -> list[str]:
    return [f"--cap-add={name}" for name in names]


def required(seccomp_trace: SeccompTrace, *options: str) -> str:
    done = seccomp_trace("caps", "required", RECORDING, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def document(seccomp_trace: SeccompTrace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(required(seccomp_trace, "--format", "json"))
    return found


def by_program(demands: Sequence[dict[str, Any]]) -> dict[str, set[str]]:
    """
    Which capabilities each of the programs is said to have asked for.
    """
    found: dict[str, set[str]] = {}
    for demand in demands:
        for use in demand["uses"]:
            name = use["executable"].removeprefix(f"{DIRECTORY}/needs-")
            found.setdefault(name, set()).add(demand["capability"])
    return found


def test_each_program_needs_the_one_capability_of_its_man_page(
    seccomp_trace: SeccompTrace, engine: Engine, busybox: ImageLoader
):
    """
    Of seventeen programs each is said to need its own capability and no other, one of them none.
    """
    command = ("run", "--rm", *PORTS, *adding([*BY_DEFAULT, *MORE]), busybox(engine))
    record(seccomp_trace, engine, *command, "sh", "-c", f"{PREPARE}; needs")

    found = by_program(document(seccomp_trace)["needed"])

    expected = {name: {f"CAP_{name.upper()}"} for name in NEEDS if name != "nothing"}
    assert {name: found.get(name) for name in expected} == expected
    assert not {"nothing", f"{DIRECTORY}/needs", "/tmp/victim"} & found.keys()


@pytest.fixture
def prepared(engine: Engine, busybox: ImageLoader) -> str:
    """
    An image in which the programs' files are, so that making them needs nothing.
    """
    engine.run("run", "--name", "maker", *PORTS, busybox(engine), "sh", "-c", PREPARE)
    engine.run("commit", "maker", PREPARED)
    return PREPARED


def test_what_is_named_is_enough_and_nothing_else_is(
    seccomp_trace: SeccompTrace, engine: Engine, prepared: str
):
    """
    With the flags that are named all programs do what they did; with one capability alone only the
    program that needs it does, beside the one that needs none.
    """
    run = ("run", "--rm", *PORTS)
    done = record(seccomp_trace, engine, *run, *adding([*BY_DEFAULT, *MORE]), prepared, "needs")
    flags = document(seccomp_trace)["flags"]

    assert sorted(done.done.stdout.split()) == sorted(NEEDS)
    assert engine.run(*run, *flags, prepared, "needs").stdout == done.done.stdout
    for name in NEEDS:
        alone = [f"--cap-add={name}"] * (name != "nothing")
        works = engine.run(*run, "--cap-drop=all", *alone, prepared, "needs").stdout.split()
        assert works == sorted({name, "nothing"}), name


def test_a_program_that_is_refused_says_what_it_asked_for(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    Without a capability a program needs nothing, and what it was refused is named; what the
    container has and nobody asked for is, too.
    """
    command = ("run", "--rm", *PORTS, "--cap-drop=all", "--cap-add=kill,chown", busybox(podman))
    record(seccomp_trace, podman, *command, "sh", "-c", "needs-net_admin || needs-chown")

    found = document(seccomp_trace)

    assert by_program(found["needed"]) == {"chown": {"CAP_CHOWN"}}
    assert by_program(found["refused"]) == {"net_admin": {"CAP_NET_ADMIN"}}
    assert found["unused"] == ["CAP_KILL"]
    assert found["flags"] == ["--cap-drop=all", "--cap-add=CHOWN"]


def test_a_container_that_needs_nothing_runs_without_any(
    seccomp_trace: SeccompTrace, engine: Engine, busybox: ImageLoader
):
    """
    A shell that copies, lists and forks needs no capability, and none is named.
    """
    script = "cd /tmp && cp /bin/busybox copy && ls -l / | sort > list && rm copy && cat list"
    record(seccomp_trace, engine, "run", "--rm", busybox(engine), "sh", "-c", script)

    found = document(seccomp_trace)

    assert (found["needed"], found["refused"]) == ([], [])
    assert required(seccomp_trace).startswith("needed        nothing\n")
    engine.run("run", "--rm", *found["flags"], busybox(engine), "sh", "-c", script)


# Docker gives capabilities that it has not itself, and fails where the host lacks one.
@pytest.mark.parametrize("engine", ["podman", "podman_crun"], indirect=True)
def test_who_mounted_a_file_system_in_layers_asks_for_himself(
    seccomp_trace: SeccompTrace, engine: Engine, busybox: ImageLoader
):
    """
    A container that may do all that who mounted its files may is not said to need what a file
    system asks of him when one of them is copied up.
    """
    script = "cp /bin/busybox /tmp/copy && rm /bin/mv && chown 5 /bin/busybox"
    everything = ("run", "--rm", "--cap-add=all", busybox(engine), "sh", "-c", script)
    record(seccomp_trace, engine, *everything)

    needed = document(seccomp_trace)["needed"]

    assert {one["capability"] for one in needed} == {"CAP_CHOWN"}


SUBORDINATE = "containers:100000:65536\n"  # subuid(5): --userns=auto takes this user's
MAPPED = ("--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000")


@pytest.fixture
def with_subordinates(engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    """
    The same podman where the host has subordinate ids, which this one may not have.
    """
    ids, commands = tmp_path / "subordinate", tmp_path / "bin"
    ids.write_text(SUBORDINATE)
    commands.mkdir()
    binding = " && ".join(f"mount --bind {ids} /etc/{file}" for file in ("subuid", "subgid"))
    with mount_namespace(binding, engine.entering) as holder:
        entering = entering_namespace(holder)
        write_wrapper(commands / "podman", entering, require_command("podman"))
        path = f"{commands}:{engine.environment['PATH']}"
        environment = {**engine.environment, "PATH": path}
        yield dataclasses.replace(engine, environment=environment, entering=entering)


@pytest.mark.parametrize("mapped", [MAPPED, ("--userns=auto",)], ids=["uidmap", "auto"])
@pytest.mark.parametrize("engine", ["podman", "podman_crun"], indirect=True)
def test_what_is_asked_of_the_hosts_namespace_is_not_the_containers(
    seccomp_trace: SeccompTrace,
    engine: Engine,
    with_subordinates: Engine,
    busybox: ImageLoader,
    mapped: Sequence[str],
):
    """
    In a user namespace of its own a container needs what it asks for there; what only the host's
    namespace could give is told apart, for no option gives it.
    """
    command = ("run", "--rm", *mapped, "--cap-add=mknod", busybox(engine))
    script = "needs-chown && ! needs-mknod"
    record(seccomp_trace, with_subordinates, *command, "sh", "-c", script)

    found = document(seccomp_trace)

    assert by_program(found["needed"]) == {"chown": {"CAP_CHOWN"}}
    assert by_program(found["out_of_reach"]) == {"mknod": {"CAP_MKNOD"}}
    assert found["refused"] == []
