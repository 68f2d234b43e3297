"""
From recordings to files: where profiles and recordings go, and that nothing is lost on the way.

Where a file is to be is checked before anything is recorded; what cannot be written there in the
end (a full disk) is saved elsewhere and said. A recording that is not complete never gets the name
that was asked for.
"""

from __future__ import annotations

import gc
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from tracer import files
from tracer.cli import complain, say
from tracer.cli.given import STANDARD_OUTPUT, text_of
from tracer.errors import OutputError
from tracer.files import Destination
from tracer.profile.making import Made, Wanted, make
from tracer.profile.formats import is_profile
from tracer.recording import Recording, from_json, is_recording, to_json

INCOMPLETE = ".incomplete"
PROFILE_SUFFIX = ".seccomp.json"
RECORDING_SUFFIX = ".recording.json"
REASONS_SHOWN = 20


class Saved(NamedTuple):
    """Where a text is now, and whether that is where it was asked to be."""

    place: str
    as_asked: bool


@dataclass(frozen=True)
class Written:
    """
    Where a recording's profile, and the recording itself if it was kept, are now.

    `as_asked`: both are where they were asked to be, and complete (`is_complete`). `complete`: they
    are that, wherever they are.
    """

    profile: str
    recording: str
    as_asked: bool
    complete: bool = True


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
            if recording is not None:
                raise OutputError(
                    f"{recording}: one file cannot take the recordings of several containers",
                    f"leave --recording out: they are kept in {output}",
                )
        elif output is not None and not self.to_standard_output:
            self._file = self._open.enter_context(files.prepare(output, is_profile))
        if recording is not None:
            if output is not None and os.path.realpath(output) == os.path.realpath(recording):
                raise OutputError(
                    f"{recording}: cannot be both the profile and the recording", "name two files"
                )
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
        """
        Write one recording's results; what cannot be written as asked is saved elsewhere, and said.

        Raises OutputError if there is no room anywhere.
        """
        name = self._unused(recording)
        complete = is_complete(recording, made)
        kept, kept_as_asked = self._keep(
            to_json(recording), name, "" if recording.complete else INCOMPLETE
        )
        profile, as_asked = self._write_profile(made.text, name, "" if complete else INCOMPLETE)
        return Written(profile, kept, as_asked and kept_as_asked and complete, complete)

    def rewrite(self, recording: Recording, made: Made, written: Written) -> Written:
        """
        Write the results of a recording that has come to know more where they were written before,
        the recording if it was kept at all. What has lost its completeness is put beside them.

        Raises OutputError if there is no room anywhere.
        """
        complete = is_complete(recording, made)
        suffix = INCOMPLETE if written.complete and not complete else ""
        kept = Saved("", True)
        if written.recording:
            kept = _save_new(written.recording + suffix, to_json(recording), is_recording)
        profile = _save_new(written.profile + suffix, made.text, is_profile)
        as_asked = written.as_asked and kept.as_asked and profile.as_asked and complete
        return Written(profile.place, kept.place, as_asked, complete)

    def _keep(self, text: str, name: str, suffix: str) -> Saved:
        if self._recording is not None:
            return _save_beside(self._recording, suffix, text)
        if self._directory is not None:
            path = os.path.join(self._directory, name + RECORDING_SUFFIX + suffix)
            return _save_new(path, text, is_recording)
        return Saved("", True)

    def _write_profile(self, text: str, name: str, suffix: str) -> Saved:
        if self.to_standard_output and not suffix:
            return _print(text, name + PROFILE_SUFFIX)
        if self._file is not None:
            return _save_beside(self._file, suffix, text)
        path = os.path.join(self._directory or "", name + PROFILE_SUFFIX + suffix)
        return _save_new(path, text, is_profile)

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


def _save_new(path: str, text: str, is_replaceable: Callable[[str], bool]) -> Saved:
    try:
        destination = files.prepare(path, is_replaceable)
    except OutputError as error:
        return _save_elsewhere(error, path, text)
    with destination:
        return _save(destination, text)


def _save_beside(destination: Destination, suffix: str, text: str) -> Saved:
    if not suffix:
        return _save(destination, text)
    with destination.beside(suffix) as beside:
        return _save(beside, text)


def _save(destination: Destination, text: str) -> Saved:
    try:
        destination.write(text)
    except OutputError as error:
        return _save_elsewhere(error, destination.path, text)
    return Saved(destination.path, True)


# Not through sys.stdout, whose buffer would be tried again, in vain, when the interpreter ends.
def _print(text: str, name: str) -> Saved:
    try:
        with open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
            stream.write(text)
    except OSError as error:
        problem = OutputError(f"standard output: cannot be written: {error.strerror}")
        return _save_elsewhere(problem, name, text)
    return Saved("standard output", True)


def _save_elsewhere(error: OutputError, path: str, text: str) -> Saved:
    where = files.write_somewhere(text, os.path.basename(path))
    complain(OutputError(f"{error.message}; it was saved as {where} instead", error.hint))
    return Saved(where, False)


def deliver(results: Results, wanted: Wanted, recording: Recording) -> Optional[Written]:
    """Make a profile, write the results and say so; None if they could not be written."""
    from tracer.report.summary import summary

    made = make(recording, wanted)
    for message in made.messages:
        complain(message)
    try:
        written = results.write(recording, made)
    except OutputError as error:
        complain(error)
        return None
    say(summary(recording, made, written.profile, written.recording))
    for line in incomplete_lines(recording, made):
        complain(f"not complete: {line}")
    return written


def deliver_anew(
    results: Results, wanted: Wanted, recording: Recording, written: Written
) -> Optional[Written]:
    """Make a profile again, of a recording that has come to know more; as `deliver`."""
    made = make(recording, wanted)
    try:
        rewritten = results.rewrite(recording, made, written)
    except OutputError as error:
        complain(error)
        return None
    for line in incomplete_lines(recording, made) if written.complete else ():
        complain(f"not complete: {line}")
    return rewritten


def is_complete(recording: Recording, made: Made) -> bool:
    """Say whether nothing speaks against the recording, nor against the profile made of it."""
    return recording.complete and not made.reasons


def incomplete_lines(recording: Recording, made: Optional[Made] = None) -> List[str]:
    """Return why they are not complete, a line each, not more than a person reads."""
    reasons = (*recording.reasons, *(made.reasons if made else ()))
    lines = [f"{recording.name}: {reason.text} ({reason.count})" for reason in reasons]
    more = len(lines) - REASONS_SHOWN
    return lines[:REASONS_SHOWN] + (
        [f"{recording.name}: and {more} more reasons"] if more > 0 else []
    )


def read_recordings(paths: Sequence[str]) -> Tuple[Recording, ...]:
    """The recordings in these files; "-" is standard input. Raises InputError."""
    with _without_collector():
        return tuple(from_json(text_of(path), path) for path in paths)


# Reading many makes millions of objects and no garbage; the collector would only look through all
# of them again and again, which takes a third of the time.
@contextmanager
def _without_collector() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
