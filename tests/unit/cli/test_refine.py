"""
`refine` as a person types it: what is wrong is said before anything runs; how additions are told.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.recordings import recording
from tracer import syscalls
from tracer.cli.refine import addition_text, write
from tracer.profile import libseccomp, model
from tracer.profile.model import Profile, Rule
from tracer.session.refinement import Addition, Asker, Refined

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")


@pytest.mark.parametrize(
    "line, words",
    [
        ("missing.json -o new.json -- podman run image", "missing.json: cannot be read"),
        ("p.json -o nowhere/new.json -- podman run image", "create the directory first"),
        ("p.json -o text -- podman run image", "text"),
        ("p.json -o new.json -- ls", "no podman run or docker run"),
        ("p.json -o new.json --drive nosuch -- podman run image", "nosuch: no such program"),
        ("p.json -o new.json --deny nosuch -- podman run image", "no system call: nosuch"),
        ("p.json -- podman run image", "Missing option '-o'"),
        ("p.json -o new.json --minimise --strict -- podman run image", "--minimise only drops"),
        ("p.json -o new.json --minimise --deny read -- podman run image", "--minimise only drops"),
    ],
)
def test_what_cannot_be_refined_is_said_before_anything_runs(tmp_path: Path, line: str, words: str):
    """
    What cannot be read, written or started is exit code 2, and nothing was run or written.
    """
    (tmp_path / "p.json").write_text('{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}')
    (tmp_path / "text").write_text("not a profile")
    (tmp_path / "podman").write_text("#!/bin/sh\ntouch called\n")
    (tmp_path / "podman").chmod(0o755)

    done = subprocess.run(
        [PROGRAM, "refine", *shlex.split(line)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert words in done.stderr
    assert not {"called", "new.json"} & {path.name for path in tmp_path.iterdir()}


def test_an_addition_is_told_with_who_asked_how_often_and_its_risk():
    """
    One line has the call, its askers and, for a risky one, the class and why.
    """
    askers = (Asker("/bin/a\nb", "app", 3), Asker("/bin/c", "c", 1), Asker("/bin/d", "d", 0))

    line = addition_text(Addition("mount", frozenset(), askers))

    assert line.startswith(
        "mount  asked for by /bin/a\\x0ab [app], 3 times; /bin/c [c], once; /bin/d [d]  "
        "RISK mount: changes which file systems"
    )
    assert line.isprintable()


@pytest.mark.parametrize(
    "name, words", [("read", "[a], once"), ("clone", "(namespaces: usual, but it makes or enters")]
)
def test_what_is_usual_raises_no_alarm(name: str, words: str):
    """
    A call without a risk has no class, and one that almost every program makes is told so.
    """
    line = addition_text(Addition(name, frozenset(), (Asker("/bin/a", "a", 1),)))

    assert words in line and "RISK" not in line


def test_many_askers_are_counted():
    """
    A line names four programs and says how many more there are.
    """
    askers = tuple(Asker(f"/bin/{number}", "x", 1) for number in range(9))

    line = addition_text(Addition("sync", frozenset(), askers))

    assert "/bin/3" in line and "/bin/4" not in line and "5 more" in line


@pytest.mark.parametrize(
    "added, recorded, expected",
    [
        ("mseal", "read", ["mseal"]),
        ("read", "mseal", ["mseal"]),
        ("read", "read", []),
    ],
)
def test_calls_that_libseccomp_here_does_not_know_are_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    added: str,
    recorded: str,
    expected: list[str],
):
    """
    What was added or recorded is named; what the profile allows besides is not.
    """
    monkeypatch.setattr(libseccomp, "knows", lambda name: name not in ("mseal", "setxattrat"))
    profile = Profile(
        model.ERRNO,
        (Rule(("setxattrat", recorded), model.ALLOW),),
        architectures=(syscalls.X86_64,),
    )
    found = Refined(1, (), (), (), "", recordings=(recording(recorded),))

    write(profile, found, [added], None, "-")

    printed = capsys.readouterr()
    names = [call for call in ("mseal", "setxattrat") if call in printed.err]
    assert names == expected
    assert json.loads(printed.out)["defaultAction"] == model.ERRNO
