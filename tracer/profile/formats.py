"""
Profiles from text and back: JSON for Docker, podman and OCI, YAML for a SeccompProfile resource.

Says which text is which; the values in it are `documents`', and files are the caller's.
"""

from __future__ import annotations

import json

from tracer import document
from tracer.errors import InputError
from tracer.profile import documents, model, yaml
from tracer.profile.model import Profile

# Docker's default profile has 16 kB; nobody writes by hand, or loads, what is larger than this.
READ_LIMIT = 16 * 1024 * 1024


def read(text: str, source: str) -> Profile:
    """
    Return the profile in a text of any dialect; `source` names it in messages.

    Raises InputError for what is no JSON and no YAML or no profile, DocumentError with everything
    that is wrong in a profile.
    """
    if not text.strip():
        raise InputError(f"{source}: empty")
    if len(text) > READ_LIMIT:
        raise InputError(f"{source}: too large", f"the limit is {READ_LIMIT} bytes")
    if text.lstrip().startswith(("{", "[")):
        return documents.profile_from(document.parse(text, source), source)
    return documents.profile_from(yaml.parse(text, source), source)


def write(profile: Profile) -> str:
    """Return the text of a profile in its own dialect, with a newline at its end."""
    value = documents.document_of(profile)
    if profile.dialect == model.SPO:
        return yaml.render(value)
    return json.dumps(value, indent="\t", ensure_ascii=False, allow_nan=False) + "\n"


def is_profile(text: str) -> bool:
    """Say whether a text is a profile, and so may be replaced by one."""
    try:
        read(text, "")
    except InputError:
        return False
    return True
