"""
Tests of arguments as a person reads them: the tables against the kernel's own headers.
"""

from __future__ import annotations

import subprocess

import pytest

from tracer.report import arguments
from tracer.report.arguments import shown

HEADERS = (
    *("linux/bpf.h", "linux/keyctl.h", "linux/prctl.h", "linux/ptrace.h", "linux/sched.h"),
    *("sys/mount.h", "sys/socket.h"),
)
# Tables, and what stands before their names in C.
TABLES = (
    (arguments.CLONE, ""),
    (arguments.MOUNT, ""),
    (arguments.FAMILIES, ""),
    (arguments.TYPES, ""),
    (arguments.TYPE_FLAGS, ""),
    (arguments.KEYCTL, "KEYCTL_"),
    (arguments.BPF, "BPF_"),
    (arguments.PTRACE, ""),
    (arguments.PRCTL, ""),
)


def values_in_c(names: list[str], directory: object) -> dict[str, int]:
    lines = [f'\tprintf("%lu\\n", (unsigned long)({name}));' for name in names]
    includes = "".join(f"#include <{header}>\n" for header in HEADERS)
    program = f"{directory}/values"
    with open(f"{program}.c", "w") as source:
        source.write(f"#define _GNU_SOURCE\n{includes}#include <stdio.h>\n")
        source.write("int main(void)\n{\n" + "\n".join(lines) + "\n}\n")
    subprocess.run(["gcc", "-o", program, f"{program}.c"], check=True)
    done = subprocess.run([program], check=True, capture_output=True, text=True)
    return dict(zip(names, map(int, done.stdout.split())))


def test_every_name_is_that_of_its_number_in_the_headers(tmp_path: object):
    """
    Each row of each table says what the kernel's headers, or the C library's, say.
    """
    expected = {prefix + name: number for table, prefix in TABLES for number, name in table.items()}

    assert values_in_c(list(expected), tmp_path) == expected


@pytest.mark.parametrize(
    "syscall, given, line",
    [
        ("socket", (38, 5, 0), "socket(AF_ALG, SOCK_SEQPACKET, 0)"),
        (
            "socket",
            (2, 0o2004002, 17),
            "socket(AF_INET, SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 17)",
        ),
        ("socket", (0xFFFFFFFF, 7, 0), "socket(0xffffffff, 7, 0)"),
        ("clone", (0x1200011, 0), "clone(0x1200000|SIGCHLD, 0)"),
        ("clone", (0x10000000 | 17, 0), "clone(CLONE_NEWUSER|SIGCHLD, 0)"),
        ("unshare", (0x30020000,), "unshare(CLONE_NEWNS|CLONE_NEWUSER|CLONE_NEWPID)"),
        ("unshare", (0,), "unshare(0)"),
        ("setns", (3, 0x40000000), "setns(3, CLONE_NEWNET)"),
        ("kill", (0xFFFFFFFF, 9), "kill(-1, SIGKILL)"),
        ("kill", (1, 999), "kill(1, 999)"),
        ("mount", (16, 17, 0, 0x5000, 0), "mount(0x10, 0x11, 0, MS_BIND|MS_REC, 0)"),
        ("keyctl", (1, 0, 0), "keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0)"),
        ("bpf", (5, 16, 120), "bpf(BPF_PROG_LOAD, 0x10, 120)"),
        ("ptrace", (16, 7, 0, 0), "ptrace(PTRACE_ATTACH, 7, 0, 0)"),
        ("mkdirat", (0xFFFFFF9C, 16, 0o755), "mkdirat(-100, 0x10, 0o755)"),
        ("chown", (16, 0xFFFFFFFF, 1000), "chown(0x10, -1, 1000)"),
        ("unknown", (0, 9, 10, 2**64 - 1), "unknown(0, 9, 0xa, 0xffffffffffffffff)"),
        ("mkdir", (), "mkdir"),
    ],
)
def test_arguments_are_readable(syscall: str, given: tuple[int, ...], line: str):
    """
    Numbers that have names are told by them, numbers that may be below zero with their sign.
    """
    assert shown(syscall, given) == line


@pytest.mark.parametrize("syscall", sorted(arguments.TABLE))
@pytest.mark.parametrize("value", [0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
def test_no_argument_is_too_strange(syscall: str, value: int):
    """
    Whatever a hostile program passes, there is one readable line, with no more than is known.
    """
    line = shown(syscall, (value,) * 6)

    assert line.isprintable() and line.startswith(f"{syscall}(")
