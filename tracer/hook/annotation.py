"""
What a container's annotations ask for: which profile is to be written, on top of which baseline.

The annotation is that of oci-seccomp-bpf-hook, `of:/abs/path` and perhaps `if:/abs/path`, separated
by `;`, read as its parseAnnotation reads it (version 1.2.11, commit 53c4e0a) but for what follows.
Its author may be nobody that root trusts, so what cannot be meant is refused here: a key given
twice (there the last one wins), `..`, control characters (there a newline at the end is cut off),
and a value longer than any two paths. Whether the paths may be used is `places`' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Optional

from tracer.errors import InputError
from tracer.text import printable

KEY = "io.containers.trace-syscall"
# Ours: the recording itself is kept there, for `generate` and `check`.
RECORDING_KEY = "io.seccomp-trace.recording"

OUTPUT, BASELINE = "of", "if"
LIMIT = 8192  # bytes: two paths of PATH_MAX
_SHOWN = 60
_FORM = "write of:/absolute/path, or if:/absolute/path;of:/absolute/path"


@dataclass(frozen=True)
class Request:
    """
    What one container's annotations ask for, each an absolute path that goes only downwards.

    `output` is where the profile goes, `baseline` what it extends, `recording` where the recording
    is kept.
    """

    output: str
    baseline: Optional[str] = None
    recording: Optional[str] = None


def request_in(annotations: Mapping[str, str]) -> Optional[Request]:
    """Return what the annotations ask for, None if it is nothing of ours; raises InputError."""
    value = annotations.get(KEY)
    if value is None:
        return None
    paths = _paths_in(value)
    if OUTPUT not in paths:
        raise InputError(f"{KEY}: no of: says where the profile goes", _FORM)
    recording = annotations.get(RECORDING_KEY)
    if recording is not None:
        _check_value(RECORDING_KEY, recording)
        _check_path(RECORDING_KEY, recording)
        if _same(recording, paths[OUTPUT]):
            raise InputError(f"{RECORDING_KEY}: names the profile's own file", "name another one")
    return Request(paths[OUTPUT], paths.get(BASELINE), recording)


def _paths_in(value: str) -> Dict[str, str]:
    _check_value(KEY, value)
    paths: Dict[str, str] = {}
    for part in value.split(";"):
        key, _, path = part.partition(":")
        if key not in (OUTPUT, BASELINE) or ":" not in part:
            raise InputError(f"{KEY}: {_quoted(part)} is neither of: nor if:", _FORM)
        if key in paths:
            raise InputError(f"{KEY}: {key}: is given twice", _FORM)
        paths[key] = path.strip(" ")
        _check_path(f"{KEY}: {key}:", paths[key])
    return paths


def _check_value(key: str, value: str) -> None:
    if len(value) > LIMIT or len(value.encode("utf-8", "surrogatepass")) > LIMIT:
        raise InputError(f"{key}: longer than {LIMIT} bytes", "name shorter paths")
    if not value.isprintable():
        raise InputError(
            f"{key}: has control characters: {_quoted(value)}", "name the path without them"
        )


def _check_path(what: str, path: str) -> None:
    parts = path.split("/")
    if not path.startswith("/"):
        raise InputError(f"{what} {_quoted(path)} is no absolute path", "begin it with /")
    if ".." in parts:
        raise InputError(f"{what} {_quoted(path)} has a .. in it", "name the place itself")
    if parts[-1] in ("", "."):
        raise InputError(f"{what} {_quoted(path)} names no file", "add a file name")


def _same(one: str, other: str) -> bool:
    first, second = (
        [part for part in path.split("/") if part not in ("", ".")] for path in (one, other)
    )
    return first == second


def _quoted(text: str) -> str:
    return f'"{printable(text, _SHOWN)}"'
