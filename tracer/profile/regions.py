"""
Where two decision lists (`decision`) answer differently, exactly and in few regions.

Each argument's values fall into classes that no entry tells apart: the constants of all ranges cut
the numbers into intervals, the masks cut each interval further. Both are found in one walk over the
bits of an argument, the highest first. Then one argument after the other is fixed, class by class,
and what matters of either list is the set of entries that may still hold. Equal sets are looked at
once. What is left is a diagram whose ways are the regions; classes with the same rest are one.
Nothing is sampled: a region is all that differs in that way, and no region means that the two are
equal.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

from tracer.profile.chains import Action
from tracer.profile.decision import Budget, Entry, Mask, Range, TooLarge, Values

# How many regions of one call are worth reading; more are not broken down.
MOST_REGIONS = 64

# first, last: both within; last is None for the highest number there is.
Span = Tuple[int, Optional[int]]
# mask, value, whether (argument & mask) == value holds
Masked = Tuple[int, int, bool]


@dataclass(frozen=True)
class Term:
    """Values of one argument: those in any of the spans, for which all the masks are as said."""

    index: int
    spans: Tuple[Span, ...]
    masks: Tuple[Masked, ...] = ()

    def holds(self, value: int, bits: int = 64) -> bool:
        """Say whether an argument is among these values."""
        value &= (1 << bits) - 1
        return any(
            first <= value and (last is None or value <= last) for first, last in self.spans
        ) and all((value & mask == wanted) == equal for mask, wanted, equal in self.masks)


# All terms hold; no term: any arguments.
Region = Tuple[Term, ...]
Pair = Tuple[Action, Action]


def differing(
    old: Sequence[Entry], new: Sequence[Entry], default: Pair, bits: int, budget: Budget
) -> Tuple[Tuple[Region, Pair], ...]:
    """
    Return the regions in which two lists answer differently, with both answers.

    `default` is what each list answers where no entry holds. Raises TooLarge beyond the budget, or
    for more than MOST_REGIONS.
    """
    whole = _Diagram((old, new), default, bits, budget).whole()
    found: List[Tuple[Region, Pair]] = []
    for region, pair in _regions(whole, ()):
        found.append((region, pair))
        if len(found) > MOST_REGIONS:
            raise TooLarge()
    return tuple(found)


# --- Classes of one argument ---


@dataclass(frozen=True)
class _Class:
    """Values that the same entries are for: which, of either list, and by interval and masks."""

    old: int
    new: int
    # (number of the interval, which masks hold)
    members: Tuple[Tuple[int, int], ...]


class _Argument:
    """One argument: its intervals, its masks, and its classes."""

    def __init__(
        self, index: int, sides: Sequence[Sequence[Entry]], bits: int, budget: Budget
    ) -> None:
        self.index, self.bits, self.budget = index, bits, budget
        # Which values each entry that cares is for.
        asked = [_asked(index, entries) for entries in sides]
        every = [values for entries in asked for values in entries.values()]
        self.starts = sorted({0, *_cuts(every, bits)})
        self.masks = sorted({mask for values in every for mask in values.masks})
        self._numbers = {mask: number for number, mask in enumerate(self.masks)}
        self.members = _members(self.starts, self.masks, bits, budget)
        # Which masks may hold in each interval.
        self.holding: Dict[int, List[int]] = {}
        for interval, holding in self.members:
            self.holding.setdefault(interval, []).append(holding)
        self.classes = self._classes(sides, asked, budget)

    def _classes(
        self,
        sides: Sequence[Sequence[Entry]],
        asked: Sequence[Mapping[int, Values]],
        budget: Budget,
    ) -> List[_Class]:
        by_interval = [self._by_interval(len(entries), some) for entries, some in zip(sides, asked)]
        by_masks: Dict[int, List[int]] = {}
        found: Dict[Tuple[int, int], List[Tuple[int, int]]] = {}
        entries = sum(map(len, sides))
        for interval, holding in self.members:
            budget.take(2 + entries // 4000)
            if holding not in by_masks:
                budget.take(sum(map(_cost_of_sets, sides)))
                by_masks[holding] = [
                    self._by_masks(len(entries), some, holding)
                    for entries, some in zip(sides, asked)
                ]
            old, new = (
                intervals[interval] & masks
                for intervals, masks in zip(by_interval, by_masks[holding])
            )
            found.setdefault((old, new), []).append((interval, holding))
        return [_Class(old, new, tuple(members)) for (old, new), members in found.items()]

    def spans(self, intervals: Iterable[int]) -> Tuple[Span, ...]:
        """Return the numbers of some intervals, neighbours as one."""
        spans: List[Span] = []
        following = None
        for interval in sorted(intervals):
            first = self.starts[interval]
            end = self.starts[interval + 1] - 1 if interval + 1 < len(self.starts) else None
            if interval == following:
                first = spans.pop()[0]
            spans.append((first, end))
            following = interval + 1
        return tuple(spans)

    def _by_interval(self, count: int, asked: Mapping[int, Values]) -> List[int]:
        """Return the entries, as bits, whose ranges each interval is in."""
        toggled = [0] * (len(self.starts) + 1)
        for number, values in asked.items():
            for first, last in _joined(values.ranges):
                toggled[bisect_left(self.starts, first)] ^= 1 << number
                toggled[bisect_left(self.starts, last + 1)] ^= 1 << number
        careless = (1 << count) - 1
        for number in asked:
            careless &= ~(1 << number)
        current, intervals = careless, []
        for change in toggled[:-1]:
            current ^= change
            intervals.append(current)
        return intervals

    def _by_masks(self, count: int, asked: Mapping[int, Values], holding: int) -> int:
        """Return the entries, as bits, whose masks are among those that hold."""
        found = (1 << count) - 1
        for number, values in asked.items():
            if any(not holding >> self._numbers[mask] & 1 for mask in values.masks):
                found &= ~(1 << number)
        return found


def _cost_of_sets(entries: Sequence[Entry]) -> int:
    """Return the steps of making one set of entries bit by bit; each bit copies the whole set."""
    return len(entries) * (1 + len(entries) // 5000)


def _asked(index: int, entries: Sequence[Entry]) -> Dict[int, Values]:
    return {
        number: values
        for number, entry in enumerate(entries)
        for where, values in entry.values
        if where == index
    }


def _cuts(every: Iterable[Values], bits: int) -> Iterator[int]:
    for values in every:
        for first, last in values.ranges:
            yield first
            if last + 1 < 1 << bits:
                yield last + 1


def _joined(ranges: Sequence[Range]) -> List[Range]:
    """Return the same numbers in ranges that do not meet."""
    joined: List[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _members(
    starts: Sequence[int], masks: Sequence[Mask], bits: int, budget: Budget
) -> List[Tuple[int, int]]:
    """
    Return which masks may hold in which interval: every pair that some value has, in order.

    A state of the walk is the intervals that values with these highest bits may be in (from `low`
    to `high`, both within), and the masks that no bit has contradicted yet.
    """
    if not masks:
        budget.take(len(starts))
        return [(interval, 0) for interval in range(len(starts))]
    states = {(0, 0, len(starts) - 1, (1 << len(masks)) - 1)}
    for position in range(bits - 1, -1, -1):
        after: Set[Tuple[int, int, int, int]] = set()
        refuted = _refuted(masks, position)
        for prefix, low, high, holding in states:
            budget.take(4 + len(masks) // 200)
            for bit in (0, 1):
                value = prefix | bit << position
                last = value | (1 << position) - 1
                lowest = _interval_of(starts, value, low, high)
                highest = _interval_of(starts, last, low, high)
                # Where all values are in one interval, the bits so far do not matter any more.
                kept = value if lowest != highest else -1
                left = holding & ~refuted[bit]
                after.add((kept, lowest, highest, left))
        states = after
    return sorted({(low, holding) for _, low, _, holding in states})


def _interval_of(starts: Sequence[int], value: int, low: int, high: int) -> int:
    if low == high:
        return low
    return bisect_left(starts, value + 1, low, high + 1) - 1


def _refuted(masks: Sequence[Mask], position: int) -> Tuple[int, int]:
    """Return which masks a bit of 0, and of 1, at this position contradicts."""
    by_zero = by_one = 0
    for number, (mask, value) in enumerate(masks):
        if mask >> position & 1:
            if value >> position & 1:
                by_zero |= 1 << number
            else:
                by_one |= 1 << number
    return by_zero, by_one


# --- The diagram ---


@dataclass(frozen=True, eq=False)
class _Split:
    """What differs by the classes of one argument; a class that is not here makes no difference."""

    argument: _Argument
    parts: Tuple[Tuple[Tuple[_Class, ...], _Part], ...]


# What differs of what is left: nothing, a pair of answers, or it depends.
_Part = Union[None, Pair, _Split]


class _Diagram:
    def __init__(
        self, sides: Sequence[Sequence[Entry]], default: Pair, bits: int, budget: Budget
    ) -> None:
        self._sides, self._default, self._budget = sides, default, budget
        indexes = sorted({index for side in sides for entry in side for index, _ in entry.values})
        budget.take(2 * (len(indexes) + 1) * sum(map(_cost_of_sets, sides)))
        self._arguments = [_Argument(index, sides, bits, budget) for index in indexes]
        # Of each side, the entries that ask nothing of the arguments from a level on.
        self._settled = [
            [_settled(side, indexes[level:]) for side in sides] for level in range(len(indexes) + 1)
        ]
        self._known: Dict[Tuple[int, int, int], _Part] = {}
        self._splits: Dict[object, _Split] = {}

    def whole(self) -> _Part:
        """Return all that differs."""
        old, new = self._sides
        return self._part(0, (1 << len(old)) - 1, (1 << len(new)) - 1)

    def _part(self, level: int, old: int, new: int) -> _Part:
        settled_old, settled_new = self._settled[level]
        old, new = _undecided(old, settled_old), _undecided(new, settled_new)
        if not (old & ~settled_old or new & ~settled_new):
            return self._answers(old, new)
        key = (level, old, new)
        if key not in self._known:
            self._known[key] = self._split(level, old, new)
        return self._known[key]

    def _split(self, level: int, old: int, new: int) -> _Part:
        argument = self._arguments[level]
        self._budget.take(len(argument.classes) * (6 + sum(map(len, self._sides)) // 1000))
        by_part: Dict[_Part, List[_Class]] = {}
        for some in argument.classes:
            part = self._part(level + 1, old & some.old, new & some.new)
            by_part.setdefault(part, []).append(some)
        if len(by_part) == 1:
            return next(iter(by_part))
        parts = tuple((tuple(some), part) for part, some in by_part.items() if part is not None)
        return self._splits.setdefault((level, parts), _Split(argument, parts))

    def _answers(self, old: int, new: int) -> _Part:
        before, after = (
            side[(alive & -alive).bit_length() - 1].action if alive else otherwise
            for side, alive, otherwise in zip(self._sides, (old, new), self._default)
        )
        return (before, after) if before != after else None


def _settled(side: Sequence[Entry], indexes: Sequence[int]) -> int:
    left = frozenset(indexes)
    return sum(
        1 << number
        for number, entry in enumerate(side)
        if left.isdisjoint(index for index, _ in entry.values)
    )


def _undecided(alive: int, settled: int) -> int:
    """Return the entries that still matter: none behind one that holds whatever follows."""
    sure = alive & settled
    return alive & (((sure & -sure) << 1) - 1) if sure else alive


# --- From the diagram to regions ---


def _regions(part: _Part, terms: Region) -> Iterator[Tuple[Region, Pair]]:
    if part is None:
        return
    if not isinstance(part, _Split):
        yield terms, part
        return
    for classes, below in part.parts:
        for term in _terms(part.argument, classes):
            yield from _regions(below, (*terms, term))


def _terms(argument: _Argument, classes: Iterable[_Class]) -> List[Term]:
    """Return terms that together are these classes."""
    wanted = {member for some in classes for member in some.members}
    left, terms = dict.fromkeys(sorted(wanted)), []
    while left:
        argument.budget.take(10 + 2 * len(argument.members))
        literals = _generalised(argument, wanted, next(iter(left)))
        within = [
            interval
            for interval, there in argument.holding.items()
            if all((interval, some) in wanted for some in there if _meets(some, literals))
        ]
        for interval in within:
            for some in argument.holding[interval]:
                if _meets(some, literals):
                    left.pop((interval, some), None)
        masks = tuple(
            (*argument.masks[number], holds) for number, holds in sorted(literals.items())
        )
        terms.append(Term(argument.index, argument.spans(within), masks))
    return terms


def _generalised(
    argument: _Argument, wanted: Set[Tuple[int, int]], member: Tuple[int, int]
) -> Dict[int, bool]:
    """Return as few masks, each held or not, as set this member apart from what is not wanted."""
    interval, holding = member
    literals = {number: bool(holding >> number & 1) for number in range(len(argument.masks))}
    unwanted = [some for some in argument.holding[interval] if (interval, some) not in wanted]
    # The copies of the literals are quick, the comparisons with what is not wanted are not.
    argument.budget.take(len(literals) * (1 + len(literals) // 20 + 2 * len(unwanted)))
    for number in sorted(literals, key=lambda number: literals[number]):
        fewer = {other: holds for other, holds in literals.items() if other != number}
        if not any(_meets(some, fewer) for some in unwanted):
            literals = fewer
    return literals


def _meets(holding: int, literals: Mapping[int, bool]) -> bool:
    return all(bool(holding >> number & 1) == holds for number, holds in literals.items())
