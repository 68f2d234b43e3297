"""
Capabilities by number, by name and as the bits of a mask.

A mask is an int, as in /proc/PID/status: bit N is capability N. A bit without a name, which a newer
kernel has, or which the running one has not, is called by its number.
"""

from __future__ import annotations

import re
from typing import AbstractSet, Iterable, Optional, Tuple

from tracer.errors import InputError

PREFIX = "CAP_"
# include/uapi/linux/capability.h (6.18), in the order of their numbers.
NAMES: Tuple[str, ...] = tuple(
    PREFIX + name
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP "
        "LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER "
        "SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
        "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
        "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF "
        "CHECKPOINT_RESTORE"
    ).split()
)
LAST_NAMED = len(NAMES) - 1
MOST = 64  # kernel_cap_t

ALL = "ALL"

_NUMBERS = {name: number for number, name in enumerate(NAMES)}
_NUMBER = re.compile(r"(?:CAP_)?([0-9]{1,2})", re.ASCII)
_MASK = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)", re.ASCII)


def name_of(number: int, last: int = LAST_NAMED) -> str:
    """
    The name of a capability, or its number if it has none.

    `last` is the last that a kernel has; what comes after it is a number there.
    """
    return NAMES[number] if number <= min(last, LAST_NAMED) else str(number)


def short_name(name: str) -> str:
    """The same without CAP_, as engines take it; a number as it is."""
    return name[len(PREFIX) :] if name.startswith(PREFIX) else name


def flags(names: Iterable[str]) -> Tuple[str, ...]:
    """The options of podman and docker that give a container these; no option gives a number."""
    return (
        "--cap-drop=all",
        *(f"--cap-add={short_name(name)}" for name in names if name in NAMES),
    )


def names_in(mask: int, last: int = LAST_NAMED) -> Tuple[str, ...]:
    """The names of a mask's bits in the order of their numbers, numbers for those without."""
    return tuple(name_of(number, last) for number in numbers_in(mask))


def numbers_in(mask: int) -> Tuple[int, ...]:
    """The numbers of a mask's bits."""
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)


def number_of(word: str, last: Optional[int] = None) -> int:
    """
    The number of a capability: any case, with or without CAP_; or a number in digits.

    Raises InputError for one that nobody knows, or that a kernel whose last is `last` has not.
    """
    upper = word.upper() if word.isascii() else word  # a long s is no S
    number = _NUMBERS.get(upper if upper.startswith(PREFIX) else f"{PREFIX}{upper}")
    if number is None:
        return _by_number(word)
    if last is not None and number > last:
        raise InputError(
            f"{name_of(number)}: unknown to this kernel, whose last capability is {name_of(last)}"
        )
    return number


def _by_number(word: str) -> int:
    match = _NUMBER.fullmatch(word.upper())
    if match is None or int(match[1]) >= MOST:
        raise InputError(f"{word!r} is no capability", "capabilities(7) lists them")
    return int(match[1])


def mask_of(words: Iterable[str], last: Optional[int] = None) -> int:
    """
    The mask of capabilities named as `number_of` takes them; `all` is all that there are.

    Raises InputError.
    """
    mask = 0
    for word in words:
        if word.upper() in (ALL, f"CAP_{ALL}"):
            mask |= all_until(LAST_NAMED if last is None else last)
        else:
            mask |= 1 << number_of(word, last)
    return mask


def known_names(words: Iterable[str]) -> AbstractSet[str]:
    """
    The full names of capabilities that an option names, `all` among them; raises InputError.

    Numbers are none here: no engine takes them.
    """
    given = tuple(words)
    for word in given:
        if _NUMBER.fullmatch(word.upper()):
            raise InputError(f"{word!r} is no capability", "capabilities(7) lists them")
    return frozenset(names_in(mask_of(given)))


def all_until(last: int) -> int:
    """The mask of every capability up to a number, that one included."""
    return (1 << (last + 1)) - 1


def is_mask(word: str) -> bool:
    """Whether a word is a hexadecimal mask, as /proc has it: no capability's name is."""
    return _MASK.fullmatch(word) is not None


def mask_in(word: str) -> int:
    """The mask that a hexadecimal number is, with or without 0x; raises InputError."""
    match = _MASK.fullmatch(word)
    if match is None:
        raise InputError(f"{word!r} is no hexadecimal mask")
    if len(match[1].lstrip("0")) > MOST // 4:
        raise InputError(f"{word!r} is too long a mask", f"a mask has {MOST} bits")
    return int(match[1], 16)


def mask_text(mask: int) -> str:
    """A mask as capsh(1) writes it: 0x and sixteen digits."""
    return f"0x{mask:016x}"


def decoded(mask: int, last: int = LAST_NAMED) -> str:
    """A mask and what it means, as `capsh --decode` writes it."""
    return f"{mask_text(mask)}={','.join(names_in(mask, last)).lower()}"
