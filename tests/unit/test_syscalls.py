"""
The tables of names and numbers, held against the headers and the libseccomp of this host.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Optional

import pytest

from tracer import syscalls

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm")
DEFINITION = re.compile(r"#define __NR_(\w+)\s+\(?(?:__X32_SYSCALL_BIT \+ )?(\d+)\)?$")
TOKENS = sorted(syscalls.architectures())


def defined_in(header: str, base: int) -> Dict[str, int]:
    path = HEADERS / header
    if not path.exists():
        pytest.skip(f"{path} is not here (linux-libc-dev)")
    found = map(DEFINITION.match, path.read_text().splitlines())
    return {match[1]: int(match[2]) + base for match in found if match}


def libseccomp_name(architecture: str, number: int) -> Optional[str]:
    seccomp = pytest.importorskip("seccomp", reason="python3-seccomp is not here")
    token = getattr(seccomp.Arch, architecture[len("SCMP_ARCH_") :])
    try:
        name = seccomp.resolve_syscall(token, number)
    except ValueError:
        return None
    return name.decode() if isinstance(name, bytes) else name


@pytest.mark.parametrize(
    ("architecture", "header", "base"),
    [
        (syscalls.X86_64, "unistd_64.h", 0),
        (syscalls.X86, "unistd_32.h", 0),
        (syscalls.X32, "unistd_x32.h", syscalls.X32_BIT),
    ],
)
def test_every_call_of_the_kernel_headers_is_known(architecture: str, header: str, base: int):
    """
    Each name in the kernel's own headers has that number here, and the number that name.
    """
    defined = defined_in(header, base)

    assert len(defined) > 300
    for name, number in defined.items():
        assert syscalls.number_of(architecture, name) == number
        assert syscalls.name_of(architecture, number) == name


@pytest.mark.parametrize("architecture", TOKENS)
def test_names_are_those_of_libseccomp(architecture: str):
    """
    Wherever libseccomp has a name for a number, it is the same as ours.
    """
    checked = 0
    for name in syscalls.names(architecture):
        number = syscalls.number_of(architecture, name)
        assert number is not None
        theirs = libseccomp_name(architecture, number)
        if theirs is not None:
            assert theirs == name
            checked += 1

    assert checked > 300


@pytest.mark.parametrize("architecture", TOKENS)
def test_whatever_number_libseccomp_can_name_has_a_name(architecture: str):
    """
    No call that libseccomp knows is without a name here.
    """
    base = syscalls.X32_BIT if architecture == syscalls.X32 else 0
    numbers = [*range(base, base + 600), *range(983041, 983047)]

    for number in numbers:
        theirs = libseccomp_name(architecture, number)
        if theirs is not None:
            assert syscalls.name_of(architecture, number) == theirs


@pytest.mark.parametrize("architecture", TOKENS)
def test_names_and_numbers_are_each_others_inverse(architecture: str):
    """
    Every name has one number, and that number that name.
    """
    for name in syscalls.names(architecture):
        number = syscalls.number_of(architecture, name)
        assert number is not None
        assert syscalls.name_of(architecture, number) == name


@pytest.mark.parametrize(
    ("architecture", "number", "name"),
    [
        (syscalls.X86_64, 0, "read"),
        (syscalls.X86_64, 166, "umount2"),
        (syscalls.X86_64, 262, "newfstatat"),
        (syscalls.X86_64, 156, "_sysctl"),
        (syscalls.X86_64, 439, "faccessat2"),
        (syscalls.X86, 22, "umount"),
        (syscalls.X86, 52, "umount2"),
        (syscalls.X86, 300, "fstatat64"),
        (syscalls.X86, 102, "socketcall"),
        (syscalls.X86, 359, "socket"),
        (syscalls.X32, syscalls.X32_BIT + 0, "read"),
        (syscalls.X32, syscalls.X32_BIT + 520, "execve"),
        (syscalls.AARCH64, 79, "newfstatat"),
        (syscalls.AARCH64, 63, "read"),
        (syscalls.ARM, 327, "fstatat64"),
        (syscalls.ARM, 341, "arm_sync_file_range"),
        (syscalls.ARM, 983042, "cacheflush"),
        (syscalls.ARM, 983045, "set_tls"),
    ],
)
def test_names_that_are_easily_mistaken(architecture: str, number: int, name: str):
    """
    Calls whose name differs between the kernel, C libraries and architectures are right.
    """
    assert syscalls.name_of(architecture, number) == name


@pytest.mark.parametrize(
    ("architecture", "number"),
    [
        (syscalls.X86_64, 9999),
        (syscalls.X86_64, -1),
        (syscalls.X86_64, 512),
        (syscalls.X86_64, syscalls.X32_BIT),
        (syscalls.X32, 0),
        (syscalls.X32, syscalls.X32_BIT + 59),
        ("SCMP_ARCH_PDP11", 0),
    ],
)
def test_a_number_that_nobody_can_name_has_none(architecture: str, number: int):
    """
    No name is ever made up.
    """
    assert syscalls.name_of(architecture, number) is None


def test_what_has_no_name_is_shown_by_its_number():
    """
    People are shown a name where there is one, of calls and of errors.
    """
    assert syscalls.shown_name_of(syscalls.X86_64, 59) == "execve"
    assert syscalls.shown_name_of(syscalls.X86_64, 4094) == "4094"
    assert (syscalls.error_name(1), syscalls.error_name(4094)) == ("EPERM", "4094")


def test_a_name_of_another_architecture_has_no_number():
    """
    A call that an architecture does not have has no number there.
    """
    assert syscalls.number_of(syscalls.X86_64, "socketcall") is None
    assert syscalls.number_of(syscalls.X86_64, "nonsense") is None


def test_the_kernels_name_is_understood_where_libseccomp_has_another():
    """
    A renamed call is found by either name.
    """
    assert syscalls.number_of(syscalls.ARM, "sync_file_range2") == 341
    assert syscalls.number_of(syscalls.ARM, "arm_sync_file_range") == 341
    assert "sync_file_range2" not in syscalls.names(syscalls.ARM)


def test_the_tables_are_loaded_only_when_needed():
    """
    Importing our module does not import the package of tables.
    """
    program = "import sys, tracer.syscalls; sys.exit('system_calls' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_missing_package_is_explained():
    """
    Without the package there is one error that says what to install.
    """
    program = (
        "import sys; sys.modules['system_calls'] = None\n"
        "from tracer import errors, syscalls\n"
        "try: syscalls.name_of('SCMP_ARCH_X86_64', 0)\n"
        "except errors.HostError as error: print(error)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "install the Python package system-calls" in done.stdout
