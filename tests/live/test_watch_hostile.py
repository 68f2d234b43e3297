"""
Live tests of `watch` against containers that would fill it, deafen it, or steer the terminal.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.test_hostile import EVIL, harmless
from tests.live.test_watch_answers import UNKNOWN, number
from tests.live.watched import compiled, deny, profile, watching

RUN = ("run", "--rm", "--network", "none")
FLOODED, KINDS, PROGRAMS = 1_000_000, 5000, 600
MESSAGES = 60_000  # more than there is room for while nobody reads them
CLONE_NEWPID = 0x20000000
MEMORY_LIMIT = 20  # MiB, above what it has before
EVIL_COPY = r"""name=$(printf '/tmp/busybox\033[2J\033]0;owned\007\n\377x'); cp /bin/busybox "$name"
"$name" mkdir /tmp/d; "$name" rmdir /tmp/d; true"""


def memory(process: int) -> float:
    """
    Return how much memory a process has, MiB.
    """
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) / 1024


def counted(denials: list[dict[str, Any]], name: str) -> int:
    return sum(one["count"] for one in denials if one["syscall"] == name)


def lost(said: str, what: str) -> int:
    found = re.search(rf"not told: (\d+) {what}", said)
    return int(found[1]) if found else 0


def test_a_million_denials(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A million denials in a loop are counted to the last, of five thousand kinds those without room
    are counted too, memory stays bounded, and another container's denial is told meanwhile.
    """
    image = busybox(podman)
    limits = podman.security(profile(tmp_path, deny("getpgid", "acct")))
    script = f"""denied crowd {number('getpgid')} {FLOODED // 100}; cd /usr/local/bin
seq {PROGRAMS} | while read i; do ln calls $i; ./$i {number('acct')}; done
denied own {UNKNOWN} {KINDS}; true"""

    watch = watching(seccomp_trace, "hostile", "other", env=podman.environment)
    before = memory(watch.process.pid)
    started = [*RUN, "--detach", "--name", "hostile", *limits]
    podman.run(*started, image, "sh", "-c", script)
    watch.until(lambda told: told)
    podman.run(*RUN, "--name", "other", *limits, image, "calls", number("acct"))
    watch.until(lambda told: any(one["name"] == "other" for one in told))
    podman.run("wait", "hostile", check=False, timeout=100)
    after = memory(watch.process.pid)
    told = watch.end()

    hostile = told.of("hostile")
    assert counted(hostile, "getpgid") == FLOODED
    assert counted(hostile, "acct") == PROGRAMS
    assert [one["count"] for one in told.of("other")] == [1]
    missing = lost(told.said, "denials of kinds that there was no room for")
    answered = sum(one["count"] for one in hostile if one["answer"] == "EACCES")
    assert told.status == 1 and missing > 0 and answered + missing == KINDS
    assert after - before < MEMORY_LIMIT


@pytest.mark.alone
def test_a_flood_of_messages(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Messages that come while nobody reads them, and find no room, are counted and said.
    """
    limits = podman.security(profile(tmp_path, deny("getpgid", action="SCMP_ACT_LOG")))
    flood = ["denied", "loop", number("getpgid"), str(MESSAGES)]

    watch = watching(seccomp_trace, "flood", env=podman.environment)
    watch.process.send_signal(signal.SIGSTOP)
    podman.run(*RUN, "--name", "flood", *limits, busybox(podman), *flood)
    watch.process.send_signal(signal.SIGCONT)
    told = watch.end()

    missing = lost(told.said, "audit messages that there was no room for")
    assert missing and told.status == 1
    assert counted(told.of("flood"), "getpgid") + missing == MESSAGES


def test_names_that_would_steer_the_terminal(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A program whose path and comm hold escapes, a line break and a stray byte gives one harmless
    line for each denial, be it counted by the kernel side or told by an audit message.
    """
    rules = [deny("mkdir"), deny("rmdir", action="SCMP_ACT_LOG")]
    limits = podman.security(profile(tmp_path, *rules))

    process = seccomp_trace.start("watch", "evil", env=podman.environment)
    assert process.stderr and "watching;" in process.stderr.readline()
    podman.run(*RUN, "--name", "evil", *limits, busybox(podman), "sh", "-c", EVIL_COPY)
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=60)

    lines = output.splitlines()
    assert harmless(output) and harmless(said)
    assert len(lines) == 2
    assert all(
        r"/tmp/busybox\x1b[2J\x1b]0;owned\x07\x0a\xffx [busybox\x1b[2J" in it for it in lines
    )


def test_a_container_of_a_false_monitor(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    What a false conmon calls its container is told as it is in JSON, and harmless in a line.
    """
    conmon, denied = tmp_path / "conmon", compiled("denied", tmp_path)
    shutil.copy("/usr/bin/python3", conmon)
    words = [denied, "own", UNKNOWN, "1"]
    unshare = f"import ctypes; ctypes.CDLL(None).unshare({CLONE_NEWPID})"
    inside = f"{unshare}; import subprocess, sys; subprocess.run({words}); sys.stdin.read()"
    command = [str(conmon), "-c", inside, "-n", EVIL, "-r", "/bin/runc", "-u", "x" * 64]

    process = seccomp_trace.start("watch")
    assert process.stderr and "watching;" in process.stderr.readline()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL):
        assert process.stdout
        line = next(line for line in process.stdout if denied in line)
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=60)

    assert harmless(line + output) and harmless(said)
    assert r"\x1b[2J\x1b]0;owned\x07\x0a\xffx  " in line and f"{UNKNOWN}(" in line
