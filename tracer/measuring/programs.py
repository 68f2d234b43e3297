"""
Two tiny programs for the containers of a measurement: one that ends at once, one that lasts.

They are static ELF files of one page, written here byte by byte, so that a measurement needs no
image, no libc and no compiler. Each makes one call only, which no runtime is known to need: what
refuses the runtime's calls must not break the program.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Mapping

# The lasting program ends by itself after so long, even if nobody is left to end it.
LASTS_SECONDS = 3600

HEADER, SEGMENT = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
BASE = 0x400000
ENTRY = HEADER.size + SEGMENT.size
EXECUTABLE, LOADED, READ_AND_EXECUTE = 2, 1, 5


@dataclass(frozen=True)
class Machine:
    """ELF's number of a machine, and the code of both programs for it."""

    number: int
    ends: bytes
    lasts: bytes


MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(
        number=62,
        ends=bytes.fromhex(
            "31ff"  # xor edi, edi
            "b8e7000000"  # mov eax, 231 (exit_group)
            "0f05"  # syscall
        ),
        lasts=bytes.fromhex(
            "6a00"  # push 0: nanoseconds
            "68100e0000"  # push 3600: seconds
            "4889e2"  # mov rdx, rsp: the timeout
            "31ff"  # xor edi, edi: no descriptors
            "31f6"  # xor esi, esi
            "4531d2"  # xor r10d, r10d: no signal mask
            "b80f010000"  # mov eax, 271 (ppoll)
            "0f05"  # syscall
            "31ff"  # xor edi, edi
            "b8e7000000"  # mov eax, 231 (exit_group)
            "0f05"  # syscall
        ),
    ),
    "aarch64": Machine(
        number=183,
        ends=bytes.fromhex(
            "000080d2"  # mov x0, #0
            "c80b80d2"  # mov x8, #94 (exit_group)
            "010000d4"  # svc #0
        ),
        lasts=bytes.fromhex(
            "09c281d2"  # mov x9, #3600: seconds
            "e97fbfa9"  # stp x9, xzr, [sp, #-16]!: and no nanoseconds
            "000080d2"  # mov x0, #0: no descriptors
            "010080d2"  # mov x1, #0
            "e2030091"  # mov x2, sp: the timeout
            "030080d2"  # mov x3, #0: no signal mask
            "280980d2"  # mov x8, #73 (ppoll)
            "010000d4"  # svc #0
            "000080d2"  # mov x0, #0
            "c80b80d2"  # mov x8, #94 (exit_group)
            "010000d4"  # svc #0
        ),
    ),
}


def elf(machine: Machine, code: bytes) -> bytes:
    """Return a static executable that consists of this code."""
    size = ENTRY + len(code)
    identification = b"\x7fELF" + bytes((2, 1, 1))  # 64 bits, little-endian, version 1
    header = HEADER.pack(
        identification,
        *(EXECUTABLE, machine.number, 1, BASE + ENTRY, HEADER.size, 0, 0),
        *(HEADER.size, SEGMENT.size, 1, 0, 0, 0),
    )
    segment = SEGMENT.pack(LOADED, READ_AND_EXECUTE, 0, BASE, BASE, size, size, 0x1000)
    return header + segment + code
