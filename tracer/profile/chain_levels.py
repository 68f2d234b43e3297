"""
Levels of libseccomp's tree, and the counts of references that say how long a node stays in them.

A level is a doubly linked list of nodes. Levels are shared: both ways into `a > b` of 64 bits lead
to the same next level. The counts of references decide what leaves a level with a node, so the port
counts as src/db.c (2.5.0 to 2.6.0) does: _db_node_put, _db_tree_put, _db_level_clean, and what
_db_tree_add and _db_tree_remove do to the nodes beside.

Here is all that changes `before` and `after` of a node, and all that drops references. A node gets
references here, where something leads down to it (Node.link, Tree.link), and from walks that must
not lose it (Tree).
"""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from tracer.profile.chains import Node, Refused

# More nodes than a level can have if the rules come from a file of a megabyte.
_LONGEST_LEVEL = 20_000


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


def put(node: Optional[Node]) -> Tuple[int, Optional[Node]]:
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
    gone, before = put(before)
    more, after = put(after)
    gone += more
    if before:
        before.after = after
        if after:
            after.references += 1
    if after:
        after.before = before
        if before:
            before.references += 1
    gone += put_tree(node.on_true) + put_tree(node.on_false)
    return gone + 1, before or after


def put_tree(node: Optional[Node]) -> int:
    """Drop a reference, and the level if it was the last one; return how many nodes are gone."""
    gone, left = put(node)
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
        dropped, current = put(current)
        gone += dropped
    return gone


def append(last: Node, new: Node) -> None:
    """Put a node behind the last one of a level."""
    new.before, last.after = last, new
    last.references += 1
    new.references += 1


def take_out(holder: object, way: str, held: Node, node: Node) -> int:
    """
    Take a node out of the level to whose node `held` the attribute `way` of `holder` leads.

    Return how many nodes are gone.
    """
    if node is held:
        setattr(holder, way, node.before or node.after)
    if node.before:
        node.before.after = node.after
    if node.after:
        node.after.before = node.before
    node.before = node.after = None
    return put(node)[0]


def insert_before(holder: object, way: str, node: Node, new: Node) -> None:
    """Put a node before another; `holder` leads to the new one if it led to the other by `way`."""
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
        put(node)
