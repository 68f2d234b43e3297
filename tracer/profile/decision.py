"""
What the rules of one call answer, as a list: the first entry whose conditions hold decides.

libseccomp walks its tree (`chain_tree`) in depth, from the first node of each level, and goes on
with the next node where no action was met. So the tree is the list of its ways to an action, in the
order of that walk. Each way says for each argument in which ranges it must lie, and which masked
comparisons must hold.

Two things make this differ from a filter of libseccomp 2.5 and 2.6. Their code generator
(_gen_bpf_build_bpf) sometimes does not reload the accumulator, and compares another word than the
rule says; that depends on the other calls of the filter, and is not modelled. And rules of a
single condition that all answer the same are taken for what they mean, any of them suffices,
without a tree: of such rules libseccomp keeps the meaning, but a tree of thousands takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from tracer.profile import model
from tracer.profile.chain_levels import from_first
from tracer.profile.chain_tree import Tree
from tracer.profile.chains import EQUAL, GREATER, MASKED, Action, Node, Refused, always_holds
from tracer.profile.model import Condition

# First and last value, both within.
Range = Tuple[int, int]
# (argument & mask) == value
Mask = Tuple[int, int]

_LOW = 0xFFFFFFFF


class TooLarge(Exception):
    """The rules are more than this module computes with; nothing is known of what they answer."""


@dataclass(frozen=True)
class Values:
    """Values of one argument: those in any of the ranges for which every mask holds."""

    ranges: Tuple[Range, ...]
    masks: Tuple[Mask, ...] = ()


@dataclass(frozen=True)
class Entry:
    """An action, and which values of which arguments it is for; others may have any value."""

    values: Tuple[Tuple[int, Values], ...]
    action: Action


@dataclass
class Budget:
    """How many steps, of about a microsecond each, may still be taken. Shared by many calls."""

    steps: int

    def take(self, steps: int = 1) -> None:
        """Take some steps; raises TooLarge if there are none left."""
        self.steps -= steps
        if self.steps < 0:
            raise TooLarge()


def entries_of(
    rules: Sequence[Tuple[Tuple[Condition, ...], Action]], bits: int, budget: Budget
) -> Tuple[Entry, ...]:
    """
    Return the list for rules in the order in which libseccomp gets them.

    `bits` is 64 or 32, how much of an argument the architecture has. Raises chains.Refused for what
    libseccomp refuses, TooLarge beyond the budget.
    """
    rules = tuple(dict.fromkeys(rules))
    always = [action for conditions, action in rules if not _says_something(conditions, bits)]
    if not always and _any_suffices(rules):
        budget.take(len(rules))
        return tuple(_plain(conditions[0], action, bits) for conditions, action in rules)
    tree = Tree(bits, budget.take)
    for conditions, action in rules:
        tree.add(conditions, action)
    if tree.always is not None:
        return (Entry((), tree.always),)
    return tuple(_ways(tree.chains, bits, budget))


def _says_something(conditions: Sequence[Condition], bits: int) -> bool:
    return any(not always_holds(condition, bits) for condition in conditions)


def _any_suffices(rules: Sequence[Tuple[Tuple[Condition, ...], Action]]) -> bool:
    return len({action for _, action in rules}) == 1 and all(
        len(conditions) == 1 for conditions, _ in rules
    )


def _plain(condition: Condition, action: Action, bits: int) -> Entry:
    most = (1 << bits) - 1
    value = condition.value & most
    if condition.operator == model.MASKED_EQUAL:
        wanted = _masked(((0, most),), [(value, condition.value_two & value)], most)
    else:
        wanted = Values(_ranges(condition.operator, value, most))
    return Entry(((condition.index, wanted),), action)


def _masked(ranges: Sequence[Range], masks: Sequence[Mask], most: int) -> Values:
    """Return values within ranges and masks; a mask of the highest bits is a range, too."""
    left = []
    for mask, value in masks:
        rest = most & ~mask
        if rest & (rest + 1):
            left.append((mask, value))
        else:
            ranges = _common(ranges, [(value, value | rest)])
    return Values(tuple(ranges), tuple(left))


def _ranges(operator: str, value: int, most: int) -> Tuple[Range, ...]:
    below, above = (0, value - 1), (value + 1, most)
    wanted = {
        model.EQUAL: [(value, value)],
        model.NOT_EQUAL: [below, above],
        model.LESS: [below],
        model.LESS_OR_EQUAL: [(0, value)],
        model.GREATER: [above],
        model.GREATER_OR_EQUAL: [(value, most)],
    }[operator]
    return tuple((first, last) for first, last in wanted if first <= last)


# --- Ways through a tree ---


@dataclass(frozen=True)
class _Words:
    """What a way asks of one argument: ranges and masks of its upper and of its lower word."""

    high: Values = Values(((0, _LOW),))
    low: Values = Values(((0, _LOW),))


_Way = Dict[int, _Words]


def _ways(level: Optional[Node], bits: int, budget: Budget) -> Iterator[Entry]:
    for way, action in _walk(level, {}, budget):
        budget.take(4 + 8 * len(way))
        values = ((index, _whole(words, bits)) for index, words in sorted(way.items()))
        yield Entry(tuple(values), action)


def _walk(
    level: Optional[Node], way: _Way, budget: Budget
) -> Iterator[Tuple[_Way, Action]]:
    for node in from_first(level) if level is not None else ():
        for wanted, below, action in (
            (True, node.on_true, node.act_true),
            (False, node.on_false, node.act_false),
        ):
            budget.take()
            if below is not None:
                yield from _walk(below, _narrowed(way, node, wanted, budget), budget)
            elif action is not None:
                yield _narrowed(way, node, wanted, budget), action


def _narrowed(way: _Way, node: Node, wanted: bool, budget: Budget) -> _Way:
    words = way.get(node.argument, _Words())
    word = words.high if node.high else words.low
    budget.take(12 + len(word.ranges) + len(word.masks))
    if node.compared == MASKED:
        if not wanted:
            raise TooLarge()  # no rule of libseccomp's goes on where a masked comparison fails
        word = replace(word, masks=(*word.masks, (node.mask, node.datum)))
    else:
        word = replace(word, ranges=_common(word.ranges, _asked(node, wanted)))
    return {**way, node.argument: replace(words, **{"high" if node.high else "low": word})}


def _asked(node: Node, wanted: bool) -> List[Range]:
    datum = node.datum
    if node.compared == EQUAL:
        ranges = [(datum, datum)] if wanted else [(0, datum - 1), (datum + 1, _LOW)]
    else:
        first = datum + 1 if node.compared == GREATER else datum
        ranges = [(first, _LOW)] if wanted else [(0, first - 1)]
    return [(first, last) for first, last in ranges if first <= last]


def _common(some: Sequence[Range], others: Sequence[Range]) -> Tuple[Range, ...]:
    both = [
        (max(first, other_first), min(last, other_last))
        for first, last in some
        for other_first, other_last in others
    ]
    return tuple((first, last) for first, last in both if first <= last)


def _whole(words: _Words, bits: int) -> Values:
    if bits == 32:
        return _masked(words.low.ranges, words.low.masks, _LOW)
    ranges = [(first << 32, last << 32 | _LOW) for first, last in words.high.ranges]
    if words.low.ranges != ((0, _LOW),):
        if any(first != last for first, last in words.high.ranges):
            raise TooLarge()  # a lower word is compared where the upper one is known
        ranges = [
            (first << 32 | low, first << 32 | top)
            for first, _ in words.high.ranges
            for low, top in words.low.ranges
        ]
    return _masked(ranges, _whole_masks(words), (1 << 64) - 1)


def _whole_masks(words: _Words) -> Tuple[Mask, ...]:
    high, low = words.high.masks, words.low.masks
    if len(high) == len(low) == 1:
        return ((high[0][0] << 32 | low[0][0], high[0][1] << 32 | low[0][1]),)
    return (*((mask << 32, value << 32) for mask, value in high), *low)


__all__ = ["Budget", "Entry", "Refused", "TooLarge", "Values", "entries_of"]
