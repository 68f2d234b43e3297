"""
How libseccomp keeps the conditional rules of one call: their chains, joined into one tree.

A port of db_rule_add, _db_tree_prune, _db_tree_act_check, _db_tree_remove and _db_tree_add of
src/db.c (2.5.0 to 2.6.0), because the tree decides where rules meet: which of two actions wins,
what is refused, and what libseccomp gets wrong. It needs no libseccomp, so that the answer is the
same on every host; tests compare it with the libseccomp that is installed.

Here is what walks the tree in depth, and what it decides; `chains` has the nodes, `chain_levels`
links them side by side.
"""

from __future__ import annotations

from typing import Callable, Optional, Sequence, Tuple

from tracer.profile.chain_levels import append, from_first, insert_before, put, put_tree, take_out
from tracer.profile.chains import Action, Node, Refused, chain
from tracer.profile.model import Condition

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
            put_tree(new)

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
            dropped, left = put(node)
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
            dropped, left = put(node)
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
                return gone + take_out(holder, way, held, current)
            gone += self._remove(current, "on_true", node)
            gone += self._remove(current, "on_false", node)
            if current.does_nothing:
                return gone + take_out(holder, way, held, current)
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
                insert_before(holder, way, node, new)
                return
            if node.after is None:
                append(node, new)
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
            put(getattr(node, way))
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
    return bool(both_end) and (node.act_true != new.act_true or node.act_false != new.act_false)
