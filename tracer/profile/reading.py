"""
Reading somebody's profile: checked for what this package relies on, kept as it is.

A profile stays a plain JSON value, so that fields which we do not know survive. Knows the shapes
of a rule's fields; what rules mean together is `extend`'s.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Mapping

from tracer.document import Node, parse
from tracer.errors import InputError

# One entry of a profile's `syscalls`.
Rule = Mapping[str, object]


def read_profile(text: str, source: str) -> Dict[str, object]:
    """Return the profile in a JSON text; raises InputError that says what is wrong and where."""
    root = Node(parse(text, source), source)
    check(root)
    assert isinstance(root.value, dict)
    return root.value


def is_profile(text: str) -> bool:
    """Say whether a text is a seccomp profile, and so may be replaced by one."""
    try:
        read_profile(text, "")
    except InputError:
        return False
    return True


def check(root: Node) -> None:
    """Raise InputError unless this is an object that reads as a profile."""
    if not isinstance(root.value, dict) or "defaultAction" not in root.value:
        raise InputError(
            f"{root.source}: not a seccomp profile",
            "a profile is a JSON object with defaultAction and syscalls",
        )
    _action(root.child("defaultAction"))
    for architecture in root.child("architectures").items():
        architecture.text()
    for mapped in root.child("archMap").items():
        mapped.child("architecture").text()
        for architecture in mapped.child("subArchitectures").items():
            architecture.text()
    for rule in root.child("syscalls").items():
        _check_rule(rule)


def rules_of(profile: Mapping[str, object]) -> List[Rule]:
    """Return the rules of a profile that was read, in their order."""
    return [rule.value for rule in _node(profile, "syscalls") if isinstance(rule.value, dict)]


def names_of(rule: Rule) -> List[str]:
    """Return the calls that a rule is about: `names`, and the old form's `name`."""
    old = rule.get("name")
    return [name.text() for name in _node(rule, "names")] + ([old] if isinstance(old, str) else [])


def architectures_of(profile: Mapping[str, object]) -> FrozenSet[str]:
    """Return the architectures that a profile names, in either of Docker's two ways."""
    named = {one.text() for one in _node(profile, "architectures")}
    for mapped in _node(profile, "archMap"):
        named.add(mapped.child("architecture").text())
        named.update(one.text() for one in mapped.child("subArchitectures").items())
    return frozenset(named)


def is_conditional(rule: Rule) -> bool:
    """Say whether a rule only holds for some arguments, capabilities, architectures or kernels."""
    return any(rule.get(key) for key in ("args", "includes", "excludes"))


def _node(owner: Mapping[str, object], key: str) -> List[Node]:
    return Node(dict(owner), "profile").child(key).items()


def _check_rule(rule: Node) -> None:
    if not rule.has("names") and not rule.has("name"):
        raise rule.child("names").wrong("the names of system calls")
    for name in rule.child("names").items():
        name.text()
    rule.child("name").text("")
    rule.child("comment").text("")
    _action(rule.child("action"))


def _action(node: Node) -> None:
    if not node.text().startswith("SCMP_ACT_"):
        raise node.wrong("an action (SCMP_ACT_...)")
