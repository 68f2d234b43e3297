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
from typing import Callable, Iterator, List, Mapping, Optional, Tuple, TypeVar

from tracer.document import Node, members_of
from tracer.errors import DocumentError, InputError
from tracer.profile import model
from tracer.profile.keys import REFUSED, KeyFault, dialect_of, read_keys
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule
from tracer.text import printable

_Value = TypeVar("_Value")
_MOST_ERRNO = 0xFFFF  # the kernel has 16 bits for it (SECCOMP_RET_DATA)
_MOST_VALUE = (1 << 64) - 1
_KERNEL = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")

_LONGEST_ERRNO = 5  # digits of _MOST_ERRNO
# runc and crun hand strings to C, which ends them at a NUL; Go reads a lone surrogate as U+FFFD.
_AMBIGUOUS = re.compile("[\0\ud800-\udfff]")


def profile_from(value: object, source: str) -> Profile:
    """
    Return the profile in a JSON value; `source` names it in messages.

    Raises DocumentError with everything that is wrong, what two readers of profiles would take
    differently included, or InputError if it is no profile at all.
    """
    _refuse_texts(value, source)
    dialect = dialect_of(value, source)
    _refuse_keys(value, dialect, source)
    return _read(value, dialect, source)


def profile_as_engines_read(value: object, source: str) -> Tuple[Profile, Tuple[KeyFault, ...]]:
    """
    Return the profile that engines take a JSON value for, and all faults of its keys.

    Raises the same errors as `profile_from`, but for those faults.
    """
    _refuse_texts(value, source)
    dialect = dialect_of(value, source)
    understood, faults = read_keys(value, dialect)
    return _read(understood, dialect, source), faults


def check_config(config: Mapping[str, object], source: str) -> None:
    """
    Raise DocumentError if a profile put into this config.json would not be the one that is read.

    The profile that it holds so far is not looked at.
    """
    linux = config.get("linux")
    around = {**linux, "seccomp": {}} if isinstance(linux, dict) else linux
    value = {**config, "linux": around}
    _refuse_texts(value, source)
    _refuse_keys(value, model.OCI, source)


def _refuse_keys(value: object, dialect: str, source: str) -> None:
    _, faults = read_keys(value, dialect)
    refused = [fault for fault in faults if fault.code in REFUSED]
    if refused:
        raise DocumentError(
            tuple(f"{source}: {fault.place}: {fault.message}" for fault in refused),
            "not every reader takes this for the same profile; correct it",
        )


def _refuse_texts(value: object, source: str) -> None:
    wrong = [place for place, text in _texts_in(value, "$") if _AMBIGUOUS.search(text)]
    if wrong:
        raise DocumentError(
            tuple(f"{source}: {place}: a string with a NUL or a lone surrogate" for place in wrong),
            "runtimes end a string at a NUL, and engines replace a lone surrogate",
        )


def _texts_in(value: object, path: str) -> Iterator[Tuple[str, str]]:
    """Give every string and key in a value, and where it is."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts_in(item, f"{path}[{index}]")
    else:
        for key, member in members_of(value):
            place = f"{path}.{printable(key, 60)}"
            yield place, key
            yield from _texts_in(member, place)


class Problems:
    """
    Where reading goes on after an error: all of them.

    `errnos_as_text`: the operator's resources spell `errnoRet` as a string, and nobody else.
    """

    def __init__(self, *, errnos_as_text: bool = True) -> None:
        self.found: List[InputError] = []
        self.errnos_as_text = errnos_as_text

    def of(self, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        """Return what was read, or the other value after an error, which is kept."""
        try:
            return read()
        except InputError as error:
            self.found.append(error)
            return otherwise


def _read(value: object, dialect: str, source: str) -> Profile:
    root = Node(value, source)
    node = {
        model.OCI: lambda: root.child("linux").child("seccomp"),
        model.SPO: lambda: root.child("spec"),
    }.get(dialect, lambda: root)()
    problems = Problems(errnos_as_text=dialect == model.SPO)
    if not isinstance(node.value, dict):
        raise node.wrong("a seccomp profile")
    profile = read_profile(node, problems)
    if problems.found:
        raise DocumentError(tuple(error.message for error in problems.found))
    if dialect == model.DOCKER:
        return profile
    assert isinstance(value, dict)
    return replace(profile, dialect=dialect, around=value)


def read_profile(node: Node, problems: Problems) -> Profile:
    """Return the profile in an object, as one of Docker's or podman's; keep what is wrong."""
    rules = _each(node.child("syscalls"), problems, read_rule)
    name = problems.of(lambda: _errno_name(node.child("defaultErrno")), "")
    named = bool(name) or any(rule.errno_name for rule in rules)
    architectures = _texts(node.child("architectures"), problems, _architecture)
    families = _each(node.child("archMap"), problems, read_family)
    if architectures and families:
        problems.found.append(node.child("archMap").wrong("no archMap beside architectures"))
    return Profile(
        default_action=problems.of(lambda: _one_of(node.child("defaultAction"), _ACTION), ""),
        rules=rules,
        default_errno=problems.of(lambda: _errno(node.child("defaultErrnoRet"), problems), None),
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
        errno=problems.of(lambda: _errno(node.child("errnoRet"), problems), None),
        errno_name=problems.of(lambda: _errno_name(node.child("errno")), ""),
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
def _errno(node: Node, problems: Problems) -> Optional[int]:
    value = node.value
    if value is None or (value == "" and problems.errnos_as_text):
        return None
    if problems.errnos_as_text and isinstance(value, str) and value.isascii() and value.isdigit():
        return Node(int(value[:9]), node.source, node).integer(0, _MOST_ERRNO)
    return node.integer(0, _MOST_ERRNO)


# podman takes up to 32 bits; runtimes cut what is more than 16.
def _errno_name(node: Node) -> str:
    name = node.text("")
    is_number = name.isascii() and name.isdigit()
    if is_number and (len(name) > _LONGEST_ERRNO or int(name) > _MOST_ERRNO):
        raise node.wrong(f"the name of an errno, or a number from 0 to {_MOST_ERRNO}")
    return name


# As Moby reads it: two numbers of 8 bits, not both zero. It takes an empty string for a kernel that
# every host is newer than, which `excludes` would exclude everywhere; podman ignores it.
def _kernel(node: Node) -> Optional[Tuple[int, int]]:
    if node.value is None:
        return None
    match = _KERNEL.fullmatch(node.text())
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version == (0, 0) or max(version) > 255:
        raise node.wrong('a kernel version ("4.8")')
    return version


def _kept(node: Node) -> model.Kept:
    assert isinstance(node.value, dict)
    return node.value
