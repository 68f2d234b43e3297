"""
What the commands that try a profile have in common: their options, what is checked before anything
runs, and the file that an engine reads the profile from.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence, Tuple, TypeVar

import click

from tracer import files
from tracer.cli import complain, options
from tracer.cli.given import STANDARD_OUTPUT
from tracer.container.arguments import EngineCall, find_engine
from tracer.container.places import lasting_places
from tracer.errors import InputError, OutputError
from tracer.profile import formats, model
from tracer.profile.model import Profile

Decorated = TypeVar("Decorated", bound=Callable[..., object])

# An engine without root reads it there, too; TMPDIR may be private.
PLACE = Path("/run/seccomp-trace")
PREFIX = "trial-"


def drive(command: Decorated) -> Decorated:
    """--drive."""
    return click.option(
        "--drive", metavar="COMMAND", help="What exercises the container; its exit code counts."
    )(command)


def exit_code(command: Decorated) -> Decorated:
    """--exit-code."""
    return click.option(
        "--exit-code",
        "status",
        type=click.IntRange(0, 255),
        default=0,
        show_default=True,
        metavar="N",
        help="What the command ends with if all is well.",
    )(command)


def timeout(command: Decorated) -> Decorated:
    """--timeout."""
    return click.option(
        "--timeout", "limit", type=options.Seconds(), metavar="S", help="Kill a run after S s."
    )(command)


def engine_call(command: Sequence[str], gift: str = "the profile") -> EngineCall:
    """The `run` of podman or docker in a command. Raises InputError if there is none."""
    call = find_engine(command)
    if call is None or call.verb != "run":
        raise InputError(
            f"{command[0]}: no podman run or docker run, so there is nothing to give {gift} to"
        )
    _check_program(command[0], "the command")
    return call


def drive_words(text: Optional[str]) -> Tuple[str, ...]:
    """What --drive says, as words; no shell is in it. Raises InputError."""
    if text is None:
        return ()
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"--drive: {error}", "quote it as a shell would have it") from error
    if not words:
        raise InputError("--drive: no command")
    _check_program(words[0], "--drive")
    return words


def _check_program(name: str, what: str) -> None:
    if shutil.which(name) is None:
        raise InputError(f"{what}: {name}: no such program", "check the name and PATH")


def lasting_lines(command: Sequence[str], call: EngineCall) -> Iterator[str]:
    """What to say of a command whose runs are not alike for what they leave outside: one line."""
    places = lasting_places(command, call)
    if places:
        yield (
            f"what an earlier run has left in {', '.join(places)} is there in later ones: what is "
            "needed only where it is not there yet is not missed"
        )


@contextmanager
def destination(output: str) -> Iterator[Optional[files.Destination]]:
    """Where a profile is to be written; None for standard output. Raises OutputError."""
    if output == STANDARD_OUTPUT:
        yield None
        return
    with files.prepare(output, formats.is_profile) as place:
        yield place


def for_engine(profile: Profile) -> str:
    """The text of a profile that podman and docker take. Raises InputError, for a base, too."""
    if profile.dialect in (model.DOCKER, model.PODMAN):
        return formats.write(profile)
    if profile.base:
        raise InputError(
            profile.says(f"the profile adds to {profile.base!r}, which is not at hand"),
            "--base FILE names a file that holds it",
        )
    from tracer.profile.convert import convert

    converted = convert(profile, model.DOCKER)
    for loss in converted.losses:
        complain(f"not given to the engine: {loss}")
    return converted.content.decode()


class Shelf:
    """Where profiles lie while they are tried."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, profile: Profile) -> str:
        """
        The path of a profile that an engine can read, until the next one takes its place.

        Raises OutputError.
        """
        path = self._directory / "profile.json"
        text = for_engine(profile)
        try:
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
            path.chmod(0o644)
        except OSError as error:
            raise _unwritable(path, error) from error
        return str(path)


@contextmanager
def shelf(place: Path = PLACE) -> Iterator[Shelf]:
    """A directory for profiles, for the time being. Raises OutputError."""
    try:
        place.mkdir(exist_ok=True)
        place.chmod(0o755)
        _tidy(place)
        directory = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place)
        os.chmod(directory, 0o755)
    except OSError as error:
        raise _unwritable(place, error) from error
    try:
        yield Shelf(Path(directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> OutputError:
    hint = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "be root"
    return OutputError(f"{path}: cannot be written: {error.strerror}", hint)


def _tidy(place: Path) -> None:
    """Remove what commands have left that were killed."""
    for left in place.glob(f"{PREFIX}*"):
        process = left.name[len(PREFIX) :].partition("-")[0]
        if process.isdecimal() and not os.path.exists(f"/proc/{process}"):
            shutil.rmtree(left, ignore_errors=True)
