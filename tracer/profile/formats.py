"""
Profiles from text and back: JSON for Docker, podman and OCI, YAML for a SeccompProfile resource.

Says which text is which; the values are `documents`' and `values`', files are the caller's.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Tuple

from tracer import document
from tracer.errors import InputError
from tracer.profile import documents, model, values, yaml
from tracer.profile.keys import SPO_KIND, KeyFault
from tracer.profile.model import Layout, Profile

# Docker's default profile has 16 kB; nobody writes by hand, or loads, what is larger than this.
READ_LIMIT = 16 * 1024 * 1024

_FIRST_INDENT = re.compile(r"\s*[{\[]\n([ \t]{1,16})")


def read(text: str, source: str) -> Profile:
    """
    Return the profile in a text of any dialect; `source` names it in messages.

    Raises InputError for what is no JSON and no YAML or no profile, DocumentError with everything
    that is wrong in a profile. Refused, too, is what two readers would take differently.
    """
    _check(text, source)
    if _is_json(text):
        profile = documents.profile_from(document.parse(text, source), source)
        return replace(profile, layout=_layout_of(text))
    return _resource(documents.profile_from(yaml.parse(text, source), source), source)


def read_as_engines(text: str, source: str) -> Tuple[Profile, Tuple[KeyFault, ...]]:
    """
    Return the profile that engines take a text for, and what is wrong with its keys.

    For `lint` alone, which reports the faults. Raises all other errors of `read`.
    """
    _check(text, source)
    if _is_json(text):
        value = document.parse(text, source, repeating=True)
        return documents.profile_as_engines_read(value, source)
    value = yaml.parse(text, source, repeating=True)
    profile, faults = documents.profile_as_engines_read(value, source)
    return _resource(profile, source), faults


def _check(text: str, source: str) -> None:
    if not text.strip():
        raise InputError(f"{source}: empty")
    if not _is_unicode(text):
        raise InputError(f"{source}: not UTF-8 text")
    if len(text) > READ_LIMIT:
        raise InputError(f"{source}: too large", f"the limit is {READ_LIMIT} bytes")


def _is_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "["))


# Engines refuse YAML, and JSON behind a byte order mark or a comment, which YAML takes.
def _resource(profile: Profile, source: str) -> Profile:
    if profile.dialect != model.SPO:
        raise InputError(
            f"{source}: a profile for engines and runtimes has to be JSON, and start with {{",
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
    """Say whether a text is a profile, and so may be replaced by one."""
    try:
        read_as_engines(text, "")
    except InputError:
        return False
    return True


def _layout_of(text: str) -> Layout:
    end = text[len(text.rstrip()) :]
    match = _FIRST_INDENT.match(text)
    return Layout(match[1] if match else None, end)
