"""
Profiles from text and back: JSON for Docker, podman and OCI, YAML for a SeccompProfile resource.

Says which text is which; the values are `documents`' and `values`', files are the caller's.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import NamedTuple, Sequence, Tuple

from tracer.errors import InputError
from tracer.profile import bundles, documents, model, values, yaml
from tracer.profile.bundles import Member
from tracer.profile.keys import SPO_KIND, KeyFault
from tracer.profile.model import Layout, Profile

# Docker's default profile has 16 kB; nobody writes by hand, or loads, what is larger than this.
READ_LIMIT = 16 * 1024 * 1024

_ALONE = "a profile"
_FIRST_INDENT = re.compile(r"\s*[{\[]\n([ \t]{1,16})")


class Named(NamedTuple):
    """
    A profile in a file, with its name there, what to call it in messages, and faults of its keys.
    """

    name: str
    source: str
    profile: Profile
    faults: Tuple[KeyFault, ...] = ()


def read(text: str, source: str) -> Profile:
    """
    Return the one profile in a text of any dialect; `source` names it in messages.

    Raises InputError for what is no JSON and no YAML or no profile, and for several profiles;
    DocumentError with everything that is wrong in a profile. Refused, too, is what two readers
    would take differently.
    """
    return read_one(text, source).profile


def read_one(text: str, source: str, wanted: str = "") -> Named:
    """
    Return the profile in a text that is `wanted` by its name or number, or else the only one.

    Nothing is asked of the neighbours of a `wanted` one. Raises the errors of `read`.
    """
    _check(text, source)
    members = bundles.members_in(text, source)
    if len(members) > 1 and not wanted:
        tuple(map(_read, members))  # that one is no profile says more than that there are several
    return _read(_one_of(members, source, wanted))


def read_all(text: str, source: str) -> Tuple[Named, ...]:
    """
    Return the profiles in a text: several YAML documents, a list or a ConfigMap may hold many.

    Raises the errors of `read`.
    """
    _check(text, source)
    return tuple(map(_read, bundles.members_in(text, source)))


def _one_of(profiles: Sequence[Member], source: str, wanted: str) -> Member:
    """
    Return the profile that is `wanted` by its name or its number from 1, or else the only one.

    Raises InputError that lists the names if there is no such.
    """
    chosen = [profile for profile in profiles if wanted in ("", profile.name)]
    if not chosen and wanted.isascii() and wanted.isdigit():
        chosen = list(profiles[int(wanted[:9]) - 1 : int(wanted[:9])]) if int(wanted[:9]) else []
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(profile.name or str(number) for number, profile in enumerate(profiles, 1))
    found = f"holds {len(chosen)} profiles" if chosen else f"holds no profile {wanted!r}, but"
    raise InputError(f"{source}: {found}: {names}", "FILE#NAME, or FILE#NUMBER, names one")


def read_all_as_engines(text: str, source: str, wanted: str = "") -> Tuple[Named, ...]:
    """
    Return the profiles that engines take a text for, and what is wrong with their keys; only the
    profile that is `wanted` by its name or number, if any.

    For `lint` alone, which reports the faults. Raises all other errors of `read_all`.
    """
    _check(text, source)
    members = bundles.members_in(text, source, repeating=True)
    chosen = (_one_of(members, source, wanted),) if wanted else members
    return tuple(map(_read_as_engines, chosen))


def _read(member: Member) -> Named:
    profile = _resource(documents.profile_from(_value(member), member.source), member)
    profile = replace(_laid_out(profile, member), source=member.source)
    return Named(member.name, member.source, profile)


def _read_as_engines(member: Member) -> Named:
    profile, faults = documents.profile_as_engines_read(_value(member), member.source)
    return Named(member.name, member.source, _resource(profile, member), faults)


def _value(member: Member) -> object:
    if member.problem:
        raise member.problem
    return member.value


def _laid_out(profile: Profile, member: Member) -> Profile:
    return profile if member.text is None else replace(profile, layout=_layout_of(member.text))


def _check(text: str, source: str) -> None:
    if not text.strip():
        raise InputError(f"{source}: empty")
    if not _is_unicode(text):
        raise InputError(f"{source}: not UTF-8 text")
    if len(text) > READ_LIMIT:
        raise InputError(f"{source}: too large", f"the limit is {READ_LIMIT} bytes")


# Engines refuse YAML, and JSON behind a byte order mark or a comment, which YAML takes.
def _resource(profile: Profile, member: Member) -> Profile:
    if member.text is None and profile.dialect != model.SPO:
        raise InputError(
            f"{member.source}: a profile for engines and runtimes is JSON, and starts with {{",
            f"only a {SPO_KIND} may be YAML",
        )
    return profile


def write(profile: Profile) -> str:
    """
    Return the text of a profile in its own dialect, JSON in the layout in which it was read.

    Where that was as regular as programs write it, as Docker's and podman's default profiles are,
    an unchanged profile gives the very text that was read.
    """
    value = values.document_of(profile)
    if profile.dialect == model.SPO:
        return yaml.render(value)
    indent, end = profile.layout
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + end


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_profile(text: str) -> bool:
    """Say whether a text is a profile and nothing else, and so may be replaced by one."""
    try:
        (profile,) = read_all_as_engines(text, _ALONE)
    except (InputError, ValueError):
        return False
    return profile.source == _ALONE


def _layout_of(text: str) -> Layout:
    end = text[len(text.rstrip()) :]
    match = _FIRST_INDENT.match(text)
    return Layout(match[1] if match else None, end)
