"""
Live tests of `watch` as a command: how it ends, what it says where it cannot see everything.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.terminal import CTRL_C, on_terminal
from tests.live.test_watch_answers import UNKNOWN, number
from tests.live.watched import compiled, deny, profile, watching
from tracer.kernel.audit import ACTIONS_LOGGED

DEAF = "the kernel's audit messages, which tell of LOG and KILL, cannot be read"
WITHOUT_AUDIT = {
    "no capability": ["capsh", "--drop=cap_audit_read", "--", "-c", 'exec "$0" "$@"'],
    "another network namespace": ["unshare", "--net"],
}
APART = ("unshare", "--pid", "--fork")
PIPE_CLOSED = 141
CHECKOUT = Path(__file__).parents[2]


def denied_in_a_namespace(directory: Path, times: int = 1) -> None:
    """
    Have a program denied a call in a PID namespace of its own, as in a container.
    """
    program = compiled("denied", directory)
    for _ in range(times):
        subprocess.run([*APART, program, "own", UNKNOWN, "1"], check=True)


def killed_in_a_namespace(directory: Path) -> None:
    """
    Have a program killed for a call by its filter, in the same way.
    """
    subprocess.run([*APART, compiled("denied", directory), "killed", UNKNOWN, "1"])


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it(seccomp_trace: SeccompTrace, by: signal.Signals):
    """
    It ends on a signal as on the time that was given to it: that is how one ends it.
    """
    told = watching(seccomp_trace, "nobody").end(by)

    assert (told.denials, told.said, told.status) == ([], "", 0)


def test_it_ends_after_its_time(seccomp_trace: SeccompTrace):
    """
    It ends by itself when its time is up, with exit code 0.
    """
    done = seccomp_trace("watch", "nobody", "--duration", "0.3")

    assert done.returncode == 0 and done.stdout == ""


def test_nobody_reads_any_more(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    A pipe that is closed (`watch | head -1`) ends it without a traceback.
    """
    process = seccomp_trace.start("watch")
    assert process.stderr and process.stdout and "watching;" in process.stderr.readline()
    process.stdout.close()
    denied_in_a_namespace(tmp_path)

    assert process.wait(30) == PIPE_CLOSED
    assert process.stderr.read() == ""


def test_on_a_terminal_each_kind_is_told_once(tmp_path: Path):
    """
    On a terminal a second denial of a kind is not told again: Ctrl-C ends it with how many came.
    """
    with on_terminal([str(PROGRAM), "watch"], tmp_path) as terminal:
        terminal.wait_for(b"watching;")
        denied_in_a_namespace(tmp_path)
        terminal.wait_for(b"-> EACCES")
        terminal.type(CTRL_C)
        assert terminal.end() == 0

    line = re.escape(f"/denied  {UNKNOWN} -> EACCES")
    assert re.search(rf"\s1  pid:\[\d+\]  \S*{line}", terminal.shown.decode())


@pytest.mark.parametrize("apart", WITHOUT_AUDIT.values(), ids=WITHOUT_AUDIT)
def test_where_audit_messages_cannot_be_read(apart: list[str], tmp_path: Path):
    """
    Without the right to read audit messages, or where they do not come, it says so, and tells of
    errors and of kills all the same.
    """
    command = [*apart, str(PROGRAM), "watch", "--format", "json"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout and process.stderr
        said = process.stderr.readline()
        assert "watching;" in process.stderr.readline()
        denied_in_a_namespace(tmp_path)
        line = next(line for line in process.stdout if str(tmp_path) in line)
        killed_in_a_namespace(tmp_path)
        killed = json.loads(next(line for line in process.stdout if str(tmp_path) in line))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert DEAF in said and UNKNOWN in line and "EACCES" in line
    assert (killed["syscall"], killed["answer"], killed["count"]) == (UNKNOWN, "kill", 1)
    assert process.returncode == 0
    probe = "from tracer.kernel import probe; print(probe.audit_messages())"
    words = [*apart, sys.executable, "-c", probe]
    found = subprocess.run(words, cwd=CHECKOUT, stdout=-1, text=True).stdout
    assert "verdict='note'" in found and DEAF in found


def test_where_kills_are_not_logged(tmp_path: Path):
    """
    A host may have been told not to log kills: they are told all the same, once, and it says so.
    """
    (tmp_path / "logged").write_text("errno log kill_thread\n")
    put = f"mount --bind {tmp_path}/logged {ACTIONS_LOGGED}"
    apart = ["unshare", "--mount", "sh", "-c", f'{put} && exec "$0" "$@"']
    command = [*apart, str(PROGRAM), "watch", "--format", "json"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout and process.stderr
        said = process.stderr.readline()
        assert "watching;" in process.stderr.readline()
        killed_in_a_namespace(tmp_path)
        line = next(line for line in process.stdout if str(tmp_path) in line)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)

    assert said.startswith("seccomp-trace: of kill_process this host logs nothing")
    assert json.loads(line)["answer"] == "kill" and str(tmp_path) not in rest


def test_an_engine_that_hangs(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A denial whose container's engine does not answer is told by the beginning of its id.
    """
    hung = tmp_path / "bin"
    hung.mkdir()
    for name in ("podman", "docker"):
        (hung / name).write_text("#!/bin/sh\nexec sleep 15\n")
        (hung / name).chmod(0o755)
    environment = {**podman.environment, "PATH": f"{hung}:{podman.environment['PATH']}"}
    limits = podman.security(profile(tmp_path, deny("acct")))

    watch = watching(seccomp_trace, env=environment)
    run = ["run", "--network", "none", "--detach", *limits, busybox(podman)]
    container = podman.run(*run, "calls", number("acct")).stdout.strip()
    watch.until(lambda told: any(one["container"] == container for one in told), within=14)
    told = watch.end()

    (mine,) = [one for one in told.denials if one["container"] == container]
    assert (mine["name"], mine["syscall"]) == (container[:12], "acct")
