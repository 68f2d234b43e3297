"""
Profiles that a person names on the command line, "-" among them.

What is wrong with one of them is an InputError, which `main` says in a line; what is in them is
decided elsewhere.
"""

from __future__ import annotations

import sys
from typing import Optional, Sequence, Tuple

from tracer import files
from tracer.cli import complain
from tracer.errors import InputError
from tracer.profile import formats
from tracer.profile.keys import KeyFault
from tracer.profile.model import Profile


# As a file's name: standard input, or standard output.
STANDARD_OUTPUT = "-"


def text_of(path: str, limit: int = files.READ_LIMIT) -> str:
    """A file's text, or standard input's for "-"; at most so many bytes. Raises InputError."""
    if path != STANDARD_OUTPUT:
        return files.read_text(path, limit)
    try:
        text = sys.stdin.read(limit + 1)
    except UnicodeDecodeError as error:
        raise InputError("standard input: not UTF-8 text") from error
    if len(text) > limit:
        raise InputError("standard input: too large", f"the limit is {limit} bytes")
    return text


def profile_in(path: str) -> Profile:
    """The profile in a file, or on standard input for "-". Raises InputError."""
    return formats.read(text_of(path, formats.READ_LIMIT), _name(path))


def profiles_in(paths: Sequence[str]) -> Tuple[Profile, ...]:
    """The profiles in several files, of which one may be "-". Raises InputError."""
    refuse_twice(paths)
    return tuple(map(profile_in, paths))


def profiles_as_engines_read(
    paths: Sequence[str],
) -> Tuple[Tuple[Profile, Tuple[KeyFault, ...]], ...]:
    """
    The profiles that engines take several files for, and what is wrong with their keys.

    Raises InputError for all else that is wrong.
    """
    refuse_twice(paths)
    texts = ((text_of(path, formats.READ_LIMIT), _name(path)) for path in paths)
    return tuple(formats.read_as_engines(text, name) for text, name in texts)


def baseline_in(path: Optional[str]) -> Optional[Profile]:
    """
    The profile that --baseline names, None for no such option; raises InputError.

    What a program has laid out, as engines' default profiles are, is written back byte for byte;
    other layouts (several fields on a line, uneven indents) cannot be, which is said here.
    """
    if path is None:
        return None
    text = text_of(path, formats.READ_LIMIT)
    profile = formats.read(text, _name(path))
    if formats.write(profile) != text:
        complain(
            f"{_name(path)}: laid out in a way that cannot be kept: the result says the same, but "
            "is laid out anew"
        )
    return profile


def refuse_twice(paths: Sequence[str]) -> None:
    """Raise InputError if standard input is to be read several times."""
    if list(paths).count(STANDARD_OUTPUT) > 1:
        raise InputError("standard input (-) can be read only once")


def _name(path: str) -> str:
    return "standard input" if path == STANDARD_OUTPUT else path
