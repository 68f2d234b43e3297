"""
ELF files for tests: a header, and sections where the test says they lie in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

X86_64, AARCH64 = 62, 183
RELATIVE = {X86_64: 8, AARCH64: 1027}
BUILD_ID = "ab" * 20
RODATA, DATA = 0x1000, 0x9000
HEADER_SIZE, SECTION_SIZE = 64, 64
NO_BITS = 8


def elf(sections: Mapping[str, tuple[int, bytes]], machine: int = X86_64) -> bytes:
    """
    Return an ELF file with these sections: name, address, content.
    """
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    content, table = b"", [bytes(SECTION_SIZE)]
    for name, (address, data) in {**sections, ".shstrtab": (0, names)}.items():
        place = HEADER_SIZE + len(content)
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        table.append(struct.pack("<IIQQQQIIQQ", at, 1, 0, address, place, len(data), 0, 0, 1, 0))
        content += data
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(2, machine, 1, 0, 0, HEADER_SIZE + len(content), 0, HEADER_SIZE, 0, 0),
        *(SECTION_SIZE, len(table), len(table) - 1),
    )
    return header + content + b"".join(table)


def note(build_id: str = BUILD_ID) -> tuple[int, bytes]:
    """
    Return the section .note.gnu.build-id.
    """
    digits = bytes.fromhex(build_id)
    return 0, struct.pack("<III", 4, len(digits), 3) + b"GNU\0" + digits


def runc(*strings: str, machine: int = X86_64, relocated: bool = False) -> bytes:
    """
    Return a runc whose .data has the headers of these strings; `relocated`: as in a PIE.
    """
    texts, data, moves = b"before", b"", b""
    for text in strings:
        address = RODATA + len(texts)
        if relocated:
            place = DATA + len(data)
            moves += struct.pack("<QQQ", place, RELATIVE[machine], address)
        data += struct.pack("<QQ", 0 if relocated else address, len(text))
        texts += text.encode()
    return elf(
        {
            ".note.gnu.build-id": note(),
            ".rodata": (RODATA, texts + b"after"),
            ".data": (DATA, data + bytes(5)),
            ".rela.dyn": (0, moves),
            ".go.buildinfo": (0, b"\xff Go buildinf:\0path\tgithub.com/opencontainers/runc\nmod"),
        },
        machine,
    )


def crun(literals: bytes) -> bytes:
    """
    Return a crun with these literals among its others.
    """
    return elf({".note.gnu.build-id": note(), ".rodata": (RODATA, b"libcrun\0" + literals)})
