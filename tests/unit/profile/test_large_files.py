"""
Files that are made to be slow get an answer, and the right one.

The time is not measured here (scripts/benchmarks/large.py does); PATIENCE ends what hangs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Sequence, Tuple

import pytest

from tests.unit.profile.large_files import condition, equal, profile, rule, texts
from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import formats, model
from tracer.profile.decide import (
    CRUN,
    NO_RUNTIME,
    RUNC,
    RUNC_BEFORE_1_1_15,
    export,
    load,
    prologue_length,
)
from tracer.profile.lint import lint
from tracer.profile.model import Profile, Rule

TOOL = str(Path(sys.executable).parent / "seccomp-trace")
CASES = Path(__file__).parents[2] / "cases"
RECORDING = str(CASES / "check-denied" / "given-app.rec")
SMALL = str(CASES / "diff-argument-region" / "given-old.json")
PATIENCE = 120
LONG = "instructions; the kernel loads no more than 4096"

# Full size where that was slow once.
TEXTS = {**texts(0.2), "rules": texts()["rules"]}


def run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TOOL, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    ("name", "arguments", "status", "out", "err"),
    [
        ("rules", ["diff", SMALL, "FILE"], 1, "socket if arg0 == 40", ""),
        ("rules", ["lint", "FILE"], 1, "[unloadable]", ""),
        ("rules", ["check", "FILE", RECORDING], 2, "", LONG),
        ("two-arguments", ["diff", SMALL, "FILE"], 1, "socket", ""),
        ("masks", ["diff", SMALL, "FILE"], 1, "not broken down", ""),
        ("six-mixed", ["diff", SMALL, "FILE"], 1, "not broken down", ""),
        ("names", ["diff", SMALL, "FILE"], 1, ", 0 changed, 1 stricter", ""),
        ("architectures", ["lint", "FILE"], 1, "unloadable", ""),
        ("architectures", ["check", "FILE", RECORDING], 2, "", "refuses the profile: the arch"),
        ("names", ["merge", "FILE", SMALL], 0, '"c20000"', None),
        ("capabilities", ["diff", SMALL, "FILE"], 1, "not broken down", ""),
        ("digits", ["lint", "FILE"], 2, "", ""),
        ("deep", ["lint", "FILE"], 2, "", ""),
        ("yaml-aliases", ["lint", "FILE"], 2, "", "anchor"),
    ],
)
def test_a_large_file_gets_its_answer(
    tmp_path: Path, name: str, arguments: Sequence[str], status: int, out: str, err: str
):
    """
    Exit code, output and a message of one line are those of any other file.
    """
    path = tmp_path / "large"
    path.write_text(TEXTS[name])

    done = run([str(path) if argument == "FILE" else argument for argument in arguments])

    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stderr[:500]
    assert out in done.stdout
    assert err is None or err in done.stderr
    assert err is None or len(done.stderr.splitlines()) <= 2


# --- The kernel's limit ---


def allowing(count: int) -> Profile:
    """
    A profile whose filter grows by an instruction with each rule.
    """
    return formats.read(profile(equal(count), architectures=["SCMP_ARCH_X86_64"]), "p.json")


def longest(room: int) -> int:
    """
    The most rules of `allowing` whose filter leaves room for so many instructions.
    """
    count = 4000
    count += 4096 - room - length_of(count) - 3
    while length_of(count + 1) <= 4096 - room:
        count += 1
    return count


def length_of(count: int) -> int:
    """
    How many instructions it has; more than the kernel loads for one that is refused.
    """
    try:
        return len(export(allowing(count))) // 8
    except InputError:
        return 4097


def test_a_filter_of_as_many_instructions_as_the_kernel_loads_is_exported():
    """
    4,096 instructions are a filter, more are refused in one line.
    """
    count = longest(0)

    assert length_of(count) in (4095, 4096)
    with pytest.raises(InputError, match=r"409\d instructions; the kernel loads no more than 4096"):
        export(allowing(count + 1))


def test_runcs_own_instructions_count():
    """
    A filter that crun loads may be too long with runc's prologue.
    """
    large = allowing(longest(4))

    load(large, runtime=CRUN)
    with pytest.raises(InputError, match="and runc's own 9; the kernel loads no more than 4096"):
        load(large, runtime=RUNC)
    assert "unloadable" in [remark.code for remark in lint(large)]


@pytest.mark.parametrize(
    ("runtime", "architectures", "default", "length"),
    [
        (RUNC, (syscalls.X86_64,), model.ERRNO, 9),
        (RUNC, (syscalls.X86_64, syscalls.X86), model.ERRNO, 13),
        (RUNC, (syscalls.X86_64, syscalls.X86, syscalls.X32), model.ERRNO, 14),
        (RUNC, (), model.ERRNO, 9),
        (RUNC_BEFORE_1_1_15, (), model.ERRNO, 4),
        (RUNC, (syscalls.X86_64,), model.ALLOW, 0),
        (CRUN, (syscalls.X86_64,), model.ERRNO, 0),
        (NO_RUNTIME, (syscalls.X86_64,), model.ERRNO, 0),
    ],
)
def test_the_length_of_the_prologue(
    runtime: str, architectures: Tuple[str, ...], default: str, length: int
):
    """
    As generateEnosysStub of runc 1.1 to 1.3 writes it.
    """
    named = Profile(default, (Rule(("read", "write"), model.LOG),), architectures=architectures)

    assert prologue_length(named, syscalls.X86_64, runtime) == length


def test_a_rule_for_thousands_of_values_is_a_small_file():
    """
    What is surely too long is refused without asking libseccomp, which would take its time.
    """
    text = profile([rule(["socket"], *(condition(0, "EQ", n) for n in range(5000)))])

    with pytest.raises(InputError, match="at least 5000 instructions"):
        export(formats.read(text, "p.json"))
