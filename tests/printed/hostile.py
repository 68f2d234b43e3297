"""
Hostile strings, what they do to output, and ways to get them into every string there is.

A hostile string steers a terminal, reorders a line, or breaks it and begins another one with
FORGED. All comes from one `random.Random`, so that a seed repeats a failure.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Callable, Mapping
from random import Random

FORGED = "forged line"
PIECES = (
    *("\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\x1b[8m", "\x90q\x9c", "\x08\x08", "\x0e", "\x7f"),
    *(f"\n{FORGED}", f"\r{FORGED}", f"\x0b{FORGED}", f"\x85{FORGED}", f"\u2028{FORGED}"),
    *("\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\u2029", "\u200b"),
    *("\U000e0041", "\ufeff", "\t", "é 日本 🙂", "%s %(a)s", "{0} {a}", "{{ 7 }}"),
    *("'\"`$(x)", "\\", "x" * 300, ""),
)
# Bytes that are not UTF-8, as Python has them: profiles that hold them are refused.
STRAY = ("\udcff", "\udc9b")
# A control but newline and tab, a bidirectional control, or a separator that looks like a newline.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def text(random: Random) -> str:
    """Return a hostile string."""
    pieces = (*PIECES, *STRAY) if random.random() < 0.1 else PIECES
    return "".join(random.choices(pieces, k=random.randint(1, 4))) or "plain"


def harm_in(output: bytes) -> str:
    """Return what would do harm in what was printed, or nothing."""
    try:
        shown = output.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: {output[error.start:error.end]!r}"
    found = _HARMFUL.search(shown)
    if found:
        return f"prints {found.group()!r}"
    return "forges a line" if any(line.startswith(FORGED) for line in shown.split("\n")) else ""


# --- Into JSON ---

# Strings that profiles and recordings may hold as they like; others are refused if they are odd.
FREE = (
    *("names", "comment", "caps", "arches", "x-ours", "listenerPath", "listenerMetadata", "new"),
    *("executable", "path", "comm", "caller", "command", "notes", "text", "code"),
    *("engine", "container_id", "container_name", "image", "runtime", "runtime_version", "kernel"),
)


def spoiled(random: Random, content: str) -> bytes:
    """
    Return a JSON document with hostile strings: in fields that are free, or anywhere.

    The first keeps the document sound, so that what is in it comes to be printed.
    """
    likely = random.choice((0.01, 0.05))
    free = frozenset(random.sample(FREE, random.choice((1, 3, len(FREE)))))
    is_chosen = (
        (lambda key: random.random() < likely) if random.random() < 0.3 else free.__contains__
    )
    changed = _spoil(random, json.loads(content), is_chosen, "")
    rendered = json.dumps(changed, ensure_ascii=random.random() < 0.5)
    return rendered.encode("utf-8", "surrogateescape")


def _spoil(random: Random, value: object, is_chosen: "Callable[[str], bool]", key: str) -> object:
    if isinstance(value, dict):
        return {
            (name + text(random) if random.random() < 0.001 else name): _spoil(
                random, part, is_chosen, name
            )
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_spoil(random, part, is_chosen, key) for part in value]
    if isinstance(value, str) and is_chosen(key):
        return random.choice((text(random), value + text(random), value))
    return value


# --- Into records ---

_Maker = Callable[[Random], object]


def build(random: Random, kind: object, fixed: "Mapping[object, _Maker]") -> typing.Any:
    """
    Return a value of a type, by its annotations: every string in it is hostile.

    `fixed` makes what has a meaning of its own: by the name of a field, or by a type.
    """
    if kind in fixed:
        return fixed[kind](random)
    if kind in _SIMPLE:
        return _SIMPLE[kind](random)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is not None:
        return _build_generic(random, origin, inner, fixed)
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(  # type: ignore[operator]
        **{name: build(random, name if name in fixed else hints[name], fixed) for name in names}
    )


_SIMPLE: "Mapping[object, _Maker]" = {
    str: text,
    int: lambda random: random.choice((0, 1, 2, 3, 999, 1 << 40)),
    float: lambda random: random.choice((0.0, 0.5, 90.0)),
    bool: lambda random: random.random() < 0.5,
    type(None): lambda random: None,
}


def _build_generic(
    random: Random, origin: object, inner: "tuple[object, ...]", fixed: "Mapping[object, _Maker]"
) -> object:
    if origin is typing.Union:
        return build(random, random.choice(inner), fixed)
    if origin is tuple and inner[-1] is not Ellipsis:
        return tuple(build(random, part, fixed) for part in inner)
    number = random.randint(0, 3)
    if len(inner) == 2 and inner[-1] is not Ellipsis:
        return {
            build(random, inner[0], fixed): build(random, inner[1], fixed) for _ in range(number)
        }
    made = [build(random, inner[0], fixed) for _ in range(number)]
    return frozenset(made) if origin is frozenset else tuple(made)
