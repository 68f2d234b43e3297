"""
From recordings to files: where profiles and recordings go, and that nothing is lost on the way.

Where a file is to be is checked before anything is recorded; what cannot be written there in the
end (a full disk) is saved elsewhere and said. A recording that is not complete never gets the name
that was asked for.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence, Set, Tuple

from tracer import files
from tracer.cli import complain
from tracer.errors import InputError, OutputError
from tracer.files import Destination
from tracer.profile.making import Made
from tracer.profile.reading import is_profile
from tracer.recording import Recording, from_json, is_recording, to_json

STANDARD_OUTPUT = "-"
INCOMPLETE = ".incomplete"
PROFILE_SUFFIX = ".seccomp.json"
RECORDING_SUFFIX = ".recording.json"


@dataclass(frozen=True)
class Written:
    """Where a recording's profile, and the recording itself if it was kept, are now."""

    profile: str
    recording: str


class Results:
    """
    Where the results of one command go: a context manager that holds the destinations open.

    `output` is what -o says, or None: a file, a directory, or "-". Raises OutputError when made if
    something could not be written there.
    """

    def __init__(self, output: Optional[str], recording: Optional[str] = None) -> None:
        self._open = ExitStack()
        self._file: Optional[Destination] = None
        self._recording: Optional[Destination] = None
        self.to_standard_output = output == STANDARD_OUTPUT
        self._directory: Optional[str] = None
        if output is not None and (output.endswith("/") or os.path.isdir(output)):
            self._directory = output
            if not os.path.isdir(output):
                raise OutputError(f"{output}: no such directory", f"mkdir -p {output}")
        elif output is not None and not self.to_standard_output:
            self._file = self._open.enter_context(files.prepare(output, is_profile))
        if recording is not None:
            self._recording = self._open.enter_context(files.prepare(recording, is_recording))
        self._taken: Set[str] = set()

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def check_number(self, recordings: Sequence[Recording]) -> None:
        """
        Raise OutputError if there are more results than the file that was named can take.

        Everything is saved elsewhere first, and the error says where.
        """
        if len(recordings) < 2 or (self._file is None and self._recording is None):
            return
        names = ", ".join(recording.name for recording in recordings)
        saved = [
            files.write_somewhere(to_json(one), one.name + RECORDING_SUFFIX) for one in recordings
        ]
        raise OutputError(
            f"{len(recordings)} containers were recorded ({names}), which do not fit in one file; "
            f"the recordings are in {', '.join(saved)}",
            "seccomp-trace generate makes profiles of them; -o DIR/ takes several",
        )

    def write(self, recording: Recording, made: Made) -> Written:
        """Write one recording's results. What fails is saved elsewhere: OutputError says where."""
        kept = ""
        name = self._unused(recording)
        suffix = "" if recording.complete else INCOMPLETE
        if self._recording is not None:
            kept = _save(self._recording, to_json(recording))
        elif self._directory is not None:
            path = os.path.join(self._directory, name + RECORDING_SUFFIX)
            kept = _save_new(path, to_json(recording), is_recording)
        if self.to_standard_output and recording.complete:
            sys.stdout.write(made.text)
            sys.stdout.flush()
            return Written("standard output", kept)
        if self._file is not None:
            return Written(self._save_file(made.text, suffix), kept)
        path = os.path.join(self._directory or "", name + PROFILE_SUFFIX + suffix)
        return Written(_save_new(path, made.text, is_profile), kept)

    def _save_file(self, text: str, suffix: str) -> str:
        assert self._file is not None
        if not suffix:
            return _save(self._file, text)
        with self._file.beside(suffix) as beside:
            return _save(beside, text)

    def _unused(self, recording: Recording) -> str:
        """A name that no other result has; without -o, none that is there already either."""
        for name in _numbered(recording.name):
            exists = self._is_default() and os.path.lexists(name + PROFILE_SUFFIX)
            if name not in self._taken and not exists:
                break
        if name != recording.name and recording.name not in self._taken:
            complain(f"{recording.name}{PROFILE_SUFFIX} is there already and was left alone")
        self._taken.add(name)
        return name

    def _is_default(self) -> bool:
        return self._file is None and self._directory is None and not self.to_standard_output


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _save_new(path: str, text: str, is_replaceable: Callable[[str], bool]) -> str:
    try:
        destination = files.prepare(path, is_replaceable)
    except OutputError as error:
        raise _saved_elsewhere(error, path, text) from error
    with destination:
        return _save(destination, text)


def _save(destination: Destination, text: str) -> str:
    try:
        destination.write(text)
    except OutputError as error:
        raise _saved_elsewhere(error, destination.path, text) from error
    return destination.path


def _saved_elsewhere(error: OutputError, path: str, text: str) -> OutputError:
    where = files.write_somewhere(text, os.path.basename(path))
    return OutputError(f"{error.message}; it was saved as {where} instead", error.hint)


def incomplete_lines(recording: Recording) -> List[str]:
    """Why a recording is not complete, a line each."""
    return [f"{recording.name}: {one.text} ({one.count})" for one in recording.reasons]


def read_recordings(paths: Sequence[str]) -> Tuple[Recording, ...]:
    """The recordings in these files; "-" is standard input. Raises InputError."""
    return tuple(from_json(text_of(path), path) for path in paths)


def text_of(path: str) -> str:
    """A file's text, or standard input's for "-". Raises InputError."""
    if path != STANDARD_OUTPUT:
        return files.read_text(path)
    text = sys.stdin.read(files.READ_LIMIT + 1)
    if len(text) > files.READ_LIMIT:
        raise InputError("standard input: too large", f"the limit is {files.READ_LIMIT} bytes")
    return text
