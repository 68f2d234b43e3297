"""
Tests of what `doctor` says of this host's runtimes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.container import elf_files
from tracer.container import survey
from tracer.finding import Finding, good


def runc_found(content: bytes, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    path = directory / "runc"
    path.write_bytes(content)
    path.chmod(0o755)
    monkeypatch.setattr(survey, "PLACES", str(directory))
    found = survey.findings(is_measured, lambda command: "")
    return next(finding for finding in found if finding.subject == "runc")


def is_measured(runtime: str, version: str) -> bool:
    return (runtime, version) == ("runc", "1.3.6+ds1")


def test_a_runtime_has_its_files_version_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    A runtime's line has the version that its file tells, and where the file is.
    """
    found = runc_found(elf_files.runc("1.3.6+ds1"), tmp_path, monkeypatch)

    assert found == good("runc", f"1.3.6+ds1 ({tmp_path}/runc), measured")


def test_a_version_that_nobody_measured_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    Another version than the measured one is a note with the command that measures it.
    """
    found = runc_found(elf_files.runc("1.9.9"), tmp_path, monkeypatch)

    assert found.verdict == "note" and "measured" not in found.text
    assert found.remedy.endswith(f"seccomp-trace floor measure {tmp_path}/runc")


def test_a_runtime_that_is_no_program_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    A script in a runtime's place is worth knowing, and has no version.
    """
    found = runc_found(b"#!/bin/sh\nexit 1\n", tmp_path, monkeypatch)

    assert (found.verdict, found.text) == (
        "note",
        f"{tmp_path}/runc: is no 64-bit ELF program",
    )
