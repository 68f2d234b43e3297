"""
What commands print is harmless, line by line; documents are what they were.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.cli import printing

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
HOSTILE = "a\x1b[2J\u202e\nb\udcff"
SHOWN = r"a\x1b[2J\u202e\x0ab\xff"
PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": "é\x7f\x9b31m\u202e\u2028"}
    ],
}


def test_a_line_stays_a_line(capsys: pytest.CaptureFixture[str]):
    """
    A newline within a line of a result is escaped like every other control.
    """
    printing.print_line(HOSTILE)
    printing.complain(HOSTILE)

    assert capsys.readouterr() == (f"{SHOWN}\n", f"seccomp-trace: {SHOWN}\n")


def test_text_of_several_lines_keeps_them(capsys: pytest.CaptureFixture[str]):
    """
    Whatever is in its lines is escaped.
    """
    printing.say("one\r\ntwo\x9b\n")
    printing.draw("half\x1b[2J", "\n")

    assert capsys.readouterr().err == "one\\x0d\ntwo\\x9b\n\rhalf\\x1b[2J\n"


def test_colours_are_for_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """
    The colour surrounds the harmless line, and NO_COLOR switches it off.
    """
    monkeypatch.delenv("NO_COLOR", raising=False)
    printing.print_line(HOSTILE, "red")
    monkeypatch.setattr(printing, "is_terminal", lambda: True)
    printing.print_line(HOSTILE, "red")
    monkeypatch.setenv("NO_COLOR", "1")
    printing.print_line(HOSTILE, "red")

    plain = f"{SHOWN}\n"
    assert capsys.readouterr().out == f"{plain}\x1b[31m\x1b[22m{SHOWN}\x1b[0m\n{plain}"


def test_json_is_plain_ascii(capsys: pytest.CaptureFixture[str]):
    """
    JSON's own escapes stand for everything else, so that it is the same value.
    """
    printing.print_json({HOSTILE: "é\x7f"})
    shown = capsys.readouterr().out

    assert json.loads(shown) == {HOSTILE: "é\x7f"}
    assert shown.isascii() and shown.replace("\n", "").isprintable()


def run(*words: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([PROGRAM, *words], capture_output=True, env={**os.environ, **variables})


def test_a_document_is_printed_byte_for_byte(tmp_path: Path):
    """
    A profile on standard output is the file that -o would write, whatever the locale.
    """
    (tmp_path / "p.json").write_text(json.dumps(PROFILE, ensure_ascii=False, indent="\t") + "\n")

    done = run("merge", str(tmp_path / "p.json"), PYTHONIOENCODING="ascii")

    assert done.stdout == (tmp_path / "p.json").read_bytes()
    assert done.returncode == 0 and done.stderr == b""


def test_a_locale_without_a_letter_is_no_fault(tmp_path: Path):
    """
    Letters that standard output cannot show become escapes.
    """
    (tmp_path / "日本.json").write_text(json.dumps(PROFILE))

    done = run("lint", str(tmp_path / "日本.json"), PYTHONIOENCODING="latin-1")

    assert rb"\u65e5\u672c.json" in done.stdout and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [["lint", f"--{HOSTILE}"], ["diff", "a", "b", HOSTILE], ["lint", "--format", HOSTILE]]
)
def test_what_click_says_is_harmless(words: "list[str]"):
    """
    A wrong command line is quoted on one line, escaped.
    """
    done = run(*words)

    assert done.returncode == 2 and b"Error: " in done.stderr
    assert all(line.isprintable() for line in done.stderr.decode().split("\n"))
    assert not any(line.startswith("b") for line in done.stderr.decode().split("\n"))


def test_help_that_nobody_asked_for_keeps_its_lines():
    """
    A group without a command prints its help.
    """
    done = run("caps")

    assert len(done.stderr.splitlines() + done.stdout.splitlines()) > 5


def test_a_traceback_is_harmless():
    """
    An error that nobody expected is shown with its traceback, escaped.
    """
    code = (
        "import sys; from tracer.cli import printing; sys.excepthook = printing.complain_of_fault;"
        "raise RuntimeError('a\\x1b[2J')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)

    assert done.stderr.endswith(b"RuntimeError: a\\x1b[2J\n") and done.returncode == 1
