"""
Profiles to JSON values: whatever was not changed stays as it was written.

The way back from `documents`. Each record is written over the object it was read from: a field
that says what it said keeps its spelling and place, one that says something else is written anew,
and one that says nothing is left out. What a dialect has no field for is not looked at here: that
is `convert`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Iterator, Mapping, Tuple, Union

from tracer.document import Node
from tracer.profile import documents, model, spo
from tracer.profile.keys import SPO_KIND
from tracer.profile.model import Circumstances, Condition, Family, Kept, Profile, Rule

SPO_HEAD: Mapping[str, object] = {
    "apiVersion": spo.API_VERSION,
    "kind": SPO_KIND,
    "metadata": {"name": "profile"},
}
OCI_HEAD: Mapping[str, object] = {"ociVersion": "1.0.2"}

Record = Union[Profile, Rule, Condition, Circumstances, Family]
# Keys and what they say in the JSON; None for a field that says nothing and is left out.
_Fields = Dict[str, object]


def document_of(profile: Profile) -> Dict[str, object]:
    """
    Return the whole document of a profile in its dialect, as a JSON value.

    A profile that was read and not changed gives a value equal to the one it was read from, in
    the same order.
    """
    if profile.dialect == model.SPO:
        profile = _without_comments(profile)
    inner = value_of(profile)
    if profile.dialect == model.OCI:
        linux = profile.around.get("linux")
        outer = linux if isinstance(linux, dict) else {}
        return {**(profile.around or OCI_HEAD), "linux": {**outer, "seccomp": inner}}
    if profile.dialect == model.SPO:
        return {**(profile.around or SPO_HEAD), "spec": inner}
    return inner


# The operator's resource has no field for a comment, and kubectl refuses an unknown one.
def _without_comments(profile: Profile) -> Profile:
    return replace(profile, rules=tuple(replace(rule, comment="") for rule in profile.rules))


def value_of(record: Record) -> Dict[str, object]:
    """Return one record as a JSON value; a profile without the document around it."""
    fields, read = _KINDS[type(record)]
    before = fields(read(record.kept)) if record.kept else {}
    now = fields(record)
    renamed = before.get("names") != now.get("names")
    result = dict(_with_names(record.kept) if renamed else record.kept)
    for key, value in now.items():
        if key in before and before[key] == value:
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def has_old_name(rule: Rule) -> bool:
    """Say whether a rule is written with the old field `name`, which the OCI's type lacks."""
    return bool(rule.kept.get("name")) and bool(value_of(rule).get("name"))


def respelt(profile: Profile) -> Profile:
    """
    Return the profile without a memory of how it was written, but for fields that we do not know.

    For another dialect, whose spelling differs.
    """
    return replace(
        profile,
        kept=_unknown(profile),
        around={},
        families=tuple(replace(one, kept=_unknown(one)) for one in profile.families),
        rules=tuple(
            replace(
                rule,
                kept=_unknown(rule),
                conditions=tuple(replace(one, kept=_unknown(one)) for one in rule.conditions),
                includes=replace(rule.includes, kept=_unknown(rule.includes)),
                excludes=replace(rule.excludes, kept=_unknown(rule.excludes)),
            )
            for rule in profile.rules
        ),
    )


def unknown_fields(profile: Profile) -> Iterator[str]:
    """Give the path, from the profile, of every field that we do not know."""
    yield from (f"$.{key}" for key in _unknown(profile))
    for number, rule in enumerate(profile.rules):
        yield from (f"$.syscalls[{number}].{key}" for key in _unknown(rule))
        for index, one in enumerate(rule.conditions):
            yield from (f"$.syscalls[{number}].args[{index}].{key}" for key in _unknown(one))


def _unknown(record: Record) -> Kept:
    known = {*_KINDS[type(record)][0](record), "name"}
    return {key: value for key, value in record.kept.items() if key not in known}


# The old `name` cannot hold several: it makes room for `names`, in its place.
def _with_names(kept: Kept) -> Kept:
    if "names" in kept:
        return {key: value for key, value in kept.items() if key != "name"}
    return {("names" if key == "name" else key): value for key, value in kept.items()}


def _profile(profile: Profile) -> _Fields:
    return {
        "baseProfileName": profile.base or None,
        "defaultAction": profile.default_action,
        "defaultErrnoRet": profile.default_errno,
        "defaultErrno": profile.default_errno_name or None,
        "architectures": list(profile.architectures) or None,
        "archMap": [value_of(family) for family in profile.families] or None,
        "flags": list(profile.flags) or None,
        "listenerPath": profile.listener_path or None,
        "listenerMetadata": profile.listener_metadata or None,
        "syscalls": [value_of(rule) for rule in profile.rules],
    }


def _rule(rule: Rule) -> _Fields:
    return {
        "names": list(rule.names),
        "action": rule.action,
        "errnoRet": rule.errno,
        "errno": rule.errno_name or None,
        "args": [value_of(one) for one in rule.conditions] or None,
        "comment": rule.comment or None,
        "includes": value_of(rule.includes) or None,
        "excludes": value_of(rule.excludes) or None,
    }


def _condition(condition: Condition) -> _Fields:
    return {
        "index": condition.index,
        "value": condition.value,
        "valueTwo": condition.value_two or None,
        "op": condition.operator,
    }


def _circumstances(one: Circumstances) -> _Fields:
    kernel = one.minimal_kernel
    return {
        "caps": list(one.capabilities) or None,
        "arches": list(one.architectures) or None,
        "minKernel": f"{kernel[0]}.{kernel[1]}" if kernel else None,
    }


def _family(family: Family) -> _Fields:
    return {
        "architecture": family.architecture,
        "subArchitectures": list(family.members) or None,
    }


def _reading(
    read: Callable[[Node, documents.Problems], Record]
) -> Callable[[Kept], Record]:
    return lambda kept: read(Node(kept, ""), documents.Problems())


# Each record's fields, and how it was read.
_KINDS: Mapping[type, Tuple[Callable[[Any], _Fields], Callable[[Kept], Record]]] = {
    Profile: (_profile, _reading(documents.read_profile)),
    Rule: (_rule, _reading(documents.read_rule)),
    Condition: (_condition, _reading(documents.read_condition)),
    Circumstances: (_circumstances, _reading(documents.read_circumstances)),
    Family: (_family, _reading(documents.read_family)),
}
