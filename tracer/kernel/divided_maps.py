"""
The maps of a recorder that stays in the kernel: what is root's apart from what is other users'.

Each such map exists twice, so that other users' containers never evict root's recordings.
"""

from __future__ import annotations

import os
from typing import Dict, Iterable, Mapping, Tuple

OTHERS = "others_"  # begins the name of a map that has what is not root's


def lasting(capacity: Mapping[str, int]) -> Dict[str, int]:
    """
    The constants of a source that is to stay in the kernel: its maps drop what has long not been
    used, and each processor may keep 128 of such a map's entries to itself (LOCAL_FREE_TARGET,
    kernel/bpf/bpf_lru_list.c). What is not root's has a quarter as much, besides.
    """
    least = 256 * (os.cpu_count() or 1)
    whole = {name: max(least, room) for name, room in capacity.items()}
    others = {
        name.replace("MAX_", f"MAX_{OTHERS.upper()}"): max(least, room // 4)
        for name, room in whole.items()
    }
    return {"RESIDENT": 1, **whole, **others}


def divided(names: Iterable[str]) -> Tuple[str, ...]:
    """These maps, and those that have the same of what is not root's."""
    return tuple(f"{owner}{name}" for name in names for owner in ("", OTHERS))


def parts(maps: Mapping[str, int], name: str) -> Tuple[int, ...]:
    """The descriptors of a map, and of that of others if there is one."""
    return tuple(maps[part] for part in divided((name,)) if part in maps)
