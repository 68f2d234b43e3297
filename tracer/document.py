"""
Hostile JSON, read strictly: text to plain values, and the values field by field with their path.

Every document of ours (recordings) and of others (profiles) comes through here, so that each
fault ends in one InputError that names the file, the place and what was expected. What a document
means belongs to whoever reads it.
"""

from __future__ import annotations

import json
import math
from typing import Dict, Iterator, List, Optional, Tuple

from tracer.errors import InputError
from tracer.text import printable

# Deeper than any document of ours or of the OCI; far from Python's own limit.
MAX_DEPTH = 64
# A 64-bit number has at most 20 digits; converting very long ones takes quadratic time.
_MAX_DIGITS = 40


class Repeating(Dict[str, object]):
    """An object with a key twice, of which the last counts; `members_of` gives all members."""

    def __init__(self, pairs: List[Tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def members_of(value: object) -> List[Tuple[str, object]]:
    """Return the members of an object in their order, repeated ones too; none for another value."""
    if isinstance(value, Repeating):
        return value.pairs
    return list(value.items()) if isinstance(value, dict) else []


def parse(text: str, source: str, *, repeating: bool = False) -> object:
    """
    Return the JSON value that `text` holds; `source` names it in messages.

    Refused beyond what JSON itself refuses: the same key twice in an object (unless `repeating`,
    which gives a Repeating), NaN and infinities, -0 (Go refuses it where it wants an unsigned
    number), absurdly long numbers, more than MAX_DEPTH levels, and surrogates other than those by
    which Python spells a byte that is not UTF-8 (a path or a comm may hold such bytes).
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_repeating_object if repeating else _object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
        _inspect(value, plain=text.isascii() and "\\u" not in text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{source}: not JSON, or cut short ({place}: {error.msg})") from error
    except RecursionError:
        raise InputError(f"{source}: nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise InputError(f"{source}: {error}") from error
    return value


def canonical(value: object) -> str:
    """Return the one JSON text, on one line, that stands for a plain value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _object(pairs: List[Tuple[str, object]]) -> Dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: Dict[str, int] = {}
        for key, _ in pairs:
            seen[key] = seen.get(key, 0) + 1
        twice = next(key for key, count in seen.items() if count > 1)
        raise ValueError(f'the key "{printable(twice, 60)}" appears twice in one object')
    return result


def _repeating_object(pairs: List[Tuple[str, object]]) -> Dict[str, object]:
    result = dict(pairs)
    return result if len(result) == len(pairs) else Repeating(pairs)


def _integer(digits: str) -> int:
    if digits == "-0":
        raise ValueError("-0 is no integer to every reader")
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {printable(digits, 30)} is out of range")
    return number


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


# A plain text, of ASCII without \\u escapes, has no surrogates to look for.
def _inspect(value: object, *, plain: bool) -> None:
    level: List[object] = [[value]]
    inside = _containers_in_plain if plain else _containers_in
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in inside(outer)]
        if not level:
            return
    raise RecursionError


def _containers_in_plain(value: object) -> List[object]:
    if isinstance(value, dict):
        return [part for part in value.values() if isinstance(part, (dict, list))]
    assert isinstance(value, list)
    return [part for part in value if isinstance(part, (dict, list))]


def _containers_in(value: object) -> Iterator[object]:
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    assert isinstance(parts, list)
    for part in parts:
        if isinstance(part, str):
            _refuse_surrogates(part)
        elif isinstance(part, (dict, list)):
            yield part


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f'lone surrogate in "{printable(text, 60)}"') from None


class Node:
    """
    A value within a document, and where it stands (`$.runs[0].id`).

    Reading makes some dozen nodes per record, so the path is put together only for a message.
    """

    __slots__ = ("value", "source", "_parent", "_step")

    def __init__(
        self, value: object, source: str, parent: Optional[Node] = None, step: str = "$"
    ) -> None:
        self.value = value
        self.source = source
        self._parent = parent
        self._step = step

    @property
    def path(self) -> str:
        """Where the value stands, from the document's root `$`."""
        return self._step if self._parent is None else self._parent.path + self._step

    def wrong(self, expected: str) -> InputError:
        """Return the error that says what was expected here and what was found."""
        found = _kind(self.value)
        return InputError(
            f"{self.source}: {printable(self.path, 200)}: expected {expected}, found {found}"
        )

    def has(self, key: str) -> bool:
        """Say whether this object has the key; a null counts as having it."""
        return key in self._members()

    def child(self, key: str) -> Node:
        """Return the member of this object, a null if there is none."""
        return Node(self._members().get(key), self.source, self, f".{key}")

    def items(self) -> List[Node]:
        """Return the elements of this array; none for a null."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise self.wrong("an array")
        return [
            Node(value, self.source, self, f"[{index}]") for index, value in enumerate(self.value)
        ]

    def text(self, default: Optional[str] = None) -> str:
        """Return this string; a null is the default, and an error if there is none."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str):
            raise self.wrong("a string")
        return self.value

    def integer(self, lowest: int, highest: int) -> int:
        """Return this number, which must lie between the bounds, both included."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong("an integer")
        if not lowest <= value <= highest:
            raise self.wrong(f"an integer from {lowest} to {highest}")
        return value

    def boolean(self) -> bool:
        """Return this truth value."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def others(self, known: Tuple[str, ...]) -> Dict[str, object]:
        """Return the members of this object whose keys are not known."""
        return {key: value for key, value in self._members().items() if key not in known}

    def _members(self) -> Dict[str, object]:
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return self.value


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return printable(json.dumps(value), 60)
