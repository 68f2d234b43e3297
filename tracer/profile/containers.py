"""
Kinds of containers that rules tell apart: by capabilities, and by the kernel they run on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import AbstractSet, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

from tracer.profile.model import Rule

Version = Tuple[int, int]

# How many kinds one call may have.
_MOST_KINDS = 512


@dataclass(frozen=True)
class Kind:
    """
    Containers with some of the named capabilities and not the others, on some kernels.

    `place` has a number for each capability (1: has it) and, last, for the kernel.
    """

    place: Tuple[int, ...]
    capabilities: FrozenSet[str]
    kernel: Optional[Version]


class Kinds:
    """All kinds that some rules tell apart."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        every = [some for rule in rules for some in (rule.includes, rule.excludes)]
        self.names = sorted({name for some in every for name in some.capabilities})
        versions = {some.minimal_kernel for some in every if some.minimal_kernel}
        # The oldest kernel of each kind.
        self.kernels: List[Optional[Version]] = (
            [(0, 0), *sorted(versions)] if versions else [None]
        )

    @property
    def are_too_many(self) -> bool:
        """Whether there are more than are worth looking at."""
        return len(self.names) > 16 or len(self.kernels) << len(self.names) > _MOST_KINDS

    def __iter__(self) -> Iterator[Kind]:
        for place in product(*self._choices()):
            having = frozenset(name for name, has in zip(self.names, place) if has)
            yield Kind(place, having, self.kernels[place[-1]])

    def _choices(self) -> List[range]:
        return [range(2)] * len(self.names) + [range(len(self.kernels))]

    def text(self, kinds: AbstractSet[Kind]) -> str:
        """Return in words which containers these are, "" if they are all."""
        boxes = _boxes(frozenset(kind.place for kind in kinds), self._choices())
        return " or ".join(text for text in map(self._box_text, boxes) if text)

    def _box_text(self, box: Tuple[Tuple[int, ...], ...]) -> str:
        words = [
            f"with{'' if values == (1,) else 'out'} {name}"
            for name, values in zip(self.names, box)
            if len(values) == 1
        ]
        first, last = box[-1][0], box[-1][-1]
        if first > 0:
            words.append("kernel >= {}.{}".format(*self.kernels[first] or ()))
        if last + 1 < len(self.kernels):
            words.append("kernel < {}.{}".format(*self.kernels[last + 1] or ()))
        return ", ".join(words)


_Box = Tuple[Tuple[int, ...], ...]


def _boxes(places: FrozenSet[Tuple[int, ...]], choices: Sequence[range]) -> List[_Box]:
    """Return boxes that together are these places, neighbours with the same rest as one."""
    if not choices:
        return [()] if places else []
    by_rest: Dict[FrozenSet[Tuple[int, ...]], List[int]] = {}
    for value in choices[0]:
        rest = frozenset(place[1:] for place in places if place[0] == value)
        by_rest.setdefault(rest, []).append(value)
    return [
        (run, *box)
        for rest, values in by_rest.items()
        for run in _runs(values)
        for box in _boxes(rest, choices[1:])
    ]


def _runs(values: Sequence[int]) -> List[Tuple[int, ...]]:
    runs: List[Tuple[int, ...]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1] = (*runs[-1], value)
        else:
            runs.append((value,))
    return runs
