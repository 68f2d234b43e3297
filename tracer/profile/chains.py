"""
How libseccomp keeps the conditional rules of one call: a tree of comparisons of 32-bit words.

A port of src/db.c (2.5.0 to 2.6.0: _db_rule_gen_64, _db_rule_gen_32, db_rule_add, _db_tree_prune,
_db_tree_add, _db_tree_remove, _db_node_put), because the tree decides where rules meet: which of
two actions wins, what is refused, and what libseccomp gets wrong. It needs no libseccomp, so that
the answer is the same on every host; tests compare it with the one installed. `decision` has the
theory of what a tree answers.

A level is a doubly linked list of nodes; a node leads to further levels, or to actions, for true
and false. Levels are shared: both ways into `a > b` of 64 bits lead to the same next level. The
counts of references decide what leaves a level with a node, so the port counts as libseccomp does.
"""

from __future__ import annotations

from typing import Callable, Iterator, List, Optional, Sequence, Tuple

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


# More nodes than a level can have if the rules come from a file of a megabyte.
_LONGEST_LEVEL = 20_000


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

    def __init__(self, condition: Condition, compared: str, high: bool, bits: int) -> None:
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


def chain(
    conditions: Sequence[Condition], action: Action, bits: int
) -> Optional[Node]:
    """Return the first node of a rule's chain; None if the rule always holds."""
    first: Optional[Node] = None
    exits: _Exits = []
    for condition in sorted(conditions, key=lambda condition: condition.index):
        if _says_nothing(condition, bits):
            continue
        node, leaving = _compared_64(condition) if bits == 64 else _compared_32(condition)
        for last, way in exits:
            last.link(f"on_{way}", node)
        first, exits = first or node, leaving
    for last, way in exits:
        setattr(last, f"act_{way}", action)
    return first


def _says_nothing(condition: Condition, bits: int) -> bool:
    return condition.operator == model.MASKED_EQUAL and not condition.value & ((1 << bits) - 1)


def _compared_32(condition: Condition) -> Tuple[Node, _Exits]:
    node = Node(condition, _COMPARED[condition.operator], False, 32)
    return node, [(node, "false" if condition.operator in _NEGATED else "true")]


def _compared_64(condition: Condition) -> Tuple[Node, _Exits]:
    operator = condition.operator
    compared = _COMPARED[operator]
    low = Node(condition, compared, False, 64)
    if operator not in _RANGES:
        high = Node(condition, compared, True, 64)
        high.link("on_true", low)
        if operator == model.NOT_EQUAL:
            return high, [(high, "false"), (low, "false")]
        return high, [(low, "true")]
    above, level = Node(condition, GREATER, True, 64), Node(condition, EQUAL, True, 64)
    above.link("on_false", level)
    level.link("on_true", low)
    if operator in _NEGATED:
        return above, [(level, "false"), (low, "false")]
    return above, [(above, "true"), (low, "true")]


# --- References ---


def _put(node: Optional[Node]) -> Tuple[int, Optional[Node]]:
    """Drop a reference: how many nodes are gone, and what its holder holds now (_db_node_put)."""
    if node is None:
        return 0, None
    node.references -= 1
    if node.references:
        return 0, node
    before, after = node.before, node.after
    if before:
        before.after = None
    if after:
        after.before = None
    gone, before = _put(before)
    more, after = _put(after)
    gone += more
    if before:
        before.after = after
        if after:
            after.references += 1
    if after:
        after.before = before
        if before:
            before.references += 1
    gone += _put_tree(node.on_true) + _put_tree(node.on_false)
    return gone + 1, before or after


def _put_tree(node: Optional[Node]) -> int:
    gone, left = _put(node)
    return gone + (_clean(left) if left else 0)


def _clean(node: Node) -> int:
    """Remove a level to which nothing leads any more (_db_level_clean)."""
    level = list(from_first(node))
    for node in level:
        if node.references > (node.before is not None) + (node.after is not None):
            return 0
    gone = 0
    current: Optional[Node] = level[0]
    while current is not None:
        dropped, current = _put(current)
        gone += dropped
    return gone


def from_first(node: Node) -> Iterator[Node]:
    """
    Yield a level from its first node; what follows a node is read before it is visited.

    Raises Refused for a level without an end.
    """
    visits = 0
    while node.before is not None:
        node = node.before
        visits += 1
        if visits > _LONGEST_LEVEL:
            raise Refused()
    current: Optional[Node] = node
    while current is not None:
        after = current.after
        yield current
        current = after
        visits += 1
        if visits > 2 * _LONGEST_LEVEL:
            raise Refused()


