"""
Live test that the kernel side compiles for aarch64, where it was run in an emulated machine only.

bcc's own switch for another architecture (ARCH) chooses the target; the offsets are made up, in a
blob that has every member which the layout asks of such a kernel.
"""

from __future__ import annotations

import struct

import pytest

from tests.unit.kernel.btf_blob import kernel_of
from tracer.errors import HostError
from tracer.kernel import denials, outcomes, program, wire
from tracer.kernel.btf import TypeInformation
from tracer.kernel.layout import constants

NR_WRITE, NR_SENDTO, TIF_32BIT = 64, 206, 22


def immediates(code: bytes) -> set[int]:
    """
    Every constant in a program's instructions: struct bpf_insn, include/uapi/linux/bpf.h.
    """
    return {struct.unpack_from("=I", code, at + 4)[0] for at in range(0, len(code), 8)}


@pytest.mark.parametrize("way", [{}, {"CLASSIC": 1, "EVENT_NUMBER": 8, "EVENT_RESULT": 16}])
def test_the_kernel_side_compiles_for_aarch64(
    monkeypatch: pytest.MonkeyPatch, way: dict[str, int]
):
    """
    Compiled for aarch64 every program is there, and tells that machine's calls, not x86's.
    """
    kept = tuple(name for name in program.BCC_VARIABLES if name != "ARCH")
    monkeypatch.setattr(program, "BCC_VARIABLES", kept)
    monkeypatch.setenv("ARCH", "arm64")
    offsets = constants(TypeInformation(kernel_of("aarch64")), "aarch64")
    values = {**offsets, **program.CAPACITY, **way}
    flags = [f"-D{name}={value}" for name, value in values.items()]

    image = program.compiled(program.RECORDER, flags)

    assert set(image.programs) == set(program.RECORDER.programs)
    assert all(one.code for one in image.programs.values())
    found = immediates(image.programs["on_sys_enter"].code)
    assert {wire.AUDIT_ARCH_AARCH64, wire.AUDIT_ARCH_ARM, NR_WRITE, NR_SENDTO} <= found
    assert {TIF_32BIT, 1 << TIF_32BIT} & found  # shifted down, or masked
    assert not {wire.AUDIT_ARCH_X86_64, wire.AUDIT_ARCH_I386} & found


# Beside the recorder: what it is, with how much room, and which of its programs tells calls.
OTHERS = [
    (denials.SOURCE, denials.CAPACITY, "on_leave"),
    (outcomes.SOURCE, outcomes.CAPACITY, "on_begin"),
]


@pytest.mark.parametrize(
    "source, capacity, telling", OTHERS, ids=lambda one: getattr(one, "file", "")
)
def test_what_is_loaded_besides_compiles_for_aarch64(
    monkeypatch: pytest.MonkeyPatch, source: program.Source, capacity: dict[str, int], telling: str
):
    """
    So does what `watch` and `run --outcomes` load, and it tells that machine's calls, not x86's.
    """
    kept = tuple(name for name in program.BCC_VARIABLES if name != "ARCH")
    monkeypatch.setattr(program, "BCC_VARIABLES", kept)
    monkeypatch.setenv("ARCH", "arm64")
    offsets = constants(TypeInformation(kernel_of("aarch64")), "aarch64")
    flags = [f"-D{name}={value}" for name, value in {**offsets, **capacity}.items()]

    image = program.compiled(source, flags)

    assert all(image.programs[name].code for name in source.programs)
    code = image.programs[telling].code
    assert {wire.AUDIT_ARCH_AARCH64, wire.AUDIT_ARCH_ARM} <= immediates(code)
    assert not {wire.AUDIT_ARCH_X86_64, wire.AUDIT_ARCH_I386} & immediates(code)


def test_a_layout_for_no_known_machine_does_not_compile():
    """
    Without a machine's switch the kernel side refuses to be compiled, so that none is guessed.
    """
    offsets = constants(TypeInformation(kernel_of("aarch64")), "aarch64")
    del offsets["RECORDER_AARCH64"]
    flags = [f"-D{name}={value}" for name, value in {**offsets, **program.CAPACITY}.items()]

    with pytest.raises(HostError, match="no system call layout"):
        program.compiled(program.RECORDER, flags)
