"""
The keys of a profile as engines read them, and what is wrong with them.

Engines read profiles with Go's encoding/json. It takes a key for a field if both are equal after
Unicode's simple case folding (fold.go), and the last match wins. A reader that matches keys exactly
would see another profile, so `documents` refuses such keys. The fields are those of moby's
profiles/seccomp, containers-common's pkg/seccomp, runtime-spec's LinuxSeccomp and the
security-profiles-operator's SeccompProfile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Set, Tuple

from tracer.document import members_of
from tracer.errors import InputError
from tracer.profile import model
from tracer.text import printable

SPO_KIND = "SeccompProfile"

CASE_FOLDED, DUPLICATE, NULL, IGNORED, UNKNOWN = (
    "case-folded-key",
    "duplicate-key",
    "null-list",
    "ignored-field",
    "unknown-field",
)
# A document with one of these means different things to different readers.
REFUSED = (CASE_FOLDED, DUPLICATE, NULL, IGNORED)

_SHOWN = 60


@dataclass(frozen=True)
class KeyFault:
    """
    A key that readers take differently, or that no reader knows.

    `code` is one of those above; `place` is the JSON path of the object or value; `key` is the
    field that it is read as, or the unknown key itself; `fields` are those that the object may
    have.
    """

    code: str
    place: str
    message: str
    key: str
    fields: Tuple[str, ...] = ()


class _Field(NamedTuple):
    """What a field holds: objects of a level, a list, or neither."""

    level: str = ""
    is_list: bool = False
    # Docker's and podman's own default profiles have a null there: it is an empty list.
    takes_null: bool = False


_Fields = Mapping[str, _Field]
_PROFILE, _RULE, _CONDITION, _CIRCUMSTANCES, _FAMILY = (
    "profile",
    "rule",
    "condition",
    "circumstances",
    "family",
)
_CONFIG, _LINUX, _RESOURCE = "config", "linux", "resource"
_PLAIN, _LIST = _Field(), _Field(is_list=True)


def _plain(names: str) -> Dict[str, _Field]:
    return {name: _PLAIN for name in names.split()}


_LEVELS: Mapping[str, _Fields] = {
    _PROFILE: {
        **_plain("defaultAction defaultErrnoRet defaultErrno listenerPath listenerMetadata"),
        **_plain("baseProfileName disabled state"),
        "architectures": _LIST,
        "archMap": _Field(_FAMILY, is_list=True),
        "flags": _LIST,
        "syscalls": _Field(_RULE, is_list=True),
    },
    _RULE: {
        **_plain("name action errnoRet errno comment"),
        "names": _LIST,
        "args": _Field(_CONDITION, is_list=True, takes_null=True),
        "includes": _Field(_CIRCUMSTANCES),
        "excludes": _Field(_CIRCUMSTANCES),
    },
    _CONDITION: _plain("index value valueTwo op"),
    _CIRCUMSTANCES: {"caps": _LIST, "arches": _LIST, **_plain("minKernel")},
    _FAMILY: {
        "architecture": _PLAIN,
        "subArchitectures": _Field(is_list=True, takes_null=True),
    },
    _CONFIG: {
        **_plain("ociVersion process root hostname domainname mounts hooks annotations"),
        **_plain("solaris windows vm zos"),
        "linux": _Field(_LINUX),
    },
    _LINUX: {"seccomp": _Field(_PROFILE)},
    _RESOURCE: {**_plain("apiVersion kind metadata status"), "spec": _Field(_PROFILE)},
}
# An unknown field of these belongs to the document around a profile.
_AROUND = (_CONFIG, _LINUX)

# Fields of one dialect that the readers of another do not have, and so ignore.
_OF_ENGINES = {
    _PROFILE: ("archMap", "defaultErrno"),
    _RULE: ("name", "errno", "includes", "excludes"),
}
_OF_OPERATOR = ("baseProfileName", "disabled", "state")
_IGNORED: Mapping[str, Mapping[str, Tuple[str, ...]]] = {
    model.DOCKER: {_PROFILE: _OF_OPERATOR},
    model.OCI: {**_OF_ENGINES, _PROFILE: (*_OF_ENGINES[_PROFILE], *_OF_OPERATOR)},
    model.SPO: {**_OF_ENGINES, _PROFILE: (*_OF_ENGINES[_PROFILE], "defaultErrnoRet")},
}
_READERS = {
    model.DOCKER: "podman and docker ignore",
    model.OCI: "runtimes ignore",
    model.SPO: "the security-profiles-operator ignores",
}
_ROOTS = {model.DOCKER: _PROFILE, model.OCI: _CONFIG, model.SPO: _RESOURCE}


def dialect_of(value: object, source: str) -> str:
    """
    Return the dialect of a document: DOCKER (podman's, too), OCI or SPO; keys match as in Go.

    Raises InputError for a value that is no profile, and for one that is several at once, of which
    each reader would take its own.
    """
    root = _known_members(value, _AT_ROOT)
    linux = _known_members(root.get("linux"), _BY_FOLD[_LINUX])
    found = {
        model.DOCKER: "defaultAction" in root,
        model.SPO: root.get("kind") == SPO_KIND,
        model.OCI: "seccomp" in linux,
    }
    dialects = [dialect for dialect, is_there in found.items() if is_there]
    if len(dialects) > 1:
        raise InputError(
            f"{source}: several profiles in one object: which one counts depends on the reader",
            "write one profile to a file",
        )
    if dialects:
        return dialects[0]
    raise InputError(
        f"{source}: not a seccomp profile",
        "a profile is a JSON object with defaultAction and syscalls, a config.json with "
        f"linux.seccomp, or a {SPO_KIND} in YAML",
    )


def read_keys(value: object, dialect: str) -> Tuple[object, Tuple[KeyFault, ...]]:
    """
    Return the document as its readers take it, and the faults of its keys in document order.

    In the result every key has its field's own spelling, the last match has won, and what the
    readers ignore or take for an empty list is left out. Fields that nobody knows stay.
    """
    walk = _Walk(dialect)
    result = walk.read(value, _ROOTS[dialect], "$", _AT_ROOT)
    return result, tuple(walk.faults)


def fold(key: str) -> str:
    """
    Return what keys have in common that Go's encoding/json takes for one field.

    Two characters beside ASCII fold to a letter of a field's name: U+017F to s, U+212A to k.
    """
    return "".join(_FOLDED.get(character, character) for character in key)


_FOLDED = {
    **{chr(code): chr(code).lower() for code in range(ord("A"), ord("Z") + 1)},
    "\u017f": "s",
    "\u212a": "k",
}


_BY_FOLD = {level: {fold(key): key for key in fields} for level, fields in _LEVELS.items()}
# At the root every reader's fields count: which of them reads the file is not known for sure.
_AT_ROOT = {folded: key for root in _ROOTS.values() for folded, key in _BY_FOLD[root].items()}


def _known_members(value: object, by_fold: Mapping[str, str]) -> Dict[str, object]:
    """Return the known members of an object, by their own names; the last of a name wins."""
    found = ((by_fold.get(fold(key)), member) for key, member in members_of(value))
    return {key: member for key, member in found if key is not None}


class _Walk:
    """Goes through a document once, and gathers faults."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self.faults: List[KeyFault] = []

    def read(self, value: object, level: str, path: str, by_fold: Mapping[str, str]) -> object:
        """Return an object of a level, or a list of such, with its keys as they are read."""
        if isinstance(value, list):
            items = enumerate(value)
            return [self.read(item, level, f"{path}[{index}]", by_fold) for index, item in items]
        if not isinstance(value, dict):
            return value  # wrong, which `documents` reports
        result: Dict[str, object] = {}
        seen: Set[str] = set()
        for key, member in members_of(value):
            name = self._named(key, by_fold, path, key in seen)
            seen.add(key)
            if self._is_read(name, member, level, path):
                result.pop(name, None)
                result[name] = self._inner(member, level, name, path)
        return result

    def _inner(self, member: object, level: str, name: str, path: str) -> object:
        inner = _LEVELS[level].get(name, _PLAIN).level
        return self.read(member, inner, f"{path}.{name}", _BY_FOLD[inner]) if inner else member

    def _named(self, key: str, by_fold: Mapping[str, str], path: str, is_repeated: bool) -> str:
        name = by_fold.get(fold(key), key)
        if name != key:
            shown = ascii(key)[1:-1][:_SHOWN]  # a Kelvin sign looks like a K
            message = f'the key "{shown}" is read as {name}: engines do not tell the two apart'
            self._add(CASE_FOLDED, path, message, name)
        elif is_repeated:
            shown = printable(key, _SHOWN)
            self._add(DUPLICATE, path, f'the key "{shown}" appears twice in one object', name)
        return name

    def _is_read(self, name: str, member: object, level: str, path: str) -> bool:
        field = _LEVELS[level].get(name)
        place = f"{path}.{printable(name, _SHOWN)}"
        if field is None:
            self._unknown(name, level, place)
            return True
        if name in _IGNORED[self._dialect].get(level, ()):
            self._add(IGNORED, place, f"{_READERS[self._dialect]} {name} here", name)
            return False
        if member is None and field.is_list and not field.takes_null:
            self._add(NULL, place, "expected an array, found null", name)
            return False
        return True

    def _unknown(self, name: str, level: str, place: str) -> None:
        if level not in _AROUND:
            message = "no reader of profiles knows this field"
            self.faults.append(KeyFault(UNKNOWN, place, message, name, tuple(_LEVELS[level])))

    def _add(self, code: str, place: str, message: str, key: str) -> None:
        self.faults.append(KeyFault(code, place, message, key))
