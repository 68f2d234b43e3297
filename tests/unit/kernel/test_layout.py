"""
Tests of the layout: the constants that the kernel side is compiled with, from a blob made by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.kernel.btf_blob import Blob, kernel_of
from tracer.errors import HostError
from tracer.kernel import btf
from tracer.kernel.btf import TypeInformation
from tracer.kernel.layout import (
    MACHINES,
    MEMBERS,
    SIZES,
    arguments,
    constants,
    function_type,
    tracepoint_type,
)
from tracer.kernel.sources import bpf_directory

# arm64: x1 to x5 stand in one array, 8 bytes each.
ARRAY_OF_REGISTERS = {
    f"REGISTERS_{name}": 8 * number
    for number, name in enumerate(("SECOND", "THIRD", "FOURTH", "FIFTH", "SIXTH"), start=1)
}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_member_has_its_constant(machine: str):
    """
    Each constant is the offset of its own member, and the machine's switch is set.
    """
    types = TypeInformation(kernel_of(machine))

    found = constants(types, machine)

    assert found.pop(f"RECORDER_{machine.upper()}") == 1
    assert found.pop("UPID_SIZE") == 64
    members = {**MEMBERS, **MACHINES[machine]}
    further = {"x86_64": {}, "aarch64": ARRAY_OF_REGISTERS}[machine]
    assert found == {
        name: types.offset(*place) + further.get(name, 0)  # type: ignore[operator]
        for name, place in members.items()
    }


@pytest.mark.parametrize("structure, path", sorted(set(MEMBERS.values())))
def test_a_missing_member_is_named(structure: str, path: str):
    """
    A kernel that lacks a member is refused with an error that names structure and member.
    """
    types = TypeInformation(kernel_of("x86_64", without=f"{structure}.{path}"))

    with pytest.raises(HostError, match=re.escape(f"struct {structure}, {path}")):
        constants(types, "x86_64")


def test_a_missing_structure_is_named():
    """
    A kernel that lacks a whole structure is refused with an error that names it.
    """
    with pytest.raises(HostError, match="struct task_struct"):
        constants(TypeInformation(Blob().whole()), "x86_64")


def test_a_machine_without_a_layout_is_an_expected_error():
    """
    Another architecture is refused, and the error says on which ones recording works.
    """
    with pytest.raises(HostError, match="riscv64.*aarch64 and x86_64"):
        constants(TypeInformation(kernel_of("x86_64")), "riscv64")


def test_a_tracepoint_is_found_or_named():
    """
    A raw tracepoint goes by the id of its typedef; one that is not there is named.
    """
    types = TypeInformation(kernel_of("x86_64"))

    assert tracepoint_type(types, "sys_enter") == types.type_id(btf.TYPEDEF, "btf_trace_sys_enter")
    with pytest.raises(HostError, match="tracepoint sys_exit"):
        tracepoint_type(types, "sys_exit")


def test_a_function_is_found_or_named():
    """
    A function goes by its own id, whatever else has its name; one that is not there is named.
    """
    blob = Blob()
    integer = blob.integer("int", 4)
    blob.named(btf.TYPEDEF, "cap_capable", integer)
    prototype = blob.other(btf.PROTOTYPE, 0, 0)
    function = blob.named(btf.FUNCTION, "cap_capable", prototype)
    types = TypeInformation(blob.whole())

    assert function_type(types, "cap_capable") == function
    with pytest.raises(HostError, match="function security_capable"):
        function_type(types, "security_capable")


def test_the_kernel_side_uses_every_constant_and_no_other():
    """
    What the layout defines is what `bpf/` uses: nothing is forgotten on either side.
    """
    text = "".join(path.read_text() for path in sorted(Path(bpf_directory()).glob("*.[ch]")))
    defined = {name for machine in MACHINES for name in {**MEMBERS, **MACHINES[machine], **SIZES}}

    unused = {name for name in defined if not re.search(rf"\b{name}\b", text)}

    assert unused == set()


@pytest.mark.parametrize(
    "machine, members, places",
    [
        ("x86_64", {"cx": 88, "dx": 96, "si": 104, "di": 112}, (112, 104, 96, 88)),
        ("aarch64", {"user_regs": 16}, (16, 24, 32, 40)),
    ],
)
def test_where_a_functions_arguments_are(
    machine: str, members: dict[str, int], places: tuple[int, ...]
):
    """
    A kernel's function has its first four arguments in registers, which differ by machine.
    """
    blob = Blob()
    number = blob.integer("int", 8)
    inner = blob.structure("user_pt_regs", 64, [("regs", number, 0)])
    found = [(name, inner, place) for name, place in members.items()]
    blob.structure("pt_regs", 168, found)

    assert tuple(arguments(TypeInformation(blob.whole()), machine).values()) == places
