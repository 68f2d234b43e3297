"""
A compiled recorder: its maps' shapes and its programs' instructions, apart from any descriptor.

Compiling takes bcc and LLVM most of a second and 100 MiB; an image loads in a tenth of that. So it
is kept in a directory that only root can write, named after what went into it: the sources and the
constants (with them the kernel's layout). An image that is missing, damaged or of another kind is
made anew; a directory that others could write is never used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

CACHE = Path("/var/cache/seccomp-trace")
BOOT = Path("/proc/sys/kernel/random/boot_id")

INSTRUCTION = 8  # bytes: struct bpf_insn
LOAD_MAP = 0x18  # BPF_LD | BPF_IMM | BPF_DW
PSEUDO_MAP_FD = 1  # its source register: the immediate is a map's descriptor


@dataclass(frozen=True)
class Shape:
    """What BPF_MAP_CREATE is told: sizes in bytes."""

    kind: int
    key: int
    value: int
    entries: int
    flags: int


@dataclass(frozen=True)
class Program:
    """Instructions in which each (index, map name) of `maps` still lacks its descriptor."""

    code: bytes
    maps: Tuple[Tuple[int, str], ...]

    def linked(self, descriptors: Mapping[str, int]) -> bytes:
        """The instructions with the descriptors of these maps."""
        code = bytearray(self.code)
        for index, name in self.maps:
            at = index * INSTRUCTION + 4
            code[at : at + 4] = descriptors[name].to_bytes(4, "little")
        return bytes(code)


@dataclass(frozen=True)
class Image:
    """Maps and programs by name."""

    maps: Mapping[str, Shape]
    programs: Mapping[str, Program]


def unlinked(code: bytes, names: Mapping[int, str]) -> Program:
    """Instructions that name maps by descriptor, made independent of them."""
    places: List[Tuple[int, str]] = []
    bare = bytearray(code)
    index = 0
    while index * INSTRUCTION < len(code):
        at = index * INSTRUCTION
        wide = code[at] == LOAD_MAP
        if wide and code[at + 1] >> 4 == PSEUDO_MAP_FD:
            descriptor = int.from_bytes(code[at + 4 : at + 8], "little")
            places.append((index, names[descriptor]))
            bare[at + 4 : at + 8] = bytes(4)
        index += 2 if wide else 1
    return Program(bytes(bare), tuple(places))


def key_of(sources: Iterable[Path], constants: Mapping[str, int]) -> str:
    """What an image is called: a hash of all that decides what is in it."""
    digest = hashlib.sha256(repr(sorted(constants.items())).encode())
    for source in sorted(sources):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def until_reboot(name: str) -> str:
    """A key for what is true until the next boot."""
    return f"{name}-{BOOT.read_text(encoding='ascii').strip().replace('-', '')}"


def kept(key: str, cache: Path = CACHE) -> Optional[Image]:
    """The image of that name, or None if there is none to be trusted."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = kept_text(key, cache)
        return None if text is None else _from_json(text)
    return None


def kept_text(key: str, cache: Path = CACHE) -> Optional[str]:
    """What is kept under that name, or None if there is nothing to be trusted."""
    with suppress(OSError, ValueError):
        directory = _trusted(cache)
        try:
            file = os.open(f"{key}.json", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
            with open(file, encoding="ascii") as stream:
                return stream.read()
        finally:
            os.close(directory)
    return None


def keep(key: str, image: Image, cache: Path = CACHE) -> None:
    """Keep an image for the next time: see `keep_text`."""
    keep_text(key, _to_json(image), cache)


def keep_text(key: str, text: str, cache: Path = CACHE) -> None:
    """
    Keep something for the next time, whole or not at all; an older one of the same source, which
    is what the key begins with, up to a hyphen, gives way.

    Where that is not possible the next run makes it anew, and nobody need know.
    """
    with suppress(OSError):
        cache.mkdir(mode=0o700, exist_ok=True)
        directory = _trusted(cache)
        try:
            _replace(directory, f"{key}.json", text, cache)
        finally:
            os.close(directory)


def _replace(directory: int, name: str, text: str, cache: Path) -> None:
    old = os.listdir(directory)  # with what was left behind by whoever was killed here
    import tempfile  # late: whoever only opens what is pinned writes no image

    descriptor, temporary = tempfile.mkstemp(dir=cache)
    try:
        with open(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
        os.rename(temporary, name, dst_dir_fd=directory)
    except BaseException:
        os.unlink(temporary)
        raise
    others = tuple(one for one in old if "-" in one and one.split("-")[0] != name.split("-")[0])
    for one in old:
        if one != name and one not in others:
            with suppress(FileNotFoundError):
                os.unlink(one, dir_fd=directory)


def _trusted(cache: Path) -> int:
    """The directory's descriptor. Raises PermissionError if others could write there."""
    directory = os.open(cache, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    status = os.fstat(directory)
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(directory)
        raise PermissionError(f"{cache} can be written by others")
    return directory


def _to_json(image: Image) -> str:
    programs = {
        name: {"code": base64.b64encode(one.code).decode(), "maps": one.maps}
        for name, one in image.programs.items()
    }
    maps = {name: asdict(shape) for name, shape in image.maps.items()}
    return json.dumps({"maps": maps, "programs": programs})


def _from_json(text: str) -> Image:
    document = json.loads(text)
    programs: Dict[str, Program] = {
        name: Program(
            base64.b64decode(one["code"]),
            tuple((int(index), str(of)) for index, of in one["maps"]),
        )
        for name, one in document["programs"].items()
    }
    return Image({name: Shape(**one) for name, one in document["maps"].items()}, programs)
