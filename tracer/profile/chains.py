"""
A rule with conditions as libseccomp keeps it: a chain of comparisons of 32-bit words.

A port of _db_rule_gen_64, _db_rule_gen_32 and _db_chain_eq of src/db.c (2.5.0 to 2.6.0). Each
comparison is a node; for true and for false it leads to further nodes, or to an action. Both ways
into `a > b` of 64 bits lead to the same next node.

Here is what a node is, and how the chain of one rule is built. `chain_levels` links nodes side by
side and counts references, `chain_tree` joins the chains of one call into a tree, and `decision`
reads from the tree what it answers.
"""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from tracer.profile import model
from tracer.profile.calls import Said
from tracer.profile.model import Condition

Action = Said

_LOW = 0xFFFFFFFF
_ALL = (1 << 64) - 1
# What a node compares by; the other operators are these with true and false exchanged.
EQUAL, GREATER, GREATER_OR_EQUAL, MASKED = "==", ">", ">=", "&"
_COMPARED = {
    model.GREATER: GREATER,
    model.LESS_OR_EQUAL: GREATER,
    model.GREATER_OR_EQUAL: GREATER_OR_EQUAL,
    model.LESS: GREATER_OR_EQUAL,
    model.EQUAL: EQUAL,
    model.NOT_EQUAL: EQUAL,
    model.MASKED_EQUAL: MASKED,
}
_NEGATED = (model.LESS, model.LESS_OR_EQUAL, model.NOT_EQUAL)
_RANGES = (model.LESS, model.LESS_OR_EQUAL, model.GREATER, model.GREATER_OR_EQUAL)
_PRIORITY = {
    model.GREATER: 1,
    model.GREATER_OR_EQUAL: 1,
    model.LESS: 2,
    model.LESS_OR_EQUAL: 2,
    model.EQUAL: 3,
    model.NOT_EQUAL: 3,
    model.MASKED_EQUAL: 3,
}


class Refused(Exception):
    """
    libseccomp does not take the rules: EEXIST, another rule answers the same differently; or it
    never comes to an end, because a node that two ways lead to got into two levels, which then
    bite their own tails.
    """


class Node:
    """
    One comparison: struct db_arg_chain_tree.

    `act_true` and `act_false` are None where there is no action.
    """

    __slots__ = (
        "argument", "high", "place", "compared", "order", "mask", "datum", "full",
        "act_true", "act_false", "on_true", "on_false", "before", "after", "references",
    )  # fmt: skip

    def __init__(self, condition: Condition, compared: str, high: bool) -> None:
        masked = condition.operator == model.MASKED_EQUAL
        mask, datum = (condition.value, condition.value_two) if masked else (_ALL, condition.value)
        shift = 32 if high else 0
        self.argument, self.high, self.compared = condition.index, high, compared
        self.place = 2 * condition.index + high
        self.mask = mask >> shift & _LOW
        self.datum = datum >> shift & self.mask
        self.full = datum
        lesser = condition.operator in (model.LESS, model.LESS_OR_EQUAL)
        rank = -self.datum if lesser else self.datum
        self.order = (self.place, _PRIORITY[condition.operator], rank)
        self.act_true: Optional[Action] = None
        self.act_false: Optional[Action] = None
        self.on_true: Optional[Node] = None
        self.on_false: Optional[Node] = None
        self.before: Optional[Node] = None
        self.after: Optional[Node] = None
        self.references = 0

    def equals(self, other: Node) -> bool:
        """Say whether two nodes compare the same (_db_chain_eq)."""
        return (
            self.datum == other.datum
            and self.place == other.place
            and self.compared == other.compared
            and self.mask == other.mask
        )

    @property
    def is_leaf(self) -> bool:
        return self.on_true is None and self.on_false is None

    @property
    def does_nothing(self) -> bool:
        return self.is_leaf and self.act_true is None and self.act_false is None

    def link(self, way: str, node: Node) -> None:
        """Lead to a node for `on_true` or `on_false`."""
        node.references += 1
        setattr(self, way, node)


# --- A rule as a chain of its own ---

# Which nodes are left by which way when the condition holds.
_Exits = List[Tuple[Node, str]]


def chain(conditions: Sequence[Condition], action: Action, bits: int) -> Optional[Node]:
    """Return the first node of a rule's chain; None if the rule always holds."""
    first: Optional[Node] = None
    exits: _Exits = []
    for condition in sorted(conditions, key=lambda condition: condition.index):
        if always_holds(condition, bits):
            continue
        node, leaving = _compared_64(condition) if bits == 64 else _compared_32(condition)
        for last, way in exits:
            last.link(f"on_{way}", node)
        first, exits = first or node, leaving
    for last, way in exits:
        setattr(last, f"act_{way}", action)
    return first


def always_holds(condition: Condition, bits: int) -> bool:
    """Say whether a condition compares no bit of an argument of 64 or 32 bits."""
    return condition.operator == model.MASKED_EQUAL and not condition.value & ((1 << bits) - 1)


def _compared_32(condition: Condition) -> Tuple[Node, _Exits]:
    node = Node(condition, _COMPARED[condition.operator], False)
    return node, [(node, "false" if condition.operator in _NEGATED else "true")]


def _compared_64(condition: Condition) -> Tuple[Node, _Exits]:
    operator = condition.operator
    compared = _COMPARED[operator]
    low = Node(condition, compared, False)
    if operator not in _RANGES:
        high = Node(condition, compared, True)
        high.link("on_true", low)
        if operator == model.NOT_EQUAL:
            return high, [(high, "false"), (low, "false")]
        return high, [(low, "true")]
    above, level = Node(condition, GREATER, True), Node(condition, EQUAL, True)
    above.link("on_false", level)
    level.link("on_true", low)
    if operator in _NEGATED:
        return above, [(level, "false"), (low, "false")]
    return above, [(above, "true"), (low, "true")]
