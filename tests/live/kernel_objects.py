"""
What of BPF is in the kernel: the programs and maps of a process, and whether they are still there.

Asked of the kernel itself by bpf(2), as bpftool does, so that what other processes on this host
load and unload meanwhile does not matter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tracer.kernel import bpf

PROGRAM_BY_ID, MAP_BY_ID = 13, 14  # enum bpf_cmd, include/uapi/linux/bpf.h
# struct bpf_prog_info
NUMBER_OF_MAPS, MAPS = 52, 56


class Objects(NamedTuple):
    """
    Ids of programs and maps.
    """

    programs: frozenset[int]
    maps: frozenset[int]

    def remaining(self) -> "Objects":
        """
        Return those that are still in the kernel.
        """
        return Objects(
            frozenset(one for one in self.programs if _exists(PROGRAM_BY_ID, one)),
            frozenset(one for one in self.maps if _exists(MAP_BY_ID, one)),
        )


NONE = Objects(frozenset(), frozenset())


def objects_of(process: int) -> Objects:
    """
    Return the programs that a process holds open, and the maps that it or they use.
    """
    details = _descriptors(process)
    programs = frozenset(map(int, re.findall(r"^prog_id:\s*(\d+)", details, re.MULTILINE)))
    maps = set(map(int, re.findall(r"^map_id:\s*(\d+)", details, re.MULTILINE)))
    return Objects(programs, frozenset(maps.union(*map(_maps_of, programs))))


def _descriptors(process: int) -> str:
    found = []
    for entry in Path(f"/proc/{process}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # what the process opens for a look it closes again
            found.append(entry.read_text())
    return "\n".join(found)


def _maps_of(program: int) -> list[int]:
    ids = (ctypes.c_uint32 * 64)()
    info = bytearray(bpf.INFO_SIZE)
    struct.pack_into("=IQ", info, NUMBER_OF_MAPS, len(ids), ctypes.addressof(ids))
    buffer = (ctypes.c_char * len(info)).from_buffer(info)
    descriptor = bpf.call(PROGRAM_BY_ID, struct.pack("=III", program, 0, 0))[0]
    try:
        request = struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(buffer))
        bpf.call(bpf.OBJECT_INFO, request)
    finally:
        os.close(descriptor)
    return list(ids[: struct.unpack_from("=I", info, NUMBER_OF_MAPS)[0]])


def _exists(command: int, number: int) -> bool:
    try:
        os.close(bpf.call(command, struct.pack("=III", number, 0, 0))[0])
    except OSError as error:
        assert error.errno == errno.ENOENT, error
        return False
    return True
