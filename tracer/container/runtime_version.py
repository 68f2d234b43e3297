"""
Which runtime an ELF file is, and of which version, by what it has in it. Nothing is executed.

runc (Go): the variable `main.version` is a string. Its header (address, length) lies in .data, its
bytes lie in .rodata, whether the linker set it (`-X main.version=...`) or the compiler embedded the
file VERSION (`//go:embed`, since 1.3): runc's main.go. Debian's `main.gitCommit` is such a string
too, and begins with the version. No other string in .data looks like a version (runc 1.1.5, 1.1.15,
1.3.6, 1.4.3 on x86-64; 1.1.5 on arm64). If there are others, the version is not known. In a
position-independent file the address is in .rela.dyn.

crun (C): print_version in its crun.c prints PACKAGE_NAME and PACKAGE_VERSION by the format
"%s version %s\\n". The linker keeps the order of literals, so the version stands before the format,
alone (1.8.1, 1.21, 1.28 on x86-64) or with the name between (1.8.1 on arm64).
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import Iterator, List

from tracer.container.elf import Elf

_RUNC = b"path\tgithub.com/opencontainers/runc\n"  # the main package, runtime/debug.BuildInfo
_CRUN = b"\0%s version %s\n\0"
_VERSION = re.compile(r"\d+\.\d+[\w.+~-]*", re.ASCII)
_LONGEST = 64
_RELATIVE = {62: 8, 183: 1027}  # by machine: R_X86_64_RELATIVE, R_AARCH64_RELATIVE


@dataclass(frozen=True)
class Release:
    """Which runtime of which version; what cannot be told is empty."""

    name: str = ""
    version: str = ""


def release_of(file: Elf) -> Release:
    """Tell which runtime a file is. Raises InputError for a damaged file, and OSError."""
    if _RUNC in file.content(".go.buildinfo"):
        return Release("runc", _of_runc(file))
    texts = file.content(".rodata")
    at = texts.find(_CRUN)
    if at < 0 or b"crun" not in texts:
        return Release()
    before = texts[max(0, at - _LONGEST) : at].decode("ascii", "replace").split("\0")
    version = next((word for word in reversed(before) if word not in ("", "crun")), "")
    return Release("crun", version) if _VERSION.fullmatch(version) else Release()


def _of_runc(file: Elf) -> str:
    found = {text for text in _strings(file) if _VERSION.fullmatch(text)}
    versions = {text for text in found if not any(text != o and text.startswith(o) for o in found)}
    return versions.pop() if len(versions) == 1 else ""


def _strings(file: Elf) -> Iterator[str]:
    """The short strings of .rodata that a pair of words in .data points to, without white space."""
    if ".rodata" not in file.sections or ".data" not in file.sections:
        return
    start, texts, words = file.sections[".rodata"].address, file.content(".rodata"), _words(file)
    for address, length in zip(words, words[1:]):
        if 0 < length <= _LONGEST and start <= address <= start + len(texts) - length:
            text = texts[address - start : address - start + length]
            yield text.decode("ascii", "replace").strip()


def _words(file: Elf) -> List[int]:
    """The words of .data, with the addresses that the dynamic linker puts there."""
    words = _whole_words(file.content(".data"))
    moves = _whole_words(file.content(".rela.dyn"))
    start, relative = file.sections[".data"].address, _RELATIVE.get(file.machine)
    end = start + 8 * len(words)
    for place, kind, target in zip(moves[::3], moves[1::3], moves[2::3]):
        if start <= place < end and kind == relative:
            words[(place - start) // 8] = target
    return words


def _whole_words(data: bytes) -> List[int]:
    return array("Q", data[: len(data) // 8 * 8]).tolist()
