"""
Tests of finding an engine in a command line, and of giving it another seccomp profile.
"""

from __future__ import annotations

import shlex

import pytest

from tracer.container.arguments import (
    EngineCall,
    find_engine,
    is_privileged,
    to_its_end,
    with_capabilities,
    with_profile,
)

# command: engine, how it is called, verb, and what follows the verb.
FOUND = [
    ("podman run image", "podman", "podman", "run", "image"),
    ("/usr/bin/docker run image", "docker", "/usr/bin/docker", "run", "image"),
    ("podman container run image", "podman", "podman", "run", "image"),
    ("sudo -n podman run image", "podman", "sudo -n podman", "run", "image"),
    ("sudo -u docker podman run image", "podman", "sudo -u docker podman", "run", "image"),
    ("sudo A=docker podman run image", "podman", "sudo A=docker podman", "run", "image"),
    ("env -i -C / A=b podman run image", "podman", "env -i -C / A=b podman", "run", "image"),
    ("env -u docker podman run image", "podman", "env -u docker podman", "run", "image"),
    ("timeout -k 5 10 podman run image", "podman", "timeout -k 5 10 podman", "run", "image"),
    ("timeout --signal=INT 9 docker ps", "docker", "timeout --signal=INT 9 docker", "ps", ""),
    ("nice -n 5 podman run image", "podman", "nice -n 5 podman", "run", "image"),
    ("nohup sudo -- podman ps", "podman", "nohup sudo -- podman", "ps", ""),
    ("runuser -u me -- podman run image", "podman", "runuser -u me -- podman", "run", "image"),
    ("podman --runtime crun run image", "podman", "podman --runtime crun", "run", "image"),
    ("podman --runtime=crun run image", "podman", "podman --runtime=crun", "run", "image"),
    ("docker -H unix:///s -D run image", "docker", "docker -H unix:///s -D", "run", "image"),
    ("docker --context docker run image", "docker", "docker --context docker", "run", "image"),
    ("podman ps", "podman", "podman", "ps", ""),
    ("podman", "podman", "podman", "", ""),
    ("podman --log-level", "podman", "podman --log-level", "", ""),
    ("podman container", "podman", "podman", "", ""),
]


@pytest.mark.parametrize("command, engine, client, verb, rest", FOUND)
def test_an_engine_is_found_with_its_client_and_verb(
    command: str, engine: str, client: str, verb: str, rest: str
):
    """
    The engine is found behind whatever calls it, its own options belong to how it is called.
    """
    words = shlex.split(command)

    call = find_engine(words)

    assert call is not None
    assert (call.engine, call.client, call.verb) == (engine, tuple(shlex.split(client)), verb)
    assert words[call.options :] == shlex.split(rest)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "ls /",
        "podman-compose up",
        "sh -c 'podman run x'",
        "xpodman",
        "./script.sh docker prod",
        "ls /etc/docker",
        "sh -c 'echo hi' podman",
        "sudo ls /etc/docker",
        "sudo -u podman",
        "env A=b sh -c 'echo hi' docker",
        "timeout 10 ./deploy docker",
        "timeout docker",
        "make -C docker run",
    ],
)
def test_what_calls_no_engine_is_none(command: str):
    """
    A plain command, and one that only mentions an engine, calls none: what stands before an engine
    is executed again, to ask it something.
    """
    assert find_engine(shlex.split(command)) is None


def profiled(command: str) -> str:
    words = shlex.split(command)
    call = find_engine(words)
    assert isinstance(call, EngineCall)
    return shlex.join(with_profile(words, call, "/new.json"))


NEW = "--security-opt seccomp=/new.json"


