"""
The cases of tests/cases: each a folder that reads as documentation.

`command` says in a comment what the case shows, then what is typed (without `seccomp-trace`);
`given-...` are the files it is typed about; `expected.out` is its standard output, `expected.err`
what it says beside that (absent: nothing) and `expected.status` its exit code (absent: 0). With
SECCOMP_TRACE_EXPECT=1 the expected files are written anew, to be read and judged by a person.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest

CASES = Path(__file__).parents[1] / "cases"
PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())


def command_of(case: Path) -> Tuple[str, List[str]]:
    """
    What a case shows, and the arguments of its command.
    """
    comment, line = (case / "command").read_text().splitlines()
    return comment.lstrip("# "), shlex.split(line)


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def write(path: Path, text: str) -> None:
    if text:
        path.write_text(text)
    else:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_as_it_is_written_down(name: str):
    """
    The command prints, says and ends as the folder has it.
    """
    case = CASES / name
    _, arguments = command_of(case)

    done = subprocess.run(
        [PROGRAM, *arguments], cwd=case, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )

    status = "" if done.returncode == 0 else f"{done.returncode}\n"
    if os.environ.get("SECCOMP_TRACE_EXPECT") == "1":
        write(case / "expected.out", done.stdout)
        write(case / "expected.err", done.stderr)
        write(case / "expected.status", status)
    assert done.stdout == text_of(case / "expected.out")
    assert done.stderr == text_of(case / "expected.err")
    assert status == text_of(case / "expected.status")


def test_there_is_a_case_for_every_command_about_profiles():
    """
    At least thirty cases, and several of each command.
    """
    commands = [command_of(CASES / name)[1][0] for name in NAMES]

    assert len(commands) >= 30
    for command in ("generate", "merge", "diff", "check", "lint"):
        assert commands.count(command) >= 3, command


def test_the_walk_through_comes_to_one_profile_in_both_ways():
    """
    `ls` extended by `ls -l`, and both generated at once, decide alike.
    """
    extended = CASES / "ls-3-baseline" / "expected.out"
    at_once = CASES / "ls-6-both-at-once" / "expected.out"

    done = subprocess.run([PROGRAM, "diff", str(extended), str(at_once)], capture_output=True)

    assert done.returncode == 0
