"""
Tests of how a hook is heard, by a real process whose parent is a runtime of the tests' own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from tracer.hook.saying import value_of

CHECKOUT = Path(__file__).parents[3]
HOOK = "from tracer.hook import saying; saying.say('a\\nb')"
# What crun does with a hook's standard error, and runc.
RUNTIME = """
import subprocess, sys
streams = {"crun": subprocess.DEVNULL, "runc": None}
subprocess.run([sys.executable, "-c", sys.argv[2]], stderr=streams[sys.argv[1]], check=True)
"""
SAID = "seccomp-trace: a\\x0ab\n"


def said_by(runtime: str, *options: str) -> str:
    """
    What the runtime's own standard error has in the end.
    """
    command = [sys.executable, "-c", RUNTIME, runtime, HOOK, *options]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return done.stderr


def test_a_line_is_said_on_standard_error(tmp_path: Path):
    """
    Where the runtime shows it, once and harmless; its log is left alone.
    """
    log = tmp_path / "log"
    log.touch()

    assert said_by("runc", "--log", str(log)) == SAID
    assert log.read_text() == ""


def test_where_nobody_hears_it_the_runtime_says_it(tmp_path: Path):
    """
    crun's hooks have no standard error: the line is in crun's own, and in its log.
    """
    log = tmp_path / "log"
    log.touch()

    said = said_by("crun", "--log-format=json", "--log", str(log), "create")

    assert said == SAID
    assert json.loads(log.read_text()) == {"msg": SAID.strip(), "level": "error"}


@pytest.mark.parametrize("place", ["absent", "link"])
def test_no_log_is_made_or_followed(tmp_path: Path, place: str):
    """
    The line is added to a log that is there, and to nothing else.
    """
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")

    assert said_by("crun", f"--log={tmp_path / place}") == SAID
    assert not (tmp_path / "absent").exists()
    assert (tmp_path / "target").read_text() == ""


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["crun", "--log", "/l", "create"], "/l"),
        (["crun", "--log=/l", "create"], "/l"),
        (["crun", "--log-format=json", "create"], None),
        (["crun", "--log"], None),
        (["crun", "--log="], None),
        ([], None),
    ],
)
def test_an_option_is_found_in_either_form(words: List[str], value: object):
    """
    As runtimes' command lines have it.
    """
    assert value_of("--log", words) == value
