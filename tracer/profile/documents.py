"""
Profiles from JSON values and back, losing nothing.

Knows the fields of every dialect and where a profile stands in the document around it. All errors
of a document are found in one go. Text is `formats`'; what rules mean is not known here.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Callable, Dict, List, Mapping, Optional, Tuple, TypeVar

from tracer.document import Node
from tracer.errors import DocumentError, InputError
from tracer.profile import model
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule

_Value = TypeVar("_Value")
_MOST_ERRNO = 0xFFFF  # the kernel has 16 bits for it (SECCOMP_RET_DATA)
_MOST_VALUE = (1 << 64) - 1
_KERNEL = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")

SPO_KIND = "SeccompProfile"
SPO_GROUP = "security-profiles-operator.x-k8s.io"


def profile_from(value: object, source: str) -> Profile:
    """
    Return the profile in a JSON value; `source` names it in messages.

    Raises DocumentError with everything that is wrong, or InputError if it is no profile at all.
    """
    root = Node(value, source)
    if not isinstance(value, dict):
        raise _no_profile(source)
    if "defaultAction" in value:
        return _read(root, "", {})
    if value.get("kind") == SPO_KIND:
        return _read(root.child("spec"), model.SPO, value)
    if isinstance(value.get("linux"), dict) and root.child("linux").has("seccomp"):
        return _read(root.child("linux").child("seccomp"), model.OCI, value)
    raise _no_profile(source)


def document_of(profile: Profile) -> Dict[str, object]:
    """
    Return the whole document of a profile in its dialect, as a JSON value.

    A profile that was read and not changed gives a value equal to the one it was read from, in
    the same order. What the dialect has no field for is not looked at: see `convert`.
    """
    inner = _profile_value(profile)
    if profile.dialect == model.OCI:
        linux = profile.around.get("linux")
        return {
            **(profile.around or {"ociVersion": "1.0.2"}),
            "linux": {**(linux if isinstance(linux, dict) else {}), "seccomp": inner},
        }
    if profile.dialect == model.SPO:
        head = {"apiVersion": f"{SPO_GROUP}/v1beta1", "kind": SPO_KIND, "metadata": {"name": ""}}
        return {**(profile.around or head), "spec": inner}
    return inner


# --- Reading ---


class _Problems:
    """Reads on after an error, and keeps all of them."""

    def __init__(self) -> None:
        self.found: List[InputError] = []

    def of(self, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        try:
            return read()
        except InputError as error:
            self.found.append(error)
            return otherwise


def _no_profile(source: str) -> InputError:
    return InputError(
        f"{source}: not a seccomp profile",
        "a profile is a JSON object with defaultAction and syscalls, a config.json with "
        f"linux.seccomp, or a {SPO_KIND} in YAML",
    )


def _read(node: Node, dialect: str, around: model.Kept) -> Profile:
    problems = _Problems()
    if not isinstance(node.value, dict):
        raise node.wrong("a seccomp profile")
    profile = _profile(node, dialect, around, problems)
    if problems.found:
        raise DocumentError(tuple(error.message for error in problems.found))
    return profile


def _profile(node: Node, dialect: str, around: model.Kept, problems: _Problems) -> Profile:
    rules = _each(node.child("syscalls"), problems, _rule)
    name = problems.of(lambda: node.child("defaultErrno").text(""), "")
    named = bool(name) or any(rule.errno_name for rule in rules)
    architectures = _texts(node.child("architectures"), problems, _architecture)
    families = _each(node.child("archMap"), problems, _family)
    if architectures and families:
        problems.found.append(node.child("archMap").wrong("no archMap beside architectures"))
    return Profile(
        default_action=problems.of(lambda: _one_of(node.child("defaultAction"), _ACTION), ""),
        rules=rules,
        default_errno=problems.of(lambda: _errno(node.child("defaultErrnoRet")), None),
        default_errno_name=name,
        architectures=architectures,
        families=families,
        flags=_texts(node.child("flags"), problems),
        listener_path=problems.of(lambda: node.child("listenerPath").text(""), ""),
        listener_metadata=problems.of(lambda: node.child("listenerMetadata").text(""), ""),
        base=problems.of(lambda: node.child("baseProfileName").text(""), ""),
        dialect=dialect or (model.PODMAN if named else model.DOCKER),
        kept=_kept(node),
        around=around,
    )


def _rule(node: Node, problems: _Problems) -> Rule:
    return Rule(
        names=_names(node, problems),
        action=problems.of(lambda: _one_of(node.child("action"), _ACTION), ""),
        conditions=_each(node.child("args"), problems, _condition),
        errno=problems.of(lambda: _errno(node.child("errnoRet")), None),
        errno_name=problems.of(lambda: node.child("errno").text(""), ""),
        includes=_circumstances(node.child("includes"), problems),
        excludes=_circumstances(node.child("excludes"), problems),
        comment=problems.of(lambda: node.child("comment").text(""), ""),
        kept=_kept(node),
    )


# Docker and podman refuse a rule that has both; an empty `name` is none.
def _names(node: Node, problems: _Problems) -> Tuple[str, ...]:
    if not node.has("names") and not node.has("name"):
        problems.found.append(node.child("names").wrong("the names of system calls"))
    names = _texts(node.child("names"), problems, _call)
    old = problems.of(lambda: node.child("name").text(""), "")
    if old and names:
        problems.found.append(node.child("name").wrong("either name or names"))
    return names or ((old,) if old else ())


def _condition(node: Node, problems: _Problems) -> Condition:
    def number(key: str, highest: int) -> int:
        child = node.child(key)
        if child.value is None and key != "index":
            return 0
        return problems.of(lambda: child.integer(0, highest), 0)

    return Condition(
        index=number("index", model.MOST_ARGUMENTS - 1),
        operator=problems.of(lambda: _one_of(node.child("op"), _OPERATOR), ""),
        value=number("value", _MOST_VALUE),
        value_two=number("valueTwo", _MOST_VALUE),
        kept=_kept(node),
    )


def _circumstances(node: Node, problems: _Problems) -> Circumstances:
    if node.value is None:
        return Circumstances()
    if not isinstance(node.value, dict):
        problems.found.append(node.wrong("an object"))
        return Circumstances()
    return Circumstances(
        capabilities=_texts(node.child("caps"), problems),
        architectures=_texts(node.child("arches"), problems),
        minimal_kernel=problems.of(lambda: _kernel(node.child("minKernel")), None),
        kept=_kept(node),
    )


def _family(node: Node, problems: _Problems) -> Family:
    return Family(
        architecture=problems.of(lambda: _architecture(node.child("architecture")), ""),
        members=_texts(node.child("subArchitectures"), problems, _architecture),
        kept=_kept(node),
    )


def _each(
    node: Node, problems: _Problems, read: Callable[[Node, _Problems], _Value]
) -> Tuple[_Value, ...]:
    values = []
    for item in _items(node, problems):
        if isinstance(item.value, dict):
            values.append(read(item, problems))
        else:
            problems.found.append(item.wrong("an object"))
    return tuple(values)


def _texts(
    node: Node, problems: _Problems, read: Callable[[Node], str] = Node.text
) -> Tuple[str, ...]:
    return tuple(problems.of(partial(read, item), "") for item in _items(node, problems))


def _items(node: Node, problems: _Problems) -> List[Node]:
    none: List[Node] = []
    return problems.of(node.items, none)


_ACTION = ("an action (SCMP_ACT_...)", model.ACTIONS)
_OPERATOR = ("an operator (SCMP_CMP_...)", model.OPERATORS)


def _one_of(node: Node, choice: Tuple[str, Tuple[str, ...]]) -> str:
    expected, values = choice
    if node.text() not in values:
        raise node.wrong(expected)
    return node.text()


def _architecture(node: Node) -> str:
    if not node.text().startswith("SCMP_ARCH_"):
        raise node.wrong("an architecture (SCMP_ARCH_...)")
    return node.text()


# Whatever it is: runtimes ignore names that they do not know, but refuse the empty one.
def _call(node: Node) -> str:
    if not node.text():
        raise node.wrong("the name of a system call")
    return node.text()


# A string in v1beta1 of the security-profiles-operator, a number everywhere else.
def _errno(node: Node) -> Optional[int]:
    if node.value is None or node.value == "":
        return None
    if isinstance(node.value, str) and node.value.isascii() and node.value.isdigit():
        return Node(int(node.value[:9]), node.source, node).integer(0, _MOST_ERRNO)
    return node.integer(0, _MOST_ERRNO)


# As Moby reads it: two numbers of 8 bits, not both zero; an empty string is none.
def _kernel(node: Node) -> Optional[Tuple[int, int]]:
    text = node.text("")
    if not text:
        return None
    match = _KERNEL.fullmatch(text)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version == (0, 0) or max(version) > 255:
        raise node.wrong('a kernel version ("4.8")')
    return version


def _kept(node: Node) -> model.Kept:
    assert isinstance(node.value, dict)
    return node.value


# --- Writing ---

# Keys and what they say in the JSON; None for a field that says nothing and is left out.
_Fields = Dict[str, object]


def _profile_value(profile: Profile) -> Dict[str, object]:
    before = _profile(Node(profile.kept, ""), profile.dialect, {}, _Problems())
    new = _profile_fields(profile)
    old = _profile_fields(before) if profile.kept else {}
    return _written(profile.kept, old, new)


def _profile_fields(profile: Profile) -> _Fields:
    return {
        "baseProfileName": profile.base or None,
        "defaultAction": profile.default_action,
        "defaultErrnoRet": profile.default_errno,
        "defaultErrno": profile.default_errno_name or None,
        "architectures": list(profile.architectures) or None,
        "archMap": [_family_value(family) for family in profile.families] or None,
        "flags": list(profile.flags) or None,
        "listenerPath": profile.listener_path or None,
        "listenerMetadata": profile.listener_metadata or None,
        "syscalls": [rule_value(rule) for rule in profile.rules],
    }


def rule_value(rule: Rule) -> Dict[str, object]:
    """Return one rule as a JSON value."""
    old = _rule_fields(_rule(Node(rule.kept, ""), _Problems())) if rule.kept else {}
    new = _rule_fields(rule)
    kept = rule.kept
    if old and old["names"] != new["names"] and "names" not in kept:
        kept = {("names" if key == "name" else key): value for key, value in kept.items()}
    return _written(kept, old, new)


def _rule_fields(rule: Rule) -> _Fields:
    return {
        "names": list(rule.names),
        "action": rule.action,
        "errnoRet": rule.errno,
        "errno": rule.errno_name or None,
        "args": [_condition_value(one) for one in rule.conditions] or None,
        "comment": rule.comment or None,
        "includes": _circumstances_value(rule.includes) or None,
        "excludes": _circumstances_value(rule.excludes) or None,
    }


def _condition_value(condition: Condition) -> Dict[str, object]:
    def fields(one: Condition) -> _Fields:
        return {
            "index": one.index,
            "value": one.value,
            "valueTwo": one.value_two or None,
            "op": one.operator,
        }

    old = fields(_condition(Node(condition.kept, ""), _Problems())) if condition.kept else {}
    return _written(condition.kept, old, fields(condition))


def _circumstances_value(one: Circumstances) -> Dict[str, object]:
    def fields(which: Circumstances) -> _Fields:
        kernel = which.minimal_kernel
        return {
            "caps": list(which.capabilities) or None,
            "arches": list(which.architectures) or None,
            "minKernel": f"{kernel[0]}.{kernel[1]}" if kernel else None,
        }

    old = fields(_circumstances(Node(one.kept, ""), _Problems())) if one.kept else {}
    return _written(one.kept, old, fields(one))


def _family_value(family: Family) -> Dict[str, object]:
    def fields(one: Family) -> _Fields:
        return {"architecture": one.architecture, "subArchitectures": list(one.members) or None}

    old = fields(_family(Node(family.kept, ""), _Problems())) if family.kept else {}
    return _written(family.kept, old, fields(family))


def _written(kept: Mapping[str, object], old: _Fields, new: _Fields) -> Dict[str, object]:
    """
    The object that was read, with those fields changed that say something else now.

    `old` is what was read, spelt as `new` is: where the two agree, the first spelling stays.
    """
    result = dict(kept)
    for key, value in new.items():
        if old and old.get(key) == value:
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result
