"""
Files that hold several profiles: YAML documents, lists of resources, ConfigMaps.

Finds the profiles' documents in a text and gives each a name; what they mean is `documents`'. A
cluster's manifest holds other resources, too, which are passed over, and so are other files in a
ConfigMap. A damaged profile in a ConfigMap is a member with a problem. The fields looked at here
are Kubernetes', whose readers match keys exactly.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Iterator, NamedTuple, Optional, Tuple

from tracer import document
from tracer.document import Node, members_of
from tracer.errors import InputError
from tracer.profile import yaml
from tracer.profile.keys import SPO_KIND, fold

_LISTS = ("List", f"{SPO_KIND}List")
_CONFIG_MAP = "ConfigMap"
_BLANK = "\ufeff \t\r\n"
_ACTION_KEY = "defaultAction"
# Lint takes some milliseconds for each; a cluster has some dozens.
MOST_PROFILES = 500


@dataclass(frozen=True)
class Member:
    """
    A profile's document in a file.

    `name` is the resource's, or the key of a ConfigMap; empty for a profile by itself. `source` is
    the file, and the name if the file may hold several. `text` is the JSON that `value` was read
    from, None for YAML. `problem` says why the document cannot be read; it concerns those who want
    this profile, not its neighbours.
    """

    name: str
    source: str
    value: object
    text: Optional[str]
    problem: Optional[InputError] = None


class _Found(NamedTuple):
    name: str
    value: object
    text: Optional[str]
    is_alone: bool
    problem: Optional[InputError] = None


def members_in(text: str, source: str, *, repeating: bool = False) -> Tuple[Member, ...]:
    """
    Return the documents of profiles in a JSON or YAML text, at least one.

    A file that holds none gives the document as it is, so that its reader says what is wrong.
    `repeating` is as in `document.parse`. Raises InputError.
    """
    if is_json(text):
        value = document.parse(text, source, repeating=repeating)
        found = list(_unwrapped(value, text, source, repeating))
    else:
        values = yaml.parse_all(text, source, repeating=repeating)
        found = [piece for value in values for piece in _unwrapped(value, None, source, repeating)]
        found = [piece._replace(is_alone=piece.is_alone and len(values) == 1) for piece in found]
    profiles = [piece for piece in found if piece.is_alone or not _is_another_resource(piece.value)]
    if not profiles:
        raise InputError(f"{source}: no seccomp profile in it")
    if len(profiles) > MOST_PROFILES:
        raise InputError(f"{source}: {len(profiles)} profiles, at most {MOST_PROFILES} are read")
    return tuple(_member(profile, number, source) for number, profile in enumerate(profiles, 1))


def is_json(text: str) -> bool:
    """Say whether a text is to be read as JSON, as engines do, or else as YAML."""
    return text.lstrip().startswith(("{", "["))


def _member(found: _Found, number: int, source: str) -> Member:
    label = source if found.is_alone else f"{source}#{found.name or number}"
    return Member(found.name, label, found.value, found.text, found.problem)


def _unwrapped(
    value: object, text: Optional[str], source: str, repeating: bool, is_alone: bool = True
) -> Iterator[_Found]:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind in _LISTS or kind == _CONFIG_MAP:
        if isinstance(value, document.Repeating):
            raise InputError(f"{source}: a key twice in a {kind}")
        node = Node(value, source)
    if kind in _LISTS:
        for item in node.child("items").items():
            yield from _unwrapped(item.value, text, source, repeating, False)
    elif kind == _CONFIG_MAP:
        yield from _in_config_map(node, source, repeating)
    else:
        yield _Found(_name_of(value), value, text, is_alone)


def _in_config_map(node: Node, source: str, repeating: bool) -> Iterator[_Found]:
    for key, content in members_of(node.child("data").value):
        yield from _under_key(key, content, source, repeating)
    for key, content in members_of(node.child("binaryData").value):
        yield from _under_key(key, _decoded(content), source, repeating)


def _under_key(key: str, content: object, source: str, repeating: bool) -> Iterator[_Found]:
    """Give the profile under one key of a ConfigMap, if there is a profile, whole or damaged."""
    text = content.lstrip(_BLANK) if isinstance(content, str) else ""
    if not (text.startswith("{") or _is_meant(key, content)):
        return
    try:
        text = Node(content, f"{source}#{key}").text()
        value = document.parse(text, f"{source}#{key}", repeating=repeating)
    except InputError as problem:
        if _is_meant(key, content):
            yield _Found(key, None, None, False, problem)
        return
    if _has_default_action(value):
        yield _Found(key, value, text, False)


# What is not is a template, or a file of another program.
def _is_meant(key: str, content: object) -> bool:
    """Say whether a value is meant as a profile or other JSON, even if it cannot be read."""
    if key.endswith(".json") or _has_default_action(content):
        return True
    return (
        isinstance(content, str)
        and content.lstrip(_BLANK).startswith("{")
        and fold(_ACTION_KEY) in fold(content)
    )


def _has_default_action(value: object) -> bool:
    return any(fold(name) == fold(_ACTION_KEY) for name, _ in members_of(value))


def _decoded(content: object) -> object:
    """Return the text of a value of binaryData; the value itself if it holds no text."""
    if not isinstance(content, str):
        return content
    try:
        return base64.b64decode("".join(content.split()), validate=True).decode()
    except ValueError:
        return content


def _name_of(value: object) -> str:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _is_another_resource(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    kind = value.get("kind")
    return isinstance(kind, str) and kind != SPO_KIND and isinstance(value.get("apiVersion"), str)
