"""
Tests of capability checks as the kernel side notes them: their bytes, and who asked.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.unit.kernel.test_wire import members_of, offsets_of
from tracer.kernel import checks
from tracer.kernel.sources import bpf_directory

RECORDS = {
    "check_key": checks.KEY,
    "check": checks.CHECK,
    "holder": checks.HOLDER,
    "check_state": checks.STATE,
}
CONSTANTS = ("FRAMES", "HOSTS", "CONTAINERS", "INNER", "OVERCOMMIT")


@pytest.fixture(scope="module")
def header() -> str:
    return (bpf_directory() / "capabilities.h").read_text()


@pytest.fixture(scope="module")
def compiler(header: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """
    What gcc says: sizes, offsets and constants, each by the C expression for it.
    """
    expressions = [*CONSTANTS]
    for name in RECORDS:
        expressions.append(f"sizeof(struct {name})")
        members = members_of(name, header)
        expressions += [f"__builtin_offsetof(struct {name}, {member})" for member in members]
    lines = [f'\tprintf("%lu\\n", (unsigned long)({one}));' for one in expressions]
    source = tmp_path_factory.mktemp("checks") / "sizes.c"
    source.write_text(
        "#include <linux/types.h>\n#include <stdio.h>\n"
        f'#include "{bpf_directory()}/capabilities.h"\n'
        "int main(void)\n{\n" + "\n".join(lines) + "\n}\n"
    )
    program = source.with_suffix("")
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", str(program), str(source)], check=True)
    done = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    return dict(zip(expressions, map(int, done.stdout.split())))


@pytest.mark.parametrize("name", RECORDS)
def test_records_lie_as_the_compiler_has_them(compiler: dict[str, int], header: str, name: str):
    """
    A record has the size that it has in C, and so has each field its place; none is missing.
    """
    members = members_of(name, header)
    places = [compiler[f"__builtin_offsetof(struct {name}, {member})"] for member in members]
    found = offsets_of(RECORDS[name])
    if name == "check":
        del found[3 : 2 + checks.FRAMES]  # an array is one member

    assert RECORDS[name].size == compiler[f"sizeof(struct {name})"]
    assert found == places


def test_every_structure_is_mirrored(header: str):
    """
    A structure that is added to the header is missed here.
    """
    assert set(re.findall(r"^struct (\w+) {", header, re.MULTILINE)) == set(RECORDS)


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_the_headers(compiler: dict[str, int], name: str):
    """
    A constant has the same value on both sides.
    """
    assert getattr(checks, name) == compiler[name]


# The functions on a stack, innermost first: (meant, who asked).
STACKS = {
    "cap_capable security_capable capable_wrt_inode_uidgid generic_permission": (
        True,
        "generic_permission",
    ),
    "cap_capable security_capable ns_capable_noaudit simple_xattr_list": (
        False,
        "simple_xattr_list",
    ),
    "cap_capable security_vm_enough_memory_mm do_brk_flags": (False, "do_brk_flags"),
    "cap_capable security_capable ns_capable_noaudit do_seccomp": (False, "do_seccomp"),
    "security_capable capable setattr_prepare": (True, "setattr_prepare"),
    "cap_capable": (True, ""),
    "": (None, ""),
}


@pytest.mark.parametrize("stack", STACKS)
def test_who_asked_and_whether_it_was_meant_is_on_the_stack(stack: str):
    """
    Who asked is the first function that is no part of asking; a noaudit one on the way tells.
    """
    assert checks.asker(stack.split()) == STACKS[stack]


def test_memory_accounting_needs_no_stack():
    """
    What the kernel side knows by the call alone is never meant.
    """
    assert checks.asker([], checks.OVERCOMMIT) == (False, checks.ACCOUNTING)


def test_functions_without_a_name_tell_nothing():
    """
    Where the kernel hides its symbols nobody knows whether a check was meant.
    """
    assert checks.asker(["", "", ""]) == (None, "")
