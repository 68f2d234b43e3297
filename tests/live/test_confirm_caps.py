"""
Tests of `run --confirm-caps`: what a command misses is found by running it with less.

Servers are started as their Debian packages start them, as root, which they give up themselves.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import signal
from collections.abc import Sequence

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, RECORDING, read_complete
from tracer.capabilities.names import mask_of, names_in
from tracer.capabilities.required import required

# Docker lets everybody bind low ports in a container's own network; here nobody may.
PORTS = ("--network", "none", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024")
CONFIRMED = re.compile("confirmed, for each was missed: (.*)")
FLAGS = re.compile("flags: (.*)")
OWNS_A_FILE = "cd /tmp && touch own && chown 33 own"


@dataclasses.dataclass(frozen=True)
class Packaged:
    """
    A server as its package's unit or init script starts it, in the foreground; who asks it what,
    until it answers; what it was found to miss; what it is asked for by more than it misses.
    """

    command: Sequence[str]
    user: str
    asks: str
    misses: set[str]
    spare: set[str]
    options: Sequence[str] = ()


NGINX = Packaged(
    command=("nginx", "-g", "daemon off;"),
    user="root",
    asks=r"printf 'GET / HTTP/1.0\r\n\r\n' | nc -q1 -w1 127.0.0.1 80 | grep -q 'Welcome to nginx'",
    misses={"CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"},
    spare=set(),
)
REDIS = Packaged(
    command=(
        "sh",
        "-c",
        "mkdir -p /run/redis && chown redis:redis /run/redis && chmod 2755 /run/redis && "
        "exec start-stop-daemon --start --umask 007 --chuid redis:redis "
        "--exec /usr/bin/redis-server -- /etc/redis/redis.conf --daemonize no",
    ),
    user="root",
    asks="redis-cli save | grep -q OK",
    misses={"CHOWN", "FOWNER", "SETGID", "SETUID"},
    spare={"FSETID"},
)
POSTGRES = Packaged(
    command=("pg_ctlcluster", "15", "main", "start", "--foreground"),
    user="postgres",
    asks="psql -qc 'create table one (number int)'",
    misses={"SETGID", "SETUID"},
    spare={"CHOWN", "DAC_OVERRIDE"},
    options=("--stop-signal", "INT"),
)


def asking(server: Packaged) -> str:
    """
    A drive that asks from inside the container, where it is recorded, too: it sleeps each time, be
    the server slow or not, since the last run has but the calls of those before.
    """
    patiently = f"sleep 0.1; until {server.asks}; do sleep 0.1; done"
    inside = shlex.join(["timeout", "3", "sh", "-c", patiently])
    enter = f"$SECCOMP_TRACE_ENGINE exec --user {server.user} $SECCOMP_TRACE_CONTAINER"
    return shlex.join(["sh", "-c", f"{enter} {inside}"])


def full(names: set[str]) -> set[str]:
    return {f"CAP_{name}" for name in names}


@pytest.mark.parametrize(
    ("engine", "server"),
    [("docker", NGINX), ("podman_crun", REDIS), ("podman", POSTGRES)],
    ids=["nginx", "redis", "postgres"],
    indirect=["engine"],
)
def test_a_server_does_with_what_its_recording_says_it_needs(
    seccomp_trace: SeccompTrace, engine: Engine, servers: ImageLoader, server: Packaged
):
    """
    The required set suffices at once, is less than the engine gives, and what is confirmed of it is
    what the server's start misses.
    """
    command = engine.command("run", *PORTS, *server.options, servers(engine), *server.command)
    own = ("run", "-o", PROFILE, "--recording", RECORDING, "--confirm-caps")

    done = seccomp_trace(*own, "--drive", asking(server), "--", *command, env=engine.environment)

    assert done.returncode == 0, done.stderr
    assert re.search("run 1 with .*: works\n", done.stderr), done.stderr
    found = required(read_complete(seccomp_trace.directory / RECORDING))
    asked_for = {*found.confirmed, *(one.capability for one in found.unmissed)}
    assert set(found.confirmed) == set(found.capabilities) == full(server.misses)
    assert asked_for == full(server.misses | server.spare)
    assert asked_for < given_by(engine, servers(engine))


def given_by(engine: Engine, image: str) -> set[str]:
    """
    The bounding set of a container of which nothing was said.
    """
    status = engine.run("run", "--rm", image, "grep", "CapBnd", "/proc/self/status").stdout
    return set(names_in(int(status.split()[1], 16)))


def test_what_nothing_recorded_is_found_and_told(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    A command that looks at its sets itself misses one that it never asked the kernel for; its own
    options are replaced, a fixed name is free again each time, and the recording knows the result.
    """
    mask = mask_of(["setfcap"])
    looks = f"set -- $(grep CapBnd /proc/self/status); [ $((0x$2 & {mask})) != 0 ]"
    own = ("--name", "fixed", "-d", "--cap-drop", "mknod", "--cap-add=sys_nice")
    command = podman.command("run", *own, busybox(podman), "sh", "-c", f"{OWNS_A_FILE} && {looks}")

    done = seccomp_trace(
        *("run", "-o", "-", "--recording", RECORDING, "--confirm-caps", "--", *command),
        env=podman.environment,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["syscalls"]
    assert "missed, although nothing recorded asked for them: SETFCAP" in done.stderr
    found = required(read_complete(seccomp_trace.directory / RECORDING))
    assert found.confirmed == ("CAP_CHOWN", "CAP_SETFCAP")
    assert FLAGS.findall(done.stderr) == ["--cap-drop=all --cap-add=CHOWN --cap-add=SETFCAP"]
    assert not podman.run("ps", "--all", "--quiet").stdout


def test_the_profile_allows_what_the_command_does_without_what_it_does_not_miss(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    What it falls back to is in the profile, which starts it with the flags; the recording makes the
    very same profile, on top of the same baseline. Where an earlier run leaves something is told.
    """
    other_way = f"{OWNS_A_FILE} && {{ chroot / true || mkdir -m 700 /tmp/other; }}"
    rules = [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
    ]
    baseline = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    (seccomp_trace.directory / "base.json").write_text(json.dumps(baseline, indent=2))
    program = (busybox(podman), "sh", "-c", other_way)
    command = podman.command("run", "-v", f"{seccomp_trace.directory}:/data", *program)
    own = ("-o", PROFILE, "--recording", RECORDING, "--baseline", "base.json", "--confirm-caps")

    done = seccomp_trace("run", *own, "--", *command, env=podman.environment)
    again = seccomp_trace("generate", "--baseline", "base.json", "-o", "-", RECORDING)

    assert done.returncode == 0, done.stderr
    profile = seccomp_trace.directory / PROFILE
    assert "recorded as needed, but not missed: SYS_CHROOT" in done.stderr
    assert re.search("so in the profile, too: .*mkdir", done.stderr), done.stderr
    assert re.search("run . with CHOWN under the new profile: works", done.stderr), done.stderr
    assert done.stderr.count(f"left in {seccomp_trace.directory} is there in later ones") == 2
    assert again.stdout == profile.read_text()
    (flags,) = FLAGS.findall(done.stderr)
    assert flags == "--cap-drop=all --cap-add=CHOWN"
    podman.run("run", "--rm", *podman.security(profile), *flags.split(), *program)


def test_a_profile_that_does_not_go_with_the_flags_is_no_success(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    What a baseline denies stays denied: that the command does not do under it is found and told.
    """
    deny = {"names": ["chown", "lchown", "fchownat"], "action": "SCMP_ACT_ERRNO"}
    baseline = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [deny]}
    (seccomp_trace.directory / "base.json").write_text(json.dumps(baseline, indent=2))
    command = podman.command("run", busybox(podman), "sh", "-c", OWNS_A_FILE)

    done = seccomp_trace(
        *("run", "-o", PROFILE, "--baseline", "base.json", "--confirm-caps", "--", *command),
        env=podman.environment,
    )

    assert done.returncode == 125, done.stderr
    assert "under the new profile it does not do with these: exit code 1" in done.stderr
    assert CONFIRMED.search(done.stderr)


def test_a_failing_command_confirms_nothing_and_an_interrupted_one_leaves_nothing(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    A recorded run that fails is no measure. Ctrl-C among the trials ends them, when profile and
    recording of the first run are there already, and no container stays.
    """
    own = ("run", "-o", PROFILE, "--recording", RECORDING, "--confirm-caps", "--")
    script = f"trap 'exit 0' INT; {OWNS_A_FILE} || while :; do sleep 0.1; done"
    hangs = podman.command("run", busybox(podman), "sh", "-c", script)

    fails = seccomp_trace(
        *own, *podman.command("run", busybox(podman), "false"), env=podman.environment
    )
    process = seccomp_trace.start(*own, *hangs, env=podman.environment, start_new_session=True)
    assert process.stderr is not None
    said = ""
    while "run 1 with CHOWN: works" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    eventually(lambda: podman.run("ps", "--quiet").stdout, what="a trial runs")
    assert read_complete(seccomp_trace.directory / RECORDING)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)

    assert fails.returncode == 1 and "the recorded run is no measure: exit code 1" in fails.stderr
    assert process.returncode == 130 and "interrupted" in rest
    assert not CONFIRMED.search(said + rest)
    left = ("ps", "--all", "--quiet")  # podman may still be at it: conmon has it clean up, too
    eventually(lambda: not podman.run(*left).stdout, what="no container stays")


def test_a_drive_that_cannot_be_executed_leaves_no_container(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    It is an error at once, and its container, which ignores being asked to stop, is gone.
    """
    drive = seccomp_trace.directory / "drive"
    drive.write_text("no program")
    drive.chmod(0o755)
    command = podman.command("run", busybox(podman), "sleep", "1000")

    done = seccomp_trace(
        *("run", "-o", PROFILE, "--confirm-caps", "--drive", "./drive", "--", *command),
        env=podman.environment,
        timeout=30,
    )

    assert done.returncode == 126 and "a script needs a line that begins with #!" in done.stderr
    assert not podman.run("ps", "--all", "--quiet").stdout
