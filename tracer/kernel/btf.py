"""
The running kernel's type information: where a member of a structure lies.

What belongs here: reading BTF (https://docs.kernel.org/bpf/btf.html) far enough to answer two
questions, the byte offset of a member and the id of a type. What does not: which members the
recorder needs (that is `layout`).

Offsets always come from the kernel that runs: never from headers of another one.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from tracer.errors import HostError

VMLINUX = Path("/sys/kernel/btf/vmlinux")

MAGIC = 0xEB9F
HEADER = struct.Struct("=HBBIIIII")  # struct btf_header, include/uapi/linux/btf.h

INT, POINTER, ARRAY, STRUCT, UNION, ENUM, FORWARD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNCTION, PROTOTYPE, VARIABLE, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)

# 32-bit words that follow a type's own three: (fixed, for each of its `vlen` entries).
WORDS = {
    INT: (1, 0),
    POINTER: (0, 0),
    ARRAY: (3, 0),
    STRUCT: (0, 3),
    UNION: (0, 3),
    ENUM: (0, 2),
    FORWARD: (0, 0),
    TYPEDEF: (0, 0),
    VOLATILE: (0, 0),
    CONST: (0, 0),
    RESTRICT: (0, 0),
    FUNCTION: (0, 0),
    PROTOTYPE: (0, 2),
    VARIABLE: (1, 0),
    DATASEC: (0, 3),
    FLOAT: (0, 0),
    DECL_TAG: (1, 0),
    TYPE_TAG: (0, 0),
    ENUM64: (0, 3),
}

TRANSPARENT = (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG)


class TypeInformation:
    """
    The types of one BTF blob.

    Raises HostError if the blob is none, or holds a kind that this reader does not know.
    """

    def __init__(self, blob: bytes) -> None:
        self._words, self._strings = _sections(blob)
        self._places, self._named = _index(self._words)
        self._known: Dict[Tuple[int, str], Optional[int]] = {}

    def type_id(self, kind: int, name: str) -> Optional[int]:
        """The id of the STRUCT or TYPEDEF of this name, or None."""
        if (kind, name) not in self._known:  # a millisecond each, and most are asked for often
            self._known[kind, name] = self._type_id(kind, name)
        return self._known[kind, name]

    def _type_id(self, kind: int, name: str) -> Optional[int]:
        for offset in self._name_offsets(name):
            number = self._named.get((kind, offset))
            if number is not None:
                return number
        return None

    def function_id(self, name: str) -> Optional[int]:
        """The id of the FUNCTION of this name, or None."""
        return self._id_of(FUNCTION, name)

    def variable_id(self, name: str) -> Optional[int]:
        """The id of the VARIABLE of this name, or None: one of each processor's, mostly."""
        return self._id_of(VARIABLE, name)

    def _id_of(self, kind: int, name: str) -> Optional[int]:
        words, offsets = self._words, set(self._name_offsets(name))
        for number, place in enumerate(self._places[1:], 1):
            if words[place] in offsets and _kind(words[place + 1]) == kind:
                return number
        return None

    def offset(self, structure: str, path: str) -> Optional[int]:
        """
        The offset in bytes of a member, or None if there is no such structure or member.

        `path` may lead through embedded structures ("seccomp.filter_count") and unnamed ones are
        looked through, as C does.
        """
        number = self.type_id(STRUCT, structure)
        total = 0
        for name in path.split("."):
            found = None if number is None else self._member(number, name)
            if found is None:
                return None
            total, number = total + found[0], found[1]
        return total

    def size(self, structure: str) -> Optional[int]:
        """The size of a structure in bytes, or None."""
        number = self.type_id(STRUCT, structure)
        return None if number is None else self._words[self._places[number] + 2]

    def _name_offsets(self, name: str) -> List[int]:
        """Every offset at which the string section spells this name (BTF strings may repeat)."""
        needle = b"\0" + name.encode() + b"\0"
        offsets, at = [], self._strings.find(needle)
        while at >= 0:
            offsets.append(at + 1)
            at = self._strings.find(needle, at + 1)
        return offsets

    def _name(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(b"\0", offset)].decode()

    def _member(self, number: int, name: str) -> Optional[Tuple[int, int]]:
        """(offset in bytes, type id) of a member, looking into unnamed members."""
        number = self._bare(number)
        place = self._places[number]
        info = self._words[place + 1]
        if _kind(info) not in (STRUCT, UNION):
            return None
        for at in range(place + 3, place + 3 + 3 * (info & 0xFFFF), 3):
            name_offset, member, bits = self._words[at], self._words[at + 1], self._words[at + 2]
            offset = (bits & 0xFFFFFF if info >> 31 else bits) // 8
            if name_offset == 0:
                inner = self._member(member, name)
                if inner:
                    return offset + inner[0], inner[1]
            elif self._name(name_offset) == name:
                return offset, member
        return None

    def _bare(self, number: int) -> int:
        """The type behind typedefs and qualifiers."""
        while _kind(self._words[self._places[number] + 1]) in TRANSPARENT:
            number = self._words[self._places[number] + 2]
        return number


@lru_cache(maxsize=1)  # it is the same until the next boot, and takes a twentieth of a second
def read(path: Path = VMLINUX) -> TypeInformation:
    """
    The type information of the running kernel.

    Raises HostError if the kernel offers none.
    """
    try:
        return TypeInformation(path.read_bytes())
    except OSError as error:
        raise HostError(
            f"this kernel offers no type information ({path}: {error.strerror})",
            "a kernel built with CONFIG_DEBUG_INFO_BTF=y is needed, as Debian 12, Ubuntu 22.04, "
            "Fedora and RHEL 9 ship",
        ) from error


def _sections(blob: bytes) -> Tuple[memoryview, bytes]:
    """The type section as 32-bit words, and the string section."""
    try:
        magic, _, _, header, types, types_size, strings, strings_size = HEADER.unpack_from(blob)
        if magic != MAGIC:
            raise ValueError(f"magic number {magic:#x}")
        if len(blob) < header + max(types + types_size, strings + strings_size):
            raise ValueError("it is cut short")
        words = memoryview(blob)[header + types : header + types + types_size].cast("I")
    except (struct.error, ValueError, TypeError) as error:
        raise HostError(
            f"the kernel's type information cannot be read ({error})",
            "please report this kernel's version",
        ) from error
    return words, blob[header + strings : header + strings + strings_size]


def _index(words: memoryview) -> Tuple[List[int], Dict[Tuple[int, int], int]]:
    """
    Where each type begins, by its id, and the ids of named structures and typedefs.

    Id 0 is void and has no place.
    """
    places, named, at, end = [0], {}, 0, len(words)
    while at < end:
        name, info = words[at], words[at + 1]
        kind = (info >> 24) & 0x1F
        if kind == STRUCT or kind == TYPEDEF:
            named[kind, name] = len(places)
        places.append(at)
        if kind not in WORDS:
            raise HostError(
                f"the kernel's type information holds a kind {kind} that is not known here",
                "please report this kernel's version",
            )
        fixed, each = WORDS[kind]
        at += 3 + fixed + each * (info & 0xFFFF)
    return places, named


def _kind(info: int) -> int:
    return (info >> 24) & 0x1F
