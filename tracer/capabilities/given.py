"""
Sets of capabilities as a person names them: on a command line, in words with commas between them.

A word is a name, `all`, `none`, a hexadecimal mask, or an engine whose default set is meant.
"""

from __future__ import annotations

from typing import FrozenSet, Iterable

from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.capabilities.names import (
    LAST_NAMED,
    is_mask,
    known_names,
    mask_in,
    name_of,
    names_in,
)
from tracer.errors import InputError

NONE = "none"


def is_meant_as_mask(word: str) -> bool:
    """Whether a word is a mask, or begins as one does: what is wrong with it is said of a mask."""
    return is_mask(word) or word[:1].isdigit()


def named_sets(texts: Iterable[str]) -> FrozenSet[str]:
    """
    The full names of all capabilities in these sets, of which each may name several.

    Raises InputError for what nobody knows: no engine takes a number.
    """
    words = [word.strip() for text in texts for word in text.split(",")]
    return frozenset().union(*map(_named, words))


def _named(word: str) -> FrozenSet[str]:
    if word.lower() == NONE:
        return frozenset()
    if word.lower() in DEFAULT_CAPABILITIES:
        return DEFAULT_CAPABILITIES[word.lower()]
    if is_meant_as_mask(word):
        return _in_mask(word)
    return frozenset(known_names([word]))


def _in_mask(word: str) -> FrozenSet[str]:
    mask = mask_in(word)
    if mask >> (LAST_NAMED + 1):
        last = name_of(LAST_NAMED)
        raise InputError(f"{word!r} has bits without a name", f"{last} is the last that has one")
    return frozenset(names_in(mask))
