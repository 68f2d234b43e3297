"""
Profiles that a person names on the command line, "-" among them.

What is wrong with one of them is an InputError, which `main` says in a line; what is in them is
decided elsewhere.
"""

from __future__ import annotations

import sys
from typing import Dict, Optional, Sequence, Tuple

from tracer import files
from tracer.cli import complain
from tracer.cli.bases import bases
from tracer.cli.file_names import file_and_name
from tracer.errors import InputError
from tracer.profile import formats
from tracer.profile.bases import with_base
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
    """
    The profile that a path names, with its base if --base gives it. Raises InputError.

    FILE#NAME is one of several in a file, by name or number; "-" and "-#NAME" (which click takes
    behind "--" only) are standard input.
    """
    file, wanted = file_and_name(path)
    named = formats.read_one(text_of(file, formats.READ_LIMIT), _name(file), wanted)
    return with_base(named, bases())


def profiles_in(paths: Sequence[str]) -> Tuple[Profile, ...]:
    """The profiles that several paths name, of which one may be "-". Raises InputError."""
    refuse_twice(paths)
    return tuple(map(profile_in, paths))


def all_as_engines_read(
    paths: Sequence[str],
) -> Dict[str, Tuple[Profile, Tuple[KeyFault, ...]]]:
    """
    All profiles in several files, as engines read them, and what is wrong with their keys.

    By what to call each in messages: a path as it was typed, or FILE#NAME. Raises InputError for
    all else that is wrong.
    """
    refuse_twice(paths)
    found: Dict[str, Tuple[Profile, Tuple[KeyFault, ...]]] = {}
    for path in paths:
        file, wanted = file_and_name(path)
        text = text_of(file, formats.READ_LIMIT)
        for member in formats.read_all_as_engines(text, file, wanted):
            found[member.source] = with_base(member, bases()), member.faults
    return found


def baseline_in(path: Optional[str]) -> Optional[Profile]:
    """
    The profile that --baseline names, None for no such option; raises InputError.

    What a program has laid out, as engines' default profiles are, is written back byte for byte;
    other layouts (several fields on a line, uneven indents) cannot be, which is said here.
    """
    if path is None:
        return None
    file, wanted = file_and_name(path)
    text = text_of(file, formats.READ_LIMIT)
    named = formats.read_one(text, _name(file), wanted)
    if named.source == _name(file) and formats.write(named.profile) != text:
        complain(
            f"{_name(file)}: laid out in a way that cannot be kept: the result says the same, but "
            "is laid out anew"
        )
    profile = with_base(named, bases())
    if profile.base:
        complain(f"{named.source}: no --base gives {profile.base!r}: its calls are added again")
    return profile


def refuse_twice(paths: Sequence[str]) -> None:
    """Raise InputError if standard input is to be read several times."""
    if [file_and_name(path)[0] for path in paths].count(STANDARD_OUTPUT) > 1:
        raise InputError("standard input (-) can be read only once")


def _name(path: str) -> str:
    return "standard input" if path == STANDARD_OUTPUT else path