# --- The tree ---

# _DB_IST_...: what a walk over both trees has found so far.
_MATCH, _ONCE, _OLD_ENDS, _NEW_ENDS, _OLD_AHEAD, _NEW_AHEAD = 1, 2, 0x10, 0x20, 0x100, 0x200
_BOTH = _MATCH | _ONCE
_REDUNDANT = _MATCH | _OLD_ENDS | _NEW_AHEAD
_NEW_IS_SHORTER = _MATCH | _NEW_ENDS | _OLD_AHEAD
_NEW_IS_LONGER = _MATCH | _OLD_ENDS | _NEW_AHEAD

_WAYS = (("act_true", "on_true"), ("act_false", "on_false"))


class Tree:
    """
    The rules of one call on an architecture whose arguments have 32 or 64 bits.

    `always` is the action of a rule without conditions, `chains` a node of the first level, None
    without one. `step` is called at each visit of a node, and may raise.
    """

    def __init__(self, bits: int, step: Callable[[], None]) -> None:
        self.bits = bits
        self._step = step
        self.always: Optional[Action] = None
        self.chains: Optional[Node] = None

    def add(self, conditions: Sequence[Condition], action: Action) -> None:
        """Add a rule, as db_rule_add does; raises Refused."""
        if self.always is not None:
            return
        new = chain(conditions, action, self.bits)
        if new is None:
            self.always, self.chains = action, None
        elif self.chains is None:
            self.link("chains", new)
        else:
            new.references += 1
            self._merge(new, action)
            _put_tree(new)

    def link(self, way: str, node: Node) -> None:
        """Lead to a node of the first level."""
        node.references += 1
        setattr(self, way, node)

    def _merge(self, new: Node, action: Action) -> None:
        removed, flags = self._prune(self.chains, new, 0, action)
        if self.chains is None:
            self.link("chains", new)
        elif removed or flags & _REDUNDANT != _REDUNDANT:
            self._add(self, "chains", new)

    # --- Removing what the new rule makes needless: _db_tree_prune, _db_tree_remove ---

    def _prune(
        self, old: Optional[Node], new: Optional[Node], flags: int, action: Action
    ) -> Tuple[int, int]:
        """Return how many nodes were removed, and the flags of the walk."""
        removed, found = 0, flags
        if new is None or old is None or flags & _BOTH == _ONCE:
            return 0, _returned(flags, found)
        for node in from_first(old):
            self._step()
            more, found, ends = self._prune_at(node, new, flags, found, action)
            removed += more
            if ends:
                return removed, _returned(flags, found)
        return removed, _returned(flags, found & ~_MATCH)

    def _prune_at(
        self, node: Node, new: Node, flags: int, found: int, action: Action
    ) -> Tuple[int, int, bool]:
        """Return what was removed at one node, the flags, and whether the level is done."""
        if node.equals(new):
            return self._prune_equal(node, new, flags, found, action)
        if node.order < new.order:
            if flags & _NEW_AHEAD:
                return 0, found, True
            pairs = [(node, "on_true", new, ""), (node, "on_false", new, "")]
            ahead = _OLD_AHEAD
        else:
            if flags & _OLD_AHEAD:
                return 0, found, True
            pairs = [(node, "", new, "on_true"), (node, "", new, "on_false")]
            ahead = _NEW_AHEAD
        return self._prune_deeper(pairs, flags & ~_MATCH | ahead, found, action)

    def _prune_deeper(
        self,
        pairs: Sequence[Tuple[Node, str, Node, str]],
        flags: int,
        found: int,
        action: Action,
    ) -> Tuple[int, int, bool]:
        removed = 0
        for node, way, new, new_way in pairs:
            below = getattr(node, way) if way else node
            new_below = getattr(new, new_way) if new_way else new
            if below is None or new_below is None:
                continue
            node.references += 1
            more, seen = self._prune(below, new_below, flags, action)
            dropped, left = _put(node)
            removed += more + dropped
            if seen & _MATCH:
                return removed, found | seen, True
            if left is not node:
                break
        return removed, found, False

    def _prune_equal(
        self, node: Node, new: Node, flags: int, found: int, action: Action
    ) -> Tuple[int, int, bool]:
        found |= _BOTH | (_NEW_ENDS if new.is_leaf else 0) | (_OLD_ENDS if node.is_leaf else 0)
        if _leads_further(node, new) or _ends_otherwise(node, new, found):
            return 0, found, True
        removed = 0
        for way in ("on_true", "on_false"):
            below = getattr(new, way)
            if below is None:
                continue
            node.references += 1
            more, seen = self._prune(getattr(node, way), below, flags | _BOTH, action)
            dropped, left = _put(node)
            removed += more + dropped
            found |= seen if seen & _MATCH else 0
            if left is not node:
                return removed, found, False
        if self._agrees(node, action):
            if found & _NEW_IS_SHORTER == _NEW_IS_SHORTER:
                removed += self._remove(self, "chains", node)
                return removed, found, self.chains is None
            if found & _NEW_IS_LONGER == _NEW_IS_LONGER:
                return removed, found, True
        return removed, found, False

    def _agrees(self, node: Optional[Node], action: Action) -> bool:
        """Say whether all actions of a level and below it are this one (_db_tree_act_check)."""
        for current in from_first(node) if node is not None else ():
            self._step()
            if current.act_true not in (None, action) or current.act_false not in (None, action):
                return False
            if not self._agrees(current.on_true, action):
                return False
            if not self._agrees(current.on_false, action):
                return False
        return True

    def _remove(self, holder: object, way: str, node: Node) -> int:
        """Remove a node wherever it is, and what is below it; return how many nodes are gone."""
        held: Optional[Node] = getattr(holder, way)
        if held is None:
            return 0
        gone = 0
        for current in from_first(held):
            self._step()
            if current is node:
                return gone + _take_out(holder, way, held, current)
            gone += self._remove(current, "on_true", node)
            gone += self._remove(current, "on_false", node)
            if current.does_nothing:
                return gone + _take_out(holder, way, held, current)
            if gone:
                break
        return gone

    # --- Adding: _db_tree_add ---

    def _add(self, holder: object, way: str, new: Node) -> None:
        node: Optional[Node] = getattr(holder, way)
        while node is not None:
            self._step()
            if node.equals(new):
                self._join(node, new)
                return
            if node.order < new.order:
                _insert_before(holder, way, node, new)
                return
            if node.after is None:
                new.before, node.after = node, new
                node.references += 1
                new.references += 1
                return
            node = node.after

    def _join(self, node: Node, new: Node) -> None:
        for act, way in _WAYS:
            if getattr(new, act) is not None:
                self._join_action(node, new, act, way)
        for act, way in _WAYS:
            below: Optional[Node] = getattr(new, way)
            if below is None:
                continue
            if getattr(node, way) is not None:
                self._add(node, way, below)
            elif getattr(node, act) is None:
                node.link(way, below)
            else:
                return  # what is there is shorter

    def _join_action(self, node: Node, new: Node, act: str, way: str) -> None:
        theirs: Action = getattr(new, act)
        ours: Optional[Action] = getattr(node, act)
        if ours is None:
            if not self._agrees(getattr(node, way), theirs):
                raise Refused()
            _put(getattr(node, way))
            setattr(node, way, None)
            setattr(node, act, theirs)
        elif ours != theirs:
            if act == "act_true" and new.high and new.full > node.full:
                node.act_true = theirs
            if node.is_leaf or new.is_leaf:
                raise Refused()


