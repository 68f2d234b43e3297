"""
Small BTF blobs, made by hand: https://docs.kernel.org/bpf/btf.html.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence

from tracer.kernel import btf
from tracer.kernel.layout import MACHINES, MEMBERS

# A member: its name (empty: unnamed), the id of its type, its offset in bytes.
Member = tuple[str, int, int]


class Blob:
    """
    A blob that grows by one type at a time; each method returns the new type's id.
    """

    def __init__(self) -> None:
        self._types: list[bytes] = []
        self._strings = b"\0"

    def integer(self, name: str, size: int) -> int:
        return self._add(name, btf.INT, size, struct.pack("=I", size * 8))

    def named(self, kind: int, name: str, of: int) -> int:
        """
        A type of one word: a typedef, pointer or qualifier of another.
        """
        return self._add(name, kind, of)

    def variable(self, name: str, of: int) -> int:
        return self._add(name, btf.VARIABLE, of, bytes(4))

    def structure(
        self, name: str, size: int, members: Sequence[Member], *, kind: int = btf.STRUCT
    ) -> int:
        packed = [
            struct.pack("=III", self._string(member), of, offset * 8)
            for member, of, offset in members
        ]
        return self._add(name, kind, size, *packed)

    def with_bit_fields(self, name: str, size: int, members: Sequence[Member]) -> int:
        """
        A structure whose members carry a width in bits in the top byte: kind_flag is set.
        """
        packed = [
            struct.pack("=III", self._string(member), of, 3 << 24 | offset * 8)
            for member, of, offset in members
        ]
        return self._add(name, btf.STRUCT, size, *packed, flag=1)

    def other(self, kind: int, entries: int, words: int) -> int:
        """
        A type of a kind whose content does not matter, of so many entries and further words.
        """
        info = kind << 24 | entries
        self._types.append(struct.pack("=III", 0, info, 0) + bytes(4 * words))
        return len(self._types)

    def whole(self) -> bytes:
        types = b"".join(self._types)
        header = btf.HEADER.pack(
            btf.MAGIC, 1, 0, btf.HEADER.size, 0, len(types), len(types), len(self._strings)
        )
        return header + types + self._strings

    def _add(self, name: str, kind: int, size: int, *entries: bytes, flag: int = 0) -> int:
        count = len(entries) if kind in (btf.STRUCT, btf.UNION) else 0
        info = flag << 31 | kind << 24 | count
        head = struct.pack("=III", self._string(name), info, size)
        self._types.append(head + b"".join(entries))
        return len(self._types)

    def _string(self, text: str) -> int:
        if not text:
            return 0
        offset = len(self._strings)
        self._strings += text.encode() + b"\0"
        return offset


def kernel_of(machine: str, without: str = "") -> bytes:
    """
    A kernel that has every member the recorder reads but one, each at a place of its own.
    """
    blob = Blob()
    number = blob.integer("int", 4)
    # structure: its members: what they embed
    tree: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for structure, path in {**MEMBERS, **MACHINES[machine]}.values():
        if f"{structure}.{path}" != without:
            outer, *inner = path.split(".")
            tree[structure][outer] += inner
    place = 8
    for structure, members in tree.items():
        found = []
        for outer, embedded in members.items():
            inside = [(name, number, 4 + 4 * at) for at, name in enumerate(embedded)]
            found.append((outer, blob.structure("", 16, inside) if inside else number, place))
            place += 16
        blob.structure(structure, 64, found)
    blob.named(btf.TYPEDEF, "btf_trace_sys_enter", 0)
    return blob.whole()