@pytest.mark.parametrize(
    "before, after",
    [
        ("podman run image ls -l", f"podman run {NEW} image ls -l"),
        ("podman run --security-opt seccomp=old image", f"podman run {NEW} image"),
        ("podman run --security-opt=seccomp=old image", f"podman run {NEW} image"),
        ("docker run --security-opt seccomp:old image", f"docker run {NEW} image"),
        ("docker run --security-opt=seccomp:unconfined image", f"docker run {NEW} image"),
        (
            "podman run --security-opt no-new-privileges image",
            f"podman run {NEW} --security-opt no-new-privileges image",
        ),
        ("podman container create image", f"podman container create {NEW} image"),
        ("podman --runtime crun run image", f"podman --runtime crun run {NEW} image"),
        ("podman run image --security-opt", f"podman run {NEW} image --security-opt"),
        (
            "podman run -it -v /a:/b --security-opt seccomp=old --rm -p80:80 image",
            f"podman run {NEW} -it -v /a:/b --rm -p80:80 image",
        ),
        (
            "docker run --security-opt seccomp=old --security-opt=seccomp=older image",
            f"docker run {NEW} image",
        ),
        (
            "podman run --name --security-opt image",
            f"podman run {NEW} --name --security-opt image",
        ),
        (
            "podman run --rm image tool --security-opt seccomp=its",
            f"podman run {NEW} --rm image tool --security-opt seccomp=its",
        ),
        (
            "docker run -e A=b --init -- image --security-opt=seccomp=its",
            f"docker run {NEW} -e A=b --init -- image --security-opt=seccomp=its",
        ),
        ("docker run -e", f"docker run {NEW} -e"),
    ],
)
def test_a_profile_takes_the_place_of_any_other(before: str, after: str):
    """
    The new profile comes first among the options and the old one goes, whatever its spelling; what
    comes after the image is the container's.
    """
    assert profiled(before) == after


ALONE = "--cap-drop=all --cap-add=CHOWN --cap-add=KILL"


@pytest.mark.parametrize(
    "before, after",
    [
        ("podman run image ls", f"podman run {ALONE} image ls"),
        ("podman run --cap-add sys_admin image", f"podman run {ALONE} image"),
        ("podman run --cap-add=a,b --cap-drop=all image", f"podman run {ALONE} image"),
        ("docker run -e A --cap-drop ALL -it image", f"docker run {ALONE} -e A -it image"),
        ("docker run -- image --cap-add x", f"docker run {ALONE} -- image --cap-add x"),
        ("podman run -v --cap-add:/x image", f"podman run {ALONE} -v --cap-add:/x image"),
        (
            "sudo podman run --name --cap-add image",
            f"sudo podman run {ALONE} --name --cap-add image",
        ),
        ("docker run --cap-add", f"docker run {ALONE}"),
    ],
)
def test_capabilities_take_the_place_of_any_other(before: str, after: str):
    """
    What the command says of capabilities goes, whatever its spelling, and nothing else does.
    """
    words = shlex.split(before)
    call = find_engine(words)
    assert call is not None

    assert shlex.join(with_capabilities(words, call, ["CHOWN", "KILL"])) == after


@pytest.mark.parametrize(
    "command, privileged",
    [
        ("podman run --privileged image", True),
        ("podman run -it --privileged=true image", True),
        ("docker run --privileged=false image", False),
        ("docker run --privileged --privileged=0 image", False),
        ("docker run --privileged=false --privileged image", True),
        ("docker run image --privileged", False),
        ("docker run -e --privileged image", False),
        ("docker run", False),
    ],
)
def test_a_privileged_container_is_known(command: str, privileged: bool):
    """
    The last word on it counts, and only if it is an option of the engine's.
    """
    words = shlex.split(command)
    call = find_engine(words)
    assert call is not None

    assert is_privileged(words, call) is privileged


@pytest.mark.parametrize(
    "before, after",
    [
        ("podman run -d image ls", "podman run --rm -d --detach=false image ls"),
        ("docker run --rm=false image", "docker run --rm --rm=false --detach=false image"),
        ("docker run -dt -- image -d", "docker run --rm -dt --detach=false -- image -d"),
        ("podman run", "podman run --rm --detach=false"),
        (
            "docker run --restart always -d -- image --restart=on-failure",
            "docker run --rm --restart always -d --detach=false --restart=no -- image "
            "--restart=on-failure",
        ),
    ],
)
def test_a_container_can_be_had_run_to_its_end(before: str, after: str):
    """
    It stays in the foreground, is not started again and is removed, but a person's own word on its
    removal stands.
    """
    words = shlex.split(before)
    call = find_engine(words)
    assert call is not None

    assert shlex.join(to_its_end(words, call)) == after
