"""
Hostile YAML, read strictly: documents to plain JSON values, and such values to YAML.

The one door to PyYAML, imported on first use. The tree is built here from the parser's events, so
that nothing is ever constructed, expanded or followed: anchors, aliases and tags are refused, as
are a key twice, keys that are no strings and deep nesting. Plain scalars mean
what YAML 1.1 and Kubernetes take them for; a date stays a string.
"""

from __future__ import annotations

import importlib
import math
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from tracer.document import MAX_DEPTH, Repeating
from tracer.errors import HostError, InputError
from tracer.text import printable

_TAG = "tag:yaml.org,2002:"
_MOST_DIGITS = 40


def parse_all(text: str, source: str, *, repeating: bool = False) -> List[object]:
    """
    Return the values of the documents in a YAML text, at least one, without empty documents.

    Raises InputError. `repeating`: a mapping with a key twice is a Repeating instead of an error.
    """
    yaml = _library()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Tree(yaml, source, repeating).documents(yaml.parse(text, Loader=loader))
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not YAML, or cut short ({_place(error)})") from error
    except ValueError as error:
        raise InputError(f"{source}: not YAML that JSON can say: {error}") from error


def render(value: object) -> str:
    """Return the YAML text, in block style and in the value's own order, of a JSON value."""
    yaml = _library()

    class Dumper(yaml.SafeDumper):  # type: ignore[name-defined,misc]
        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    assert isinstance(text, str)
    return text


def _library() -> Any:
    try:
        return importlib.import_module("yaml")
    except ImportError as error:
        raise HostError(
            f"YAML cannot be read or written ({error})", "install PyYAML (pip install pyyaml)"
        ) from error


def _place(error: Any) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    said = printable(str(problem or error), 120)
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}" if mark else said


class _Tree:
    """Builds documents from the events of a parser."""

    def __init__(self, yaml: Any, source: str, repeating: bool) -> None:
        self._yaml = yaml
        self._source = source
        self._repeating = repeating
        self._resolver = yaml.resolver.Resolver()

    def documents(self, events: Iterator[Any]) -> List[object]:
        documents = [
            self._value(next(events), events, 0)
            for event in events
            if isinstance(event, self._yaml.DocumentStartEvent)
        ]
        documents = [value for value in documents if value is not None]
        if not documents:
            raise InputError(f"{self._source}: empty")
        return documents

    def _value(self, event: Any, events: Iterator[Any], depth: int) -> object:
        self._refuse(event)
        if depth > MAX_DEPTH:
            raise InputError(f"{self._source}: nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, self._yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, self._yaml.SequenceStartEvent):
            return self._sequence(events, depth)
        return self._mapping(events, depth)

    def _sequence(self, events: Iterator[Any], depth: int) -> List[object]:
        values = []
        for event in events:
            if isinstance(event, self._yaml.SequenceEndEvent):
                break
            values.append(self._value(event, events, depth + 1))
        return values

    def _mapping(self, events: Iterator[Any], depth: int) -> Dict[str, object]:
        pairs: List[Tuple[str, object]] = []
        seen: Set[str] = set()
        for event in events:
            if isinstance(event, self._yaml.MappingEndEvent):
                break
            key = self._value(event, events, depth + 1)
            if not isinstance(key, str) or key == "<<":
                raise self._wrong(event, "a key that is no plain string")
            if key in seen and not self._repeating:
                raise self._wrong(event, f'the key "{key}" twice in one mapping')
            seen.add(key)
            pairs.append((key, self._value(next(events), events, depth + 1)))
        return dict(pairs) if len(seen) == len(pairs) else Repeating(pairs)

    def _refuse(self, event: Any) -> None:
        if isinstance(event, self._yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._wrong(event, "an anchor or alias, which is not accepted")
        if getattr(event, "tag", None):
            raise self._wrong(event, "a tag, which is not accepted")

    def _wrong(self, event: Any, found: str) -> InputError:
        line = event.start_mark.line + 1
        return InputError(f"{self._source}: line {line}: found {printable(found, 120)}")

    def _scalar(self, event: Any) -> object:
        text: str = event.value
        if not event.implicit[0]:
            return text
        tag = self._resolver.resolve(self._yaml.ScalarNode, text, (True, False))
        kind = tag[len(_TAG) :] if tag.startswith(_TAG) else ""
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in ("yes", "true", "on")
        if kind == "int":
            return _integer(text)
        number = _number(text) if kind == "float" else None
        return text if number is None else number


# YAML 1.1: 0b, 0x, 0 for octal, underscores; base 60 is not taken for a number.
def _integer(text: str) -> object:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    digits = text.replace("_", "")
    if ":" in digits:
        return text
    bare = digits.lstrip("+-")
    if len(bare) > 1 and bare[0] == "0" and bare[1].isdigit():
        digits = digits.replace("0", "0o", 1)
    return int(digits, 0)


def _number(text: str) -> Optional[float]:
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        return None
    if not math.isfinite(number):
        raise ValueError(f"the number {printable(text, 30)} is out of range")
    return number
