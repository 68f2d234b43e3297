"""
Argument values that tell conditions apart: enough of them to find where two lists of rules differ.

For comparisons with constants the values below, at and above each constant meet every interval
there is. For masks the bits are grouped by the masks they are in; each group is tried with what
every mask asks for and with what none does. So the values of one argument are exhaustive unless
masks and ranges meet on it, or there are more combinations than LIMIT; then they are a sample.
"""

from __future__ import annotations

from itertools import product
from typing import Dict, Iterable, List, Sequence, Set, Tuple

from tracer.profile import model
from tracer.profile.model import Condition

LIMIT = 3000
_MOST_PER_ARGUMENT = 64
_ALL = (1 << 64) - 1

Point = Tuple[int, ...]


def points_for(conditions: Iterable[Condition]) -> List[Point]:
    """Return argument lists that meet, and that miss, these conditions in every combination."""
    by_index: Dict[int, List[Condition]] = {}
    for one in conditions:
        by_index.setdefault(one.index, []).append(one)
    values = [_values(by_index.get(index, ())) for index in range(model.MOST_ARGUMENTS)]
    while _product(values) > LIMIT:
        longest = max(range(len(values)), key=lambda index: len(values[index]))
        values[longest] = values[longest][: len(values[longest]) * 2 // 3]
    return list(product(*values))


def _product(values: Sequence[Sequence[int]]) -> int:
    total = 1
    for one in values:
        total *= len(one)
    return total


def _values(conditions: Sequence[Condition]) -> List[int]:
    if not conditions:
        return [0]
    masked = [one for one in conditions if one.operator == model.MASKED_EQUAL]
    found: Dict[int, None] = {}
    for one in conditions:
        if one.operator != model.MASKED_EQUAL:
            found.update(dict.fromkeys(_around(one.value)))
    found.update(dict.fromkeys(_masked(masked)))
    found.update(dict.fromkeys((0, _ALL)))
    return list(found)[:_MOST_PER_ARGUMENT]


# The 32-bit reading of a constant too, for 32-bit architectures.
def _around(value: int) -> List[int]:
    low = value & 0xFFFFFFFF
    return [one for base in (value, low) for one in (base, (base - 1) & _ALL, (base + 1) & _ALL)]


def _masked(conditions: Sequence[Condition]) -> List[int]:
    if not conditions:
        return [0]
    groups: Dict[Tuple[bool, ...], int] = {}
    for bit in range(64):
        inside = tuple(bool(one.value >> bit & 1) for one in conditions)
        groups[inside] = groups.get(inside, 0) | 1 << bit
    values: Set[int] = {0}
    for inside, bits in sorted(groups.items()):
        if not any(inside):
            continue
        asked = {one.value_two & bits for one, there in zip(conditions, inside) if there}
        single = bits & -bits
        tried = asked | {next(iter(sorted(asked))) ^ single, bits, 0}
        values = {before | one for before in values for one in tried}
        if len(values) > _MOST_PER_ARGUMENT:
            break
    return sorted(values)
