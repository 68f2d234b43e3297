"""
`caps show` of real containers: the walk-throughs of the texts that explain capabilities.

Root against another user, ambient capabilities by --cap-add, and binding port 80: each with the
sets that the kernel has, which `caps show` must show, and with what really happens, which it must
explain.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.live.apart import apart
from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import RECORDING, record
from tracer.capabilities.attribute import ATTRIBUTE, decode, text_of
from tracer.capabilities.names import mask_of
from tracer.capabilities.sets import KINDS, Sets, read_status

BIND = mask_of(["net_bind_service"])
# Docker lets everybody bind low ports in a container's own network; here nobody may.
PORTS = ("--network", "none", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024")
USER = ("--user", "1024")
SECUREBITS = 0x4C
BIND_80 = """
import socket
try:
    socket.socket().bind(("127.0.0.1", 80))
    print("bound", flush=True)
except PermissionError:
    print("refused", flush=True)
"""
AND_STAY = "import time\ntime.sleep(1000)\n"
WITH_WORKER = "setpriv --reuid 1024 --regid 0 --clear-groups sleep 1001 & exec sleep 1000"
PYTHON = "/usr/bin/python3"
GRANTED = "/usr/local/bin/granted"

ADDED = {
    "podman": "permitted and effective NET_BIND_SERVICE: uid 1024, kept by the ambient set",
    "docker": "permitted and effective empty: uid 1024, ambient empty; "
    "NET_BIND_SERVICE is in the bounding set, so file capabilities could grant it",
}


def start(engine: Engine, name: str, *arguments: str) -> None:
    at_once = ("--stop-signal", "KILL")  # nothing here minds, and removing it does not wait
    engine.run("run", "--detach", "--name", name, *at_once, *PORTS, *arguments)


def said(engine: Engine, name: str) -> str:
    """
    What a container that binds port 80 has said of it.
    """
    eventually(lambda: engine.run("logs", name).stdout, what=f"{name} to bind")
    return engine.run("logs", name).stdout.strip()


def show(seccomp_trace: SeccompTrace, engine: Engine, name: str) -> Mapping[str, Any]:
    command = ("caps", "show", name, "--engine", engine.name, "--format", "json")
    done = seccomp_trace(*command, env=engine.environment)
    assert done.returncode == 0, done.stderr
    document: Mapping[str, Any] = json.loads(done.stdout)
    return document


def text(seccomp_trace: SeccompTrace, engine: Engine, name: str) -> str:
    return seccomp_trace(
        *("caps", "show", name, "--engine", engine.name), env=engine.environment
    ).stdout


def recorded(seccomp_trace: SeccompTrace, engine: Engine, *command: str) -> Any:
    """
    What is shown of the runs of a recording of a command.
    """
    record(seccomp_trace, engine, *command)
    return json.loads(seccomp_trace("caps", "show", RECORDING, "--format", "json").stdout)["runs"]


def sets_of(held: Mapping[str, Any]) -> Sets:
    return Sets(*(int(held["sets"][kind]["mask"], 16) for kind in KINDS))


def sets_in_proc(held: Mapping[str, Any]) -> Sets:
    """
    The sets of what is shown, as /proc has them.
    """
    number = held["threads"][0]["thread"]
    return read_status(Path(f"/proc/{number}/status").read_text()).credentials.sets


def test_root_against_another_user(
    seccomp_trace: SeccompTrace, engine: Engine, servers: ImageLoader
):
    """
    Root holds the bounding set, another user holds nothing, though it could be granted; both are
    shown as the kernel has them, and as capsh names them.
    """
    start(engine, "two", servers(engine), "sh", "-c", WITH_WORKER)
    eventually(lambda: len(show(seccomp_trace, engine, "two")["held"]) == 2, what="a second user")

    root, user = show(seccomp_trace, engine, "two")["held"]

    assert sets_of(root) == sets_in_proc(root) and sets_of(user) == sets_in_proc(user)
    bounding = sets_of(root).bounding
    assert sets_of(root) == Sets(permitted=bounding, effective=bounding, bounding=bounding)
    assert sets_of(user) == Sets(bounding=bounding)
    assert (root["uids"]["effective"], user["uids"]["effective"]) == (0, 1024)
    assert root["threads"][0]["numbers"][-1] == 1
    decoded = engine.run("exec", "two", "capsh", f"--decode={bounding:016x}").stdout
    assert seccomp_trace("caps", "decode", f"{bounding:016x}").stdout == decoded
    assert "uid 1024, ambient empty; " in text(seccomp_trace, engine, "two")


def test_securebits_are_those_that_capsh_has_set(seccomp_trace: SeccompTrace):
    """
    No file of /proc tells them; each that is set is named, with its lock; and so it is in a
    recording of what ran already.
    """
    setting = ["capsh", f"--secbits={SECUREBITS:#x}", "--", "-c", "while sleep 0.1; do :; done"]
    with subprocess.Popen(setting) as process:
        try:
            eventually(lambda: comm(process.pid) == "bash", what="it has executed bash")
            asked = ("caps", "show", "--pid", str(process.pid))
            told = seccomp_trace(*asked).stdout
            held = json.loads(seccomp_trace(*asked, "--format", "json").stdout)["held"]
            watch = ("attach", "--pid", str(process.pid), "--duration", "1")
            seccomp_trace(*watch, "-o", "p.json", "--recording", "attached.json")
            attached = seccomp_trace("caps", "show", "attached.json.incomplete").stdout
        finally:
            process.kill()

    assert [one["securebits"] for one in held] == [SECUREBITS]
    assert " no-setuid-fixup no-setuid-fixup-locked no-cap-ambient-raise\n" in told
    line = next(one for one in told.splitlines() if one.startswith("securebits"))
    assert line in attached.splitlines()


def comm(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()


def test_an_added_capability_of_a_user_is_ambient_under_podman_alone(
    seccomp_trace: SeccompTrace, engine: Engine, servers: ImageLoader
):
    """
    --cap-add with another user than root gives an ambient capability, and port 80, under podman;
    under docker it gives nothing but a place in the bounding set, and the line says what could.
    """
    options = (*USER, "--cap-drop", "all", "--cap-add", "net_bind_service")
    start(engine, "added", *options, servers(engine), PYTHON, "-c", BIND_80 + AND_STAY)

    (held,) = show(seccomp_trace, engine, "added")["held"]

    assert sets_of(held) == sets_in_proc(held)
    if engine.name == "podman":
        assert sets_of(held) == Sets(BIND, BIND, BIND, BIND, BIND)
        assert said(engine, "added") == "bound"
        assert held["differences"]["ambient"]["added"] == ["CAP_NET_BIND_SERVICE"]
    else:
        assert sets_of(held) == Sets(bounding=BIND)
        assert said(engine, "added") == "refused"
    assert held["execve"]["explanation"] == ADDED[engine.name]


def test_port_80_by_file_capabilities(
    seccomp_trace: SeccompTrace, podman: Engine, servers: ImageLoader
):
    """
    A user's program is refused port 80; the same program with file capabilities gets it, unless
    all capabilities are dropped: then the kernel does not even execute it. And a recording knows,
    without the file, what it gave, and that the program cannot be executed without.
    """
    bind = ("-c", BIND_80)
    start(podman, "maker", servers(podman), "sleep", "1000")
    grant = f"cp {PYTHON} {GRANTED}; setcap cap_net_bind_service=ep {GRANTED}; getcap {GRANTED}"
    granted = podman.run("exec", "maker", "sh", "-c", grant).stdout.split()
    assert podman.run("exec", *USER, "maker", PYTHON, *bind).stdout == "refused\n"
    podman.run("commit", "--quiet", "maker", "localhost/granted")
    start(podman, "granted", *USER, "localhost/granted", GRANTED, "-c", BIND_80 + AND_STAY)

    (held,) = show(seccomp_trace, podman, "granted")["held"]

    assert said(podman, "granted") == "bound"
    assert sets_of(held) == sets_in_proc(held)
    assert (sets_of(held).permitted, sets_of(held).effective) == (BIND, BIND)
    assert held["executable"]["capabilities"]["version"] == 2
    assert held["execve"]["explanation"] == (
        "permitted and effective NET_BIND_SERVICE: uid 1024, granted by the file's capabilities"
    )
    assert f"{GRANTED}, file capabilities {granted[1]}" in text(seccomp_trace, podman, "granted")
    command = (*USER, "localhost/granted", GRANTED, "-c", "print(1)")
    (run,) = recorded(seccomp_trace, podman, "run", "--rm", *command)
    assert (run["sets"], run["execve"]) == (held["sets"], held["execve"])
    assert run["executable"]["path"] == GRANTED
    assert run["executable"]["granted"]["names"] == ["CAP_NET_BIND_SERVICE"]
    required = seccomp_trace("caps", "required", RECORDING, "--format", "json").stdout
    flags = json.loads(required)["flags"]
    assert flags == ["--cap-drop=all", "--cap-add=NET_BIND_SERVICE"]
    assert podman.run("run", "--rm", *flags, *command).stdout == "1\n"
    dropped = ("run", "--rm", *PORTS, *USER, "--cap-drop", "all", "localhost/granted")
    refused = podman.run(*dropped, GRANTED, *bind, check=False)
    assert refused.returncode != 0 and "ermitted" in refused.stderr
    assert podman.run(*dropped, PYTHON, *bind).stdout == "refused\n"


def test_a_user_namespace_is_shown_with_its_root(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    Root of a container's own user namespace is root there, and another uid outside; and what is
    recorded of a user in one is as it is inside, too.
    """
    mapped = ("--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000")
    image, once = busybox(podman), ("run", "--rm", "--security-opt", "no-new-privileges")
    (run,) = recorded(seccomp_trace, podman, *once, *mapped, "--user", "7", image, "true")
    start(podman, "mapped", *mapped, image, "sleep", "1000")

    (held,) = show(seccomp_trace, podman, "mapped")["held"]

    assert held["uids"]["effective"] == 100000
    assert held["user_namespace"]["uid_map"] == [{"inside": 0, "outside": 100000, "count": 5000}]
    assert held["execve"]["rule"] == "root"
    assert "uid 0 (100000 outside)" in text(seccomp_trace, podman, "mapped")
    assert (run["user"], run["real_user"], run["no_new_privileges"]) == (100007, 100007, True)
    assert run["user_namespace"]["uid_map"] == held["user_namespace"]["uid_map"]
    assert run["execve"]["explanation"].startswith("permitted and effective empty: uid 7, ")


