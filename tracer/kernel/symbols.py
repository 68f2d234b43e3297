"""
The names of addresses in the running kernel: /proc/kallsyms.

What belongs here: finding the function that an address lies in, and remembering that. Reading the
list takes a twentieth of a second, so what was found is kept beside the compiled sources until the
next boot; only of functions that are part of the kernel itself, since modules come and go.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import AbstractSet, Dict, List, Mapping, Tuple

from tracer.kernel import image

KALLSYMS = Path("/proc/kallsyms")
MARKS = (".cold", ".isra.", ".constprop.", ".part.", ".llvm.")  # what compilers add to a name


def names_of(
    addresses: AbstractSet[int], listed: Path = KALLSYMS, cache: Path = image.CACHE
) -> Mapping[int, str]:
    """
    The names of the functions that these addresses lie in, as their sources have them.

    Empty for an address without a name, which are all where kernel.kptr_restrict hides them.
    """
    key = image.until_reboot("symbols")
    known = _kept(key, cache)
    missing = addresses - known.keys()
    if missing:
        lasting, passing = _found(missing, listed)
        if lasting:
            text = {f"{address:x}": name for address, name in {**known, **lasting}.items()}
            image.keep_text(key, json.dumps(text), cache)
        known = {**known, **lasting, **passing}
    return {address: known.get(address, "") for address in addresses}


def are_shown(listed: Path = KALLSYMS) -> bool:
    """Whether the kernel shows this process where its functions are: kernel.kptr_restrict."""
    with suppress(OSError, ValueError, IndexError), open(listed, encoding="ascii") as lines:
        return any(int(line.split()[0], 16) for line in islice(lines, 100))
    return False


def _kept(key: str, cache: Path) -> Dict[int, str]:
    with suppress(ValueError, AttributeError):
        text = image.kept_text(key, cache)
        return {int(address, 16): str(name) for address, name in json.loads(text or "{}").items()}
    return {}


def _found(addresses: AbstractSet[int], listed: Path) -> Tuple[Dict[int, str], Dict[int, str]]:
    """The names of addresses, those of the kernel itself apart from those of modules."""
    starts, names = _functions(listed)
    lasting: Dict[int, str] = {}
    passing: Dict[int, str] = {}
    for address in addresses:
        # A return address: what was called last in a function may lie at its very end.
        place = bisect_right(starts, address - 1) - 1
        if place >= 0 and starts[place]:
            name, *module = names[place]
            (passing if module else lasting)[address] = bare(name)
    return lasting, passing


def _functions(listed: Path) -> Tuple[List[int], List[List[str]]]:
    """Where functions begin, in order, and for each its name and its module, if it is of one."""
    try:
        lines = listed.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return [], []
    words = (line.split() for line in lines)
    found = sorted((int(one[0], 16), one[2:]) for one in words if one[1] in "TtWw")
    return [start for start, _ in found], [names for _, names in found]


def bare(name: str) -> str:
    """A function's name without what the compiler has added to it."""
    return name[: min(name.find(mark) if mark in name else len(name) for mark in MARKS)]
