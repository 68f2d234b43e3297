"""
Classic BPF over struct seccomp_data: a seccomp filter run as the kernel runs it.

The instructions that seccomp_check_filter of the kernel's kernel/seccomp.c lets in, and no others,
in this host's byte order. Where a program comes from, and what its answer means, is `decide`'s.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Callable, List, Mapping, Sequence, Tuple

_INSTRUCTION = "=HBBI"  # struct sock_filter: code, jt, jf, k
_DATA = "=IIQ6Q"  # struct seccomp_data: nr, arch, instruction_pointer, args
_DATA_SIZE = 64
_WORD = 0xFFFFFFFF
_SCRATCH = 16
# BPF_MAXINSNS of linux/bpf_common.h: no longer program is loaded.
MOST_INSTRUCTIONS = 4096

# Opcodes: linux/bpf_common.h, linux/filter.h.
_LOAD_ABSOLUTE, _LOAD_LENGTH, _LOAD_X_LENGTH = 0x20, 0x80, 0x81
_LOAD, _LOAD_X, _RECALL, _RECALL_X, _STORE, _STORE_X = 0x00, 0x01, 0x60, 0x61, 0x02, 0x03
_RETURN, _RETURN_A, _TO_X, _TO_A, _NEGATE = 0x06, 0x16, 0x07, 0x87, 0x84
_JUMP, _JUMP_EQUAL, _WITH_X = 0x05, 0x15, 0x08
_CLASS, _CLASS_ALU, _CLASS_JUMP, _OPERATION = 0x07, 0x04, 0x05, 0xF0

_ARITHMETIC: Mapping[int, Callable[[int, int], int]] = {
    0x00: lambda a, b: a + b,
    0x10: lambda a, b: a - b,
    0x20: lambda a, b: a * b,
    0x30: lambda a, b: a // b,
    0x40: lambda a, b: a | b,
    0x50: lambda a, b: a & b,
    0x60: lambda a, b: a << (b & 31),
    0x70: lambda a, b: a >> (b & 31),
    0xA0: lambda a, b: a ^ b,
}
_COMPARISON: Mapping[int, Callable[[int, int], bool]] = {
    0x10: lambda a, b: a == b,
    0x20: lambda a, b: a > b,
    0x30: lambda a, b: a >= b,
    0x40: lambda a, b: bool(a & b),
}

# code, jump if true, jump if false, constant
Instruction = Tuple[int, int, int, int]


@dataclass(frozen=True)
class Call:
    """struct seccomp_data: what the kernel tells a filter of a call; arguments have 64 bits."""

    number: int
    audit: int
    arguments: Tuple[int, ...] = ()
    instruction_pointer: int = 0


def parse(program: bytes) -> Tuple[Instruction, ...]:
    """Return the instructions of a program; raises ValueError if it is none."""
    layout = struct.Struct(_INSTRUCTION)
    if not program or len(program) % layout.size:
        raise ValueError(f"a filter has whole instructions of {layout.size} bytes")
    if len(program) > MOST_INSTRUCTIONS * layout.size:
        raise ValueError(f"a filter has at most {MOST_INSTRUCTIONS} instructions")
    return tuple(layout.iter_unpack(program))


def length(program: bytes) -> int:
    """Return how many instructions a program has."""
    return len(program) // struct.calcsize(_INSTRUCTION)


def is_program(program: bytes) -> bool:
    """Say whether bytes are a seccomp filter: first it looks at a call, last it answers."""
    try:
        instructions = parse(program)
    except ValueError:
        return False
    return instructions[0][0] == _LOAD_ABSOLUTE and instructions[-1][0] in (_RETURN, _RETURN_A)


def run(program: Sequence[Instruction], call: Call) -> int:
    """
    Return the 32 bits that a filter answers to a call (SECCOMP_RET_...).

    Raises ValueError for a program that the kernel would not have loaded.
    """
    words = _words(call)
    accumulator, index, scratch = 0, 0, [0] * _SCRATCH
    position = 0
    while position < len(program):
        code, if_true, if_false, constant = program[position]
        position += 1
        if code == _JUMP_EQUAL:  # nine in ten: libseccomp compares number by number
            position += if_true if accumulator == constant else if_false
        elif code == _LOAD_ABSOLUTE:
            accumulator = _word(words, constant)
        elif code & _CLASS == _CLASS_JUMP:
            position += _skip(code, if_true, if_false, constant, accumulator, index)
        elif code == _RETURN:
            return constant
        elif code == _RETURN_A:
            return accumulator
        elif code == _NEGATE:
            accumulator = -accumulator & _WORD
        elif code & _CLASS == _CLASS_ALU:
            operand = index if code & _WITH_X else constant
            if operand == 0 and code & _OPERATION == 0x30:
                return 0  # a division by X of zero ends the filter with 0
            accumulator = _calculate(code, accumulator, operand)
        else:
            accumulator, index = _move(code, constant, accumulator, index, scratch)
    raise ValueError("the filter runs past its end")


def _words(call: Call) -> Tuple[int, ...]:
    arguments = [*call.arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack(
        _DATA,
        call.number & _WORD,
        call.audit,
        call.instruction_pointer,
        *(argument & (1 << 64) - 1 for argument in arguments),
    )
    return struct.unpack("=16I", data)


def _word(words: Tuple[int, ...], offset: int) -> int:
    if offset % 4 or offset >= _DATA_SIZE:
        raise ValueError(f"the filter reads at offset {offset}")
    return words[offset // 4]


def _skip(
    code: int, if_true: int, if_false: int, constant: int, accumulator: int, index: int
) -> int:
    if code == _JUMP:
        return constant
    compare = _COMPARISON.get(code & _OPERATION)
    if compare is None or code & ~(_OPERATION | _WITH_X) != _CLASS_JUMP:
        raise ValueError(f"unknown instruction {code:#x}")
    return if_true if compare(accumulator, index if code & _WITH_X else constant) else if_false


def _calculate(code: int, accumulator: int, operand: int) -> int:
    operation = _ARITHMETIC.get(code & _OPERATION)
    if operation is None or code & ~(_OPERATION | _WITH_X) != _CLASS_ALU:
        raise ValueError(f"unknown instruction {code:#x}")
    return operation(accumulator, operand) & _WORD


def _move(
    code: int, constant: int, accumulator: int, index: int, scratch: List[int]
) -> Tuple[int, int]:
    if code in (_RECALL, _RECALL_X, _STORE, _STORE_X) and constant >= _SCRATCH:
        raise ValueError(f"the filter has no scratch word {constant}")
    if code in (_STORE, _STORE_X):
        scratch[constant] = accumulator if code == _STORE else index
        return accumulator, index
    values = {
        _LOAD: (constant, index),
        _LOAD_X: (accumulator, constant),
        _LOAD_LENGTH: (_DATA_SIZE, index),
        _LOAD_X_LENGTH: (accumulator, _DATA_SIZE),
        _RECALL: (scratch[constant % _SCRATCH], index),
        _RECALL_X: (accumulator, scratch[constant % _SCRATCH]),
        _TO_X: (accumulator, accumulator),
        _TO_A: (index, index),
    }
    if code not in values:
        raise ValueError(f"unknown instruction {code:#x}")
    return values[code]
