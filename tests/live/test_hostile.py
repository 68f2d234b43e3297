"""
Live tests of names that try to steer the terminal, the summary, or whoever reads a recording.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.programs import compile_programs
from tests.live.recorded import read_complete
from tests.live.terminal import Terminal, on_terminal
from tracer.recording import from_json, to_json

# Clears the screen, sets the window's title, breaks the line, and is not UTF-8.
EVIL = "\x1b[2J\x1b]0;owned\x07\n\udcffx"
# busybox goes by how its name begins; its comm is what the first 15 bytes of the name are.
EVIL_PROGRAM = f"busybox{EVIL}"
COPY_AND_RUN = (
    r"name=$(printf '/tmp/busybox\033[2J\033]0;owned\007\n\377x');"
    ' cp /bin/busybox "$name"; "$name" sh -c "read line; exit 0"'
)
# What our own line of life may send to a terminal: back to the start of the line, and erase it.
OWN = re.compile(rb"\r\x1b\[K|\r\n")
OUTPUT = ("-o", "p.json", "--recording", "r.json")


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_hostile_names_in_a_container(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A program whose path and comm hold escapes, a line break and a stray byte is recorded as it is,
    survives a round trip and `generate`, and what is said about it is harmless.
    """
    command = podman.command("run", "-i", "--rm", busybox(podman), "sh", "-c", COPY_AND_RUN)

    done = seccomp_trace("run", *OUTPUT, "--", *command, env=podman.environment, input="\n")

    assert done.returncode == 0, done.stderr
    recording = read_complete(tmp_path / "r.json")
    evil = [seen for seen in recording.observations if seen.executable == f"/tmp/{EVIL_PROGRAM}"]
    assert evil
    assert {seen.first.comm for seen in evil} == {"busybox\x1b[2J\x1b]0;"}
    text = (tmp_path / "r.json").read_text()
    assert to_json(from_json(text, "")) == text
    assert harmless(done.stderr) and r"busybox\x1b[2J\x1b]0;owned\x07\x0a\xffx" in done.stderr
    made = seccomp_trace("generate", "r.json")
    assert made.returncode == 0 and harmless(made.stdout.replace("\t", "") + made.stderr)


def test_a_hostile_line_of_life(podman: Engine, busybox: ImageLoader, tmp_path: Path):
    """
    On a terminal the line of life sends nothing but its own way of being drawn over.
    """
    command = podman.command("run", "-i", "--rm", busybox(podman), "sh", "-c", COPY_AND_RUN)
    tracer = [str(PROGRAM), "run", *OUTPUT, "--", *command]

    with on_terminal(tracer, tmp_path, podman.environment) as terminal:
        terminal.wait_for(b" observations, newest ")
        terminal.type(b"\n")
        assert terminal.end() == 0, terminal.shown

    assert b"recording " in terminal.shown
    assert_harmless(terminal)


def assert_harmless(terminal: Terminal) -> None:
    rest = OWN.sub(b"", terminal.shown)
    assert harmless(rest.decode()), rest


def test_a_hostile_monitor(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    A false conmon, whose arguments name container and runtime as nastily as they can, is recorded
    under that name; messages and file names are harmless. Nobody has measured that runtime.
    """
    (tmp_path / "bin").mkdir()
    conmon = tmp_path / "bin" / "conmon"
    shutil.copy("/usr/bin/python3", conmon)
    root = tmp_path / "bin" / "root"
    compile_programs(root)
    # A namespace with a root of its own after its first process was born, as a runtime makes it.
    words = ["unshare", "--pid", "--fork", "chroot", str(root), "/brief"]
    inside = f"import os; os.execvp('unshare', {words})"
    name = f"../{EVIL}"

    done = seccomp_trace(
        *("run", "-o", "./", "--", str(conmon), "-c", inside, "-n", name, "-r", f"/bin/{EVIL}")
    )

    assert done.returncode == 125, done.stderr
    assert "was never measured" in done.stderr and harmless(done.stderr)
    (path,) = tmp_path.glob("*.recording.json")
    recording = read_complete(path)
    assert [run.container_name for run in recording.runs.values()] == [name]
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", path.name)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
        ["bin", path.name, path.name.replace(".recording.", ".seccomp.") + ".incomplete"]
    )


def test_a_hostile_name_among_what_is_still_running(tmp_path: Path):
    """
    The line that names what goes on running holds no escape of a container's making.
    """
    conmon = tmp_path / "conmon"
    shutil.copy("/usr/bin/python3", conmon)
    words = ["unshare", "--pid", "--fork", "--kill-child", "sleep", "1000"]
    inside = f"import os; print(os.getpid(), flush=True); os.execvp('unshare', {words})"
    arguments = ["-c", inside, "-n", EVIL, "-r", "/bin/runc"]
    script = '"$@" </dev/null >running 2>&1 &'
    tracer = [str(PROGRAM), "run", *OUTPUT, "--", "sh", "-c", script, "sh", str(conmon), *arguments]

    with on_terminal(tracer, tmp_path) as terminal:
        terminal.wait_for(b"until it ends")
        terminal.type(b"\x03")
        terminal.end()
    os.kill(int((tmp_path / "running").read_text()), signal.SIGKILL)

    assert_harmless(terminal)
    assert rb"\x1b[2J" in terminal.shown


def test_an_unnameable_call_of_a_hostile_program(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    The reason why a recording is incomplete names a hostile program harmlessly.
    """
    program = tmp_path / f"python3{EVIL}"
    shutil.copy("/usr/bin/python3", program)

    inside = "import ctypes; ctypes.CDLL(None).syscall(777)"

    done = seccomp_trace("run", "-o", "p.json", "--", str(program), "-c", inside)

    assert done.returncode == 125
    assert "call number 777" in done.stderr
    assert harmless(done.stderr)


def test_what_a_container_prints_is_its_own(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What the command itself writes is passed on as it is: only what we say is made harmless.
    """
    command = podman.command("run", "--rm", busybox(podman), "printf", r"\033[2J")

    done = seccomp_trace("run", "-o", "p.json", "--", *command, env=podman.environment)

    assert done.stdout == "\x1b[2J"
