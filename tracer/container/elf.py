"""
An ELF file's sections, read without trust and without reading the whole of it.

64-bit little-endian files only, which is what x86-64 and arm64 have: elf(5).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Dict, Mapping

from tracer.errors import InputError

SECTION_LIMIT = 64 * 1024 * 1024  # bytes of a section that are read
_MOST_SECTIONS = 4096
_IDENTITY = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_NOTE = struct.Struct("<III")
_NO_BITS = 8  # SHT_NOBITS: it takes no room in the file
_BUILD_ID = 3  # NT_GNU_BUILD_ID


@dataclass(frozen=True)
class Section:
    """Where a section lies: in memory (`address`), and in the file (`offset`); bytes."""

    address: int
    offset: int
    size: int


class Elf:
    """
    An open ELF file; the descriptor stays the caller's.

    Every method raises InputError for a file that is none, or is damaged, and OSError.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path
        header = os.pread(descriptor, _HEADER.size, 0)
        if not header.startswith(_IDENTITY) or len(header) < _HEADER.size:
            raise InputError(f"{path}: is no 64-bit ELF program")
        fields = _HEADER.unpack(header)
        self.machine: int = fields[2]
        self.sections = self._sections(fields[6], fields[11], fields[12], fields[13])

    def content(self, name: str) -> bytes:
        """The bytes of a section; none if there is no such section."""
        section = self.sections.get(name)
        return self._read(section.offset, section.size) if section else b""

    def build_id(self) -> str:
        """The GNU build id in hexadecimal digits, or an empty string."""
        note = self.content(".note.gnu.build-id")
        if len(note) < _NOTE.size:
            return ""
        name, length, kind = _NOTE.unpack_from(note)
        start = _NOTE.size + name
        if kind != _BUILD_ID or note[_NOTE.size : start] != b"GNU\0" or length > 64:
            return ""
        return note[start : start + length].hex()

    def _sections(self, start: int, size: int, count: int, names: int) -> Mapping[str, Section]:
        if not count:
            return {}
        if size != _SECTION.size or count > _MOST_SECTIONS or names >= count:
            raise self._damaged()
        table = list(_SECTION.iter_unpack(self._read(start, size * count)))
        words = self._read(table[names][4], table[names][5])
        found: Dict[str, Section] = {}
        for name, kind, _, address, offset, length, *_ in table:
            if kind not in (0, _NO_BITS):
                text = words[name : words.find(b"\0", name)].decode("ascii", "replace")
                found.setdefault(text, Section(address, offset, length))
        return found

    def _read(self, offset: int, size: int) -> bytes:
        if size > SECTION_LIMIT or offset >= 2**63:
            raise self._damaged()
        data = os.pread(self._descriptor, size, offset)
        if len(data) < size:
            raise self._damaged()
        return data

    def _damaged(self) -> InputError:
        return InputError(f"{self._path}: is a damaged ELF file")
