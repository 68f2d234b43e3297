"""
The commands about profiles as a person types them: input, output, colour, exit codes, imports.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
PROFILE = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [%s]}'
RULE = '{"names": ["%s"], "action": "SCMP_ACT_ALLOW"}'
RECORDING = json.dumps({"format": "seccomp-trace recording", "version": 1, "runs": [{"id": "a"}]})
COMMANDS = {
    "merge": ["merge", "old.json", "new.json"],
    "diff": ["diff", "old.json", "new.json"],
    "check": ["check", "--runtime-floor", "none", "old.json", "app.rec"],
    "lint": ["lint", "old.json"],
}
LARGE = "[" + " " * (17 * 1024 * 1024) + "]"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "old.json").write_text(PROFILE % (RULE % "read"))
    (tmp_path / "new.json").write_text(PROFILE % f'{RULE % "read"}, {RULE % "mount"}')
    (tmp_path / "app.rec").write_text(RECORDING)
    return tmp_path


def typed(place: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], cwd=place, input=given, capture_output=True, text=True
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_profile_may_come_from_standard_input(place: Path, command: str):
    """
    A dash instead of the first profile gives the same as its file.
    """
    arguments = COMMANDS[command]
    text = (place / "old.json").read_text()

    from_file = typed(place, *arguments)
    piped = typed(place, *("-" if one == "old.json" else one for one in arguments), given=text)

    assert piped.returncode == from_file.returncode in (0, 1)
    assert piped.stdout.replace("-: ", "old.json: ") == from_file.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "empty"),
        ("{", "cut short"),
        ("[" * 100_000, "nested deeper"),
        (LARGE, "larger than"),
        ('"\udc00"', "not UTF-8"),
        ("a: &b [*b]", "anchor"),
    ],
    ids=["empty", "truncated", "deep", "large", "no-text", "yaml"],
)
def test_what_cannot_be_read_is_one_line(place: Path, command: str, text: str, wrong: str):
    """
    The file's name and what is wrong with it on standard error, exit code 2, nothing else.
    """
    (place / "old.json").write_bytes(text.encode("utf-8", "surrogatepass"))

    done = typed(place, *COMMANDS[command])

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("seccomp-trace: old.json: ")
    assert wrong in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_there_or_no_file_is_one_line(place: Path, command: str):
    """
    A directory and a missing file are told apart, each in a line.
    """
    (place / "old.json").unlink()
    missing = typed(place, *COMMANDS[command])
    (place / "old.json").mkdir()
    directory = typed(place, *COMMANDS[command])

    assert (missing.returncode, directory.returncode) == (2, 2)
    assert missing.stderr == "seccomp-trace: old.json: cannot be read: No such file or directory\n"
    assert "old.json: is a directory" in directory.stderr
    assert len(directory.stderr.splitlines()) == 1


def test_merge_writes_a_file_and_replaces_only_a_profile(place: Path):
    """
    A profile may be replaced by another, a file of another kind may not.
    """
    written = typed(place, "merge", "old.json", "new.json", "-o", "old.json")
    refused = typed(place, "merge", "old.json", "-o", "app.rec")

    assert written.returncode == 0
    assert typed(place, "diff", "old.json", "new.json").returncode == 0
    assert refused.returncode == 2
    assert (place / "app.rec").read_text() == RECORDING


def on_terminal(place: Path, arguments: List[str], **environment: str) -> bytes:
    """
    What a command writes to a terminal.
    """
    ours, its = pty.openpty()
    subprocess.run(
        [PROGRAM, *arguments], cwd=place, stdout=its, env={**os.environ, **environment}
    )
    os.close(its)
    written = os.read(ours, 65536)
    os.close(ours)
    return written


def test_colour_is_for_terminals_only(place: Path):
    """
    A pipe gets plain text, and so does a terminal whose user wants no colour.
    """
    arguments = COMMANDS["diff"]

    assert b"\x1b[" in on_terminal(place, arguments, NO_COLOR="")
    assert b"\x1b[" not in on_terminal(place, arguments, NO_COLOR="1")
    assert "\x1b[" not in typed(place, *arguments).stdout


@pytest.mark.parametrize("command", ["generate", *COMMANDS])
def test_no_command_about_profiles_imports_bcc(place: Path, command: str):
    """
    Neither bcc, which is slow and not everywhere, nor templates and netlink are loaded.
    """
    arguments = COMMANDS.get(command, ["generate", "--runtime-floor", "none", "app.rec"])
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.__stderr__))\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "from tracer.cli import main\n"
        "main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True
    )
    loaded = done.stderr.splitlines()[-1].split()

    assert "tracer.cli" in loaded
    assert {"bcc", "jinja2", "pyroute2"}.isdisjoint(loaded)


def test_lint_fails_from_the_severity_asked_for(place: Path):
    """
    What is less grave is printed and counts for nothing.
    """
    (place / "old.json").write_text(PROFILE.replace("ERRNO", "ALLOW") % "")
    codes = [
        typed(place, "lint", "--fail-on", severity, "old.json").returncode
        for severity in ("error", "warning", "note")
    ]

    assert codes == [1, 1, 1]
    denial = '{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}'
    (place / "old.json").write_text(PROFILE.replace("ERRNO", "ALLOW") % denial)
    assert typed(place, "lint", "--fail-on", "error", "old.json").returncode == 0
    assert typed(place, "lint", "old.json").returncode == 1


def test_a_baseline_with_a_layout_of_its_own_is_said_to_lose_it(place: Path):
    """
    What cannot be kept byte for byte is told; a regular layout is kept silently.
    """
    (place / "app.rec").write_text(
        json.dumps({**json.loads(RECORDING), "observations": [OBSERVATION]})
    )
    generate = ["generate", "--runtime-floor", "none", "--baseline", "old.json", "app.rec"]
    (place / "old.json").write_text("{ " + (PROFILE % "")[1:])
    odd = typed(place, *generate)
    (place / "old.json").write_text(json.dumps(json.loads(PROFILE % ""), indent=3))
    regular = typed(place, *generate)

    assert (odd.returncode, regular.returncode) == (0, 0)
    assert "laid out anew" in odd.stderr
    assert regular.stderr == ""
    assert '\n   "syscalls": [\n      {\n' in regular.stdout


OBSERVATION = {
    "executable": "/bin/app",
    "architecture": "SCMP_ARCH_X86_64",
    "number": 1,
    "name": "write",
    "first": {"time": 1, "thread": 1, "comm": "app"},
    "runs": ["a"],
}
