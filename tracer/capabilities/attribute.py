"""
File capabilities: the extended attribute `security.capability`, versions 1 to 3.

The layout is include/uapi/linux/capability.h's (vfs_cap_data, vfs_ns_cap_data), little-endian on
every machine. How it is read from a file is `container.process`'s.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Dict, List, Tuple

from tracer.capabilities.names import LAST_NAMED, name_of, numbers_in
from tracer.errors import InputError

ATTRIBUTE = "security.capability"

_REVISION = 0xFF000000
_EFFECTIVE = 0x000001
# revision: its number, how many pairs of permitted and inheritable words, whether a uid follows.
_LAYOUTS = {
    0x01000000: (1, 1, False),
    0x02000000: (2, 2, False),
    0x03000000: (3, 2, True),
}


@dataclass(frozen=True)
class FileCapabilities:
    """
    What a file grants.

    `effective` is one bit for all. `root` is the uid that is root in the user namespaces where it
    holds, as the reader's numbers it: 0 but for version 3.
    """

    version: int
    permitted: int
    inheritable: int
    effective: bool
    root: int = 0


def decode(value: bytes) -> FileCapabilities:
    """The meaning of the attribute; raises InputError where the kernel would refuse it."""
    if len(value) < 4:
        raise InputError(f"{ATTRIBUTE}: cut short, {len(value)} bytes")
    (magic,) = struct.unpack_from("<I", value)
    if magic & _REVISION not in _LAYOUTS:
        raise InputError(f"{ATTRIBUTE}: unknown version, {magic >> 24}")
    version, pairs, has_root = _LAYOUTS[magic & _REVISION]
    words = 1 + 2 * pairs + has_root
    if len(value) != 4 * words:
        raise InputError(f"{ATTRIBUTE}: {len(value)} bytes where version {version} has {4 * words}")
    numbers = struct.unpack(f"<{words}I", value)
    return FileCapabilities(
        version,
        _mask(numbers[1 : 1 + 2 * pairs : 2]),
        _mask(numbers[2 : 2 + 2 * pairs : 2]),
        bool(magic & _EFFECTIVE),
        numbers[-1] if has_root else 0,
    )


def _mask(words: Tuple[int, ...]) -> int:
    return sum(word << 32 * place for place, word in enumerate(words))


def text_of(capabilities: FileCapabilities, last: int = LAST_NAMED) -> str:
    """
    What a file grants in the words of cap_from_text(3): `cap_net_raw=ep cap_kill=i`.

    The effective bit holds for all of a file's capabilities, or for none.
    """
    clauses: Dict[str, List[str]] = {}
    for number in numbers_in(capabilities.permitted | capabilities.inheritable):
        name = name_of(number, last).lower()
        clauses.setdefault(_flags(capabilities, number), []).append(name)
    return " ".join(f"{','.join(names)}={flags}" for flags, names in clauses.items()) or "="


def _flags(capabilities: FileCapabilities, number: int) -> str:
    return (
        "e" * capabilities.effective
        + "i" * (capabilities.inheritable >> number & 1)
        + "p" * (capabilities.permitted >> number & 1)
    )