@pytest.mark.parametrize("granted", ["cap_net_raw=ep", "cap_chown,cap_kill=eip", "cap_kill=i"])
def test_file_capabilities_are_said_as_getcap_says_them(tmp_path: Path, granted: str):
    """
    The attribute that setcap writes is read as getcap reads it.
    """
    file = tmp_path / "file"
    file.touch()
    subprocess.run(["setcap", granted, str(file)], check=True)

    done = subprocess.run(["getcap", str(file)], capture_output=True, text=True, check=True)

    assert done.stdout == f"{file} {text_of(decode(os.getxattr(file, ATTRIBUTE)))}\n"


def test_masks_are_decoded_as_capsh_decodes_them(seccomp_trace: SeccompTrace):
    """
    Every single bit, all of them, and none: each line is capsh's.
    """
    masks = [f"{1 << number:x}" for number in range(64)] + ["0", "f" * 16, "a80425fb"]

    decoded = seccomp_trace("caps", "decode", *masks).stdout

    lines = [
        subprocess.run(["capsh", f"--decode={mask}"], capture_output=True, text=True).stdout
        for mask in masks
    ]
    assert decoded == "".join(lines)


@pytest.mark.parametrize("option", ["hidepid=1", "hidepid=2"])
def test_a_proc_that_hides_processes_is_told(seccomp_trace: SeccompTrace, option: str):
    """
    Without the right to look, a hidden process is one line and exit code 2.
    """
    powerless = ["setpriv", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"]
    hidden = apart(
        [f"mount -t proc -o {option} none /proc"],
        [*powerless, str(seccomp_trace.program), "caps", "show", "--pid", "1"],
    )

    done = subprocess.run(hidden, capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stderr == (
        "seccomp-trace: /proc hides process 1 (mounted with hidepid); "
        "be root with CAP_SYS_PTRACE, and in no sandbox\n"
    )
