"""
Samples of `scripts/fuzz-output`: no command prints what steers a terminal or forges a line.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.printed import hostile, kernel, profiles
from tracer.cli import COMMANDS

COUNT = 400
ROUNDS = 5


def test_commands_over_hostile_files_print_harmless_messages(tmp_path: Path):
    """
    Profiles, recordings, file names and arguments may hold anything: what is printed is harmless.
    """
    assert list(profiles.failures(COUNT, COUNT, tmp_path)) == []


@pytest.mark.parametrize("scene", kernel.SCENES)
def test_commands_over_hostile_records_print_harmless_messages(scene: str, tmp_path: Path):
    """
    Containers, engines and the kernel may report anything: what is printed is harmless.
    """
    for number in range(ROUNDS):
        random = Random(f"{scene} {number}")
        assert kernel.problem_of(kernel.SCENES[scene], random, tmp_path) == ""


def test_every_command_is_among_them():
    """
    A new command has to come with a pattern or a scene of its own.
    """
    tried = {words.split()[0] for words in (*profiles.PATTERNS, *kernel.SCENES)}

    assert {*COMMANDS} <= tried


@pytest.mark.parametrize(
    "output",
    [
        *(b"\x1b[2J", b"\r", b"a\x00", b"\x7f", "\x9b".encode(), "\u202e".encode(), b"\xff"),
        *("\u2028".encode(), f"a\n{hostile.FORGED}".encode()),
    ],
)
def test_harm_is_found(output: bytes):
    """
    Controls, bidirectional controls, stray bytes and forged lines are what the tests look for.
    """
    assert hostile.harm_in(output)
    assert not hostile.harm_in("two\nlines\té 日本 🙂\n".encode())
