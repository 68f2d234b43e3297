"""
Classic BPF: each instruction as the kernel has it.
"""

from __future__ import annotations

import struct
from typing import Tuple

import pytest

from tracer.profile import bpf
from tracer.profile.bpf import Call, Instruction

CALL = Call(59, 0xC000003E, (0x1122334455667788, 2), instruction_pointer=0xAABBCCDD00112233)
LOAD = 0x20
RETURN_A = (0x16, 0, 0, 0)


@pytest.mark.parametrize(
    ("offset", "word"),
    [(0, 59), (4, 0xC000003E), (8, 0x00112233), (12, 0xAABBCCDD), (16, 0x55667788)]
    + [(20, 0x11223344), (24, 2), (28, 0), (60, 0)],
)
def test_a_filter_sees_the_call(offset: int, word: int):
    """
    Number, architecture, instruction pointer and six arguments are where the kernel puts them.
    """
    assert bpf.run([(LOAD, 0, 0, offset), RETURN_A], CALL) == word


@pytest.mark.parametrize(
    ("code", "constant", "result"),
    [
        (0x04, 0xFFFFFFFF, 58),
        (0x14, 60, 0xFFFFFFFF),
        (0x24, 3, 177),
        (0x34, 10, 5),
        (0x44, 4, 63),
        (0x54, 0x30, 0x30),
        (0x64, 31, 0x80000000),
        (0x74, 1, 29),
        (0xA4, 1, 58),
        (0x84, 0, 0xFFFFFFC5),
    ],
)
def test_arithmetic_has_32_bits(code: int, constant: int, result: int):
    """
    Each operation on the number 59 wraps as the kernel's does.
    """
    assert bpf.run([(LOAD, 0, 0, 0), (code, 0, 0, constant), RETURN_A], CALL) == result


@pytest.mark.parametrize(
    ("code", "constant", "jumps"),
    [
        (0x15, 59, True),
        (0x15, 58, False),
        (0x25, 58, True),
        (0x25, 59, False),
        (0x35, 59, True),
        (0x35, 60, False),
        (0x45, 1, True),
        (0x45, 4, False),
    ],
)
def test_a_comparison_chooses_where_to_go_on(code: int, constant: int, jumps: bool):
    """
    Equal, greater, greater or equal and any bit in common, with both ways out.
    """
    program = [(LOAD, 0, 0, 0), (code, 1, 0, constant), (0x06, 0, 0, 1), (0x06, 0, 0, 2)]

    assert bpf.run(program, CALL) == (2 if jumps else 1)


def test_the_second_register_and_the_scratch_words_are_there():
    """
    X, scratch words, the length and an unconditional jump: 64 is kept, fetched and compared.
    """
    program = [
        (0x81, 0, 0, 0),  # X = 64
        (0x03, 0, 0, 15),  # M[15] = X
        (0x60, 0, 0, 15),  # A = M[15]
        (0x1D, 0, 1, 0),  # A == X?
        (0x05, 0, 0, 1),  # over the next
        (0x06, 0, 0, 7),
        (0x07, 0, 0, 0),  # X = A
        (0x00, 0, 0, 36),  # A = 36
        (0x0C, 0, 0, 0),  # A += X
        RETURN_A,
    ]

    assert bpf.run(program, CALL) == 100


def test_a_division_by_zero_ends_the_filter():
    """
    A division by an X of zero kills, as an answer of zero does.
    """
    assert bpf.run([(0x01, 0, 0, 0), (0x3C, 0, 0, 0), (0x06, 0, 0, 9)], CALL) == 0


@pytest.mark.parametrize(
    "instruction",
    [
        (LOAD, 0, 0, 2),
        (LOAD, 0, 0, 64),
        (0x28, 0, 0, 0),
        (0x02, 0, 0, 16),
        (0x94, 0, 0, 3),
        (0x55, 0, 0, 0),
        (0x00, 0, 0, 0),
    ],
)
def test_what_the_kernel_would_not_load_is_no_answer(instruction: Instruction):
    """
    Odd offsets, halves, words beyond the scratch, unknown codes and a missing end are refused.
    """
    with pytest.raises(ValueError):
        bpf.run([instruction], CALL)


@pytest.mark.parametrize("size", [0, 7, 9, 8 * 4097])
def test_bytes_that_are_no_program_are_refused(size: int):
    """
    A program has whole instructions, one at least and 4096 at most.
    """
    with pytest.raises(ValueError):
        bpf.parse(bytes(size))

    assert not bpf.is_program(bytes(size))


def test_a_program_is_read_from_its_bytes():
    """
    The bytes of struct sock_filter become instructions.
    """
    instructions: Tuple[Instruction, ...] = ((LOAD, 0, 0, 4), (0x15, 1, 255, 0xC000003E), RETURN_A)
    program = b"".join(struct.pack("=HBBI", *one) for one in instructions)

    assert bpf.parse(program) == instructions
    assert bpf.is_program(program)
