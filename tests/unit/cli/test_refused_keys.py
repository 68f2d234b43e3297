"""
No command reads a file that engines take for another profile; only `lint` looks at it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
CASES = Path(__file__).parents[2] / "cases"
RECORDING = CASES / "check-capabilities" / "given-app.rec"
SOUND = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}'
REFUSED = {
    "case": '{"defaultAction": "SCMP_ACT_ERRNO", "DEFAULTACTION": "SCMP_ACT_ALLOW"}',
    "unicode": '{"defaultAction": "SCMP_ACT_ERRNO", "\u017fyscalls": []}',
    "twice": '{"defaultAction": "SCMP_ACT_ERRNO", "defaultAction": "SCMP_ACT_ALLOW"}',
    "nul": '{"defaultAction": "SCMP_ACT_ERRNO", "flags": ["a\\u0000"]}',
}


def _ended(place: Path, *arguments: str) -> int:
    (place / "sound.json").write_text(SOUND)
    done = subprocess.run([PROGRAM, *arguments], cwd=place, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode


@pytest.mark.parametrize(
    "command",
    [
        ["diff", "sound.json", "FILE"],
        ["diff", "FILE", "sound.json"],
        ["merge", "sound.json", "FILE"],
        ["check", "FILE", str(RECORDING)],
        ["convert", "FILE", "--to", "docker"],
        ["convert", "FILE", "--to", "bpf"],
        ["verify", "FILE", "--", "true"],
        ["generate", str(RECORDING), "--baseline", "FILE"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_command_refuses_the_file(tmp_path: Path, command: List[str], kind: str):
    """
    The exit code is that of a file which cannot be read.
    """
    (tmp_path / "refused.json").write_text(REFUSED[kind])

    status = _ended(tmp_path, *(word.replace("FILE", "refused.json") for word in command))

    assert status == 2


@pytest.mark.parametrize("kind, status", [("case", 1), ("unicode", 1), ("twice", 1), ("nul", 2)])
def test_lint_goes_on_if_only_keys_are_wrong(tmp_path: Path, kind: str, status: int):
    """
    lint judges what engines read, with an error for each key; a NUL it refuses, too.
    """
    (tmp_path / "refused.json").write_text(REFUSED[kind])

    assert _ended(tmp_path, "lint", "--fail-on", "error", "refused.json") == status


def test_lint_says_the_codes_in_json(tmp_path: Path):
    """
    The remarks about keys have the same shape as all others.
    """
    (tmp_path / "refused.json").write_text(REFUSED["case"])
    command = [PROGRAM, "lint", "--format", "json", "refused.json"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    codes = {remark["code"]: remark["severity"] for remark in json.loads(done.stdout)["remarks"]}
    assert codes["case-folded-key"] == codes["permissive-default"] == "error"
