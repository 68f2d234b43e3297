"""
Tests of a denial's line: what it says, and that it stays one.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tracer.report.denials import json_of, line_of
from tracer.session.watching import Denial

NATIVE = "SCMP_ARCH_X86_64"
EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\udcff\u2028x"
DENIAL = Denial(
    time=1795331255_587468518,
    count=1,
    container="0d5690cf8479" + "0" * 52,
    name="web",
    executable="/usr/sbin/nginx",
    comm="nginx",
    process=9146,
    thread=6,
    architecture=NATIVE,
    number=41,
    syscall="socket",
    arguments=(38, 5, 0, 0, 0, 0),
    answer="EPERM",
)


def test_a_line_says_who_asked_for_what_and_what_came_of_it():
    """
    The line has the time, container, program, thread, call with its arguments, and the answer.
    """
    line = line_of(DENIAL, NATIVE)

    assert line.partition("  ")[0].endswith(".587")
    rest = "web  /usr/sbin/nginx [nginx 6]  socket(AF_ALG, SOCK_SEQPACKET, 0) -> EPERM"
    assert line.partition("  ")[2] == rest


def test_a_line_says_how_often_and_on_which_architecture():
    """
    More than one denial is counted, an architecture that is not the host's is named.
    """
    line = line_of(replace(DENIAL, count=3, architecture="SCMP_ARCH_X86", thread=0), NATIVE)

    assert line.endswith(
        "[nginx]  socket(AF_ALG, SOCK_SEQPACKET, 0) (SCMP_ARCH_X86) -> EPERM, 3 times"
    )


@pytest.mark.parametrize(
    "denial",
    [replace(DENIAL, name=EVIL), replace(DENIAL, executable=EVIL), replace(DENIAL, comm=EVIL)],
)
def test_a_hostile_string_stays_on_one_harmless_line(denial: Denial):
    """
    Control characters, escapes, line breaks, stray bytes and turned text are shown, not obeyed.
    """
    line = line_of(denial, NATIVE)

    assert line.isprintable()
    assert r"\x1b[2J" in line


def test_json_keeps_every_field_on_one_line():
    """
    JSON has each field as it is, in one line of plain characters.
    """
    text = json_of(replace(DENIAL, name=EVIL))

    assert text.isascii() and "\n" not in text
    assert json.loads(text) == {**vars(DENIAL), "name": EVIL, "arguments": [38, 5, 0, 0, 0, 0]}
