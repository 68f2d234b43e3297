"""
User namespaces: which one a process is in, and how its ids are numbered outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Optional, Tuple

from tracer.errors import InputError

# The host's own always has this inode: PROC_USER_INIT_INO, include/linux/proc_ns.h.
INITIAL = 0xEFFFFFFD


@dataclass(frozen=True)
class Extent:
    """A line of /proc/PID/uid_map: so many ids from `inside` on are those from `outside` on."""

    inside: int
    outside: int
    count: int


EVERYTHING = (Extent(0, 0, (1 << 32) - 1),)


@dataclass(frozen=True)
class UserNamespace:
    """A user namespace by its inode, with its maps as the reader's namespace numbers ids."""

    inode: int = INITIAL
    uid_map: Tuple[Extent, ...] = EVERYTHING
    gid_map: Tuple[Extent, ...] = EVERYTHING

    @property
    def is_initial(self) -> bool:
        """Whether it is the host's own."""
        return self.inode == INITIAL

    @property
    def root(self) -> Optional[int]:
        """The uid outside of its root; None if it has none."""
        return outside_of(0, self.uid_map)

    @property
    def roots(self) -> FrozenSet[int]:
        """Whose file capabilities hold here: its own root's and the host's."""
        return frozenset({0} if self.root is None else {0, self.root})


def outside_of(number: int, extents: Tuple[Extent, ...]) -> Optional[int]:
    """The id outside of one inside; None if it is not mapped."""
    for extent in extents:
        if 0 <= number - extent.inside < extent.count:
            return extent.outside + number - extent.inside
    return None


def inside_of(number: int, extents: Tuple[Extent, ...]) -> Optional[int]:
    """The id inside of one outside; None if it is not mapped."""
    for extent in extents:
        if 0 <= number - extent.outside < extent.count:
            return extent.inside + number - extent.outside
    return None


def read_map(text: str) -> Tuple[Extent, ...]:
    """The extents of a uid_map or gid_map; raises InputError for what is none."""
    try:
        return tuple(Extent(*map(int, line.split())) for line in text.splitlines())
    except (TypeError, ValueError) as error:
        raise InputError("no map of a user namespace, as /proc has it") from error