def _returned(flags: int, found: int) -> int:
    return flags | found if found & _MATCH else flags & ~_MATCH


def _leads_further(node: Node, new: Node) -> bool:
    """Say whether the old tree has actions or levels where the new one has none."""
    return any(
        (getattr(node, act) is not None or getattr(node, way) is not None)
        and getattr(new, act) is None
        and getattr(new, way) is None
        for act, way in _WAYS
    )


def _ends_otherwise(node: Node, new: Node, found: int) -> bool:
    both_end = found & _NEW_ENDS and found & _OLD_ENDS
    return bool(both_end) and (
        node.act_true != new.act_true or node.act_false != new.act_false
    )


def _take_out(holder: object, way: str, held: Node, node: Node) -> int:
    if node is held:
        setattr(holder, way, node.before or node.after)
    if node.before:
        node.before.after = node.after
    if node.after:
        node.after.before = node.before
    node.before = node.after = None
    return _put(node)[0]


def _insert_before(holder: object, way: str, node: Node, new: Node) -> None:
    previous = node.before
    new.before, new.after = previous, node
    node.before = new
    new.references += 1
    if previous is not None:
        previous.after = new
        new.references += 1
    else:
        node.references += 1
    if getattr(holder, way) is node:
        setattr(holder, way, new)
        new.references += 1
        _put(node)
