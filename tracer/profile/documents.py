"""
Profiles from JSON values, losing nothing.

Knows the fields of every dialect and where a profile stands in the document around it. All errors
of a document are found in one go. The way back is `values`', text is `formats`'; what rules mean
is not known here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Callable, List, Optional, Tuple, TypeVar

from tracer.document import Node
from tracer.errors import DocumentError, InputError
from tracer.profile import model
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule

_Value = TypeVar("_Value")
_MOST_ERRNO = 0xFFFF  # the kernel has 16 bits for it (SECCOMP_RET_DATA)
_MOST_VALUE = (1 << 64) - 1
_KERNEL = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")

SPO_KIND = "SeccompProfile"


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


class Problems:
    """Where reading goes on after an error: all of them."""

    def __init__(self) -> None:
        self.found: List[InputError] = []

    def of(self, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        """Return what was read, or the other value after an error, which is kept."""
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
    problems = Problems()
    if not isinstance(node.value, dict):
        raise node.wrong("a seccomp profile")
    profile = read_profile(node, problems)
    if problems.found:
        raise DocumentError(tuple(error.message for error in problems.found))
    return replace(profile, dialect=dialect or profile.dialect, around=around)


def read_profile(node: Node, problems: Problems) -> Profile:
    """Return the profile in an object, as one of Docker's or podman's; keep what is wrong."""
    rules = _each(node.child("syscalls"), problems, read_rule)
    name = problems.of(lambda: node.child("defaultErrno").text(""), "")
    named = bool(name) or any(rule.errno_name for rule in rules)
    architectures = _texts(node.child("architectures"), problems, _architecture)
    families = _each(node.child("archMap"), problems, read_family)
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
        dialect=model.PODMAN if named else model.DOCKER,
        kept=_kept(node),
    )


def read_rule(node: Node, problems: Problems) -> Rule:
    """Return the rule in an object; keep what is wrong."""
    return Rule(
        names=_names(node, problems),
        action=problems.of(lambda: _one_of(node.child("action"), _ACTION), ""),
        conditions=_each(node.child("args"), problems, read_condition),
        errno=problems.of(lambda: _errno(node.child("errnoRet")), None),
        errno_name=problems.of(lambda: node.child("errno").text(""), ""),
        includes=read_circumstances(node.child("includes"), problems),
        excludes=read_circumstances(node.child("excludes"), problems),
        comment=problems.of(lambda: node.child("comment").text(""), ""),
        kept=_kept(node),
    )


# Docker and podman refuse a rule that has both; an empty `name` is none.
def _names(node: Node, problems: Problems) -> Tuple[str, ...]:
    if not node.has("names") and not node.has("name"):
        problems.found.append(node.child("names").wrong("the names of system calls"))
    names = _texts(node.child("names"), problems, _call)
    old = problems.of(lambda: node.child("name").text(""), "")
    if old and names:
        problems.found.append(node.child("name").wrong("either name or names"))
    return names or ((old,) if old else ())


def read_condition(node: Node, problems: Problems) -> Condition:
    """Return the condition in an object; keep what is wrong."""
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


def read_circumstances(node: Node, problems: Problems) -> Circumstances:
    """Return what includes or excludes says; keep what is wrong."""
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


def read_family(node: Node, problems: Problems) -> Family:
    """Return the entry of archMap in an object; keep what is wrong."""
    return Family(
        architecture=problems.of(lambda: _architecture(node.child("architecture")), ""),
        members=_texts(node.child("subArchitectures"), problems, _architecture),
        kept=_kept(node),
    )


def _each(
    node: Node, problems: Problems, read: Callable[[Node, Problems], _Value]
) -> Tuple[_Value, ...]:
    values = []
    for item in _items(node, problems):
        if isinstance(item.value, dict):
            values.append(read(item, problems))
        else:
            problems.found.append(item.wrong("an object"))
    return tuple(values)


def _texts(
    node: Node, problems: Problems, read: Callable[[Node], str] = Node.text
) -> Tuple[str, ...]:
    return tuple(problems.of(partial(read, item), "") for item in _items(node, problems))


def _items(node: Node, problems: Problems) -> List[Node]:
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
