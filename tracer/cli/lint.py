"""
`seccomp-trace lint`: what is suspicious about profiles by themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Mapping, Optional, Sequence, Tuple

import click

from tracer.capabilities.given import named_sets
from tracer.capabilities.required import required
from tracer.cli import complain, options
from tracer.cli.bases import base
from tracer.cli.file_names import file_and_name
from tracer.cli.given import all_as_engines_read, refuse_twice
from tracer.cli.printing import print_json, print_line
from tracer.cli.required import incomplete_lines as required_lines
from tracer.cli.results import incomplete_lines, read_recordings
from tracer.errors import InputError
from tracer.profile.floor_choice import ALL, AUTO, EXACT, FloorChoice, choose
from tracer.profile.floors import Floor
from tracer.profile.lint import lint as remarks_on
from tracer.profile.releases import OLDEST, Release
from tracer.profile.remarks import SEVERITIES, WARNING, Needs, Remark
from tracer.recording import Recording, merge
from tracer.text import printable

_Found = Mapping[str, Tuple[Remark, ...]]
_TEXT, _JSON, _SARIF = "text", "json", "sarif"
_LINE = 600


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice([_TEXT, _JSON, _SARIF]),
    default=_TEXT,
    show_default=True,
)
@click.option(
    "--fail-on",
    type=click.Choice(list(SEVERITIES)),
    default=WARNING,
    show_default=True,
    help="Exit with 1 if there is a remark of this severity or a graver one.",
)
@options.libseccomp("The oldest libseccomp that the profile is for.", OLDEST)
@click.option(
    "--runtime-floor",
    "runtime_floor",
    default=ALL,
    show_default=True,
    metavar="all|none|NAME[-VERSION],...",
    help="Runtimes under which containers have to start: all measured, as notes, none, or these.",
)
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    metavar="FILE",
    help="A recording of the container: say what does not go with the capabilities it needs.",
)
@options.caps("The same with these capabilities instead of those that were recorded as needed.")
@base
@click.argument("profiles", nargs=-1, required=True, metavar="PROFILE...")
def lint(
    form: str,
    fail_on: str,
    release: Release,
    runtime_floor: str,
    recordings: Tuple[str, ...],
    sets: Tuple[str, ...],
    profiles: Tuple[str, ...],
) -> int:
    """
    Say what is suspicious about each PROFILE: code, severity, place and remedy.

    Of a file that holds several profiles each is judged, as FILE#NAME. Exit code 1 if there is
    anything as grave as --fail-on says. One PROFILE may be -.

    \b
    error    unloadable              libseccomp refuses the rules
    error    base-missing            the base of a SeccompProfile: --base names it
    error    operator-refuses        a value that a SeccompProfile cannot have
    error    permissive-default      calls that no rule names are let through
                                     (a warning where others are denied)
    error    case-folded-key         engines take it for another key
    error    duplicate-key           the last one counts
    error    ignored-field           not read in this kind of document
    error    null-list               null where a list belongs
    warning  unknown-call            misspelt, or no call
    warning  never-matches           nothing can meet the rule
    warning  shadowed                another rule for the call always holds
    warning  alternative-conditions  two conditions on one argument: any suffices
    warning  socketcall-open         open to 32-bit programs by socketcall
    warning  ipc-open                open to 32-bit programs by ipc
    warning  eperm-for-probed        C libraries expect ENOSYS there
    warning  dangerous-call          risky, with any arguments (a note if usual)
    warning  unknown-field           misspelt (a note if nothing resembles it)
    note     floor-missing           containers do not start under a measured
                                     runtime (an error if under none, or
                                     if --runtime-floor names it)
    note     missing-32-bit          32-bit programs are killed
    note     needs-libseccomp        an older libseccomp ignores the rule
    note     foreign-call            no named architecture has the call
    note     duplicate               said twice
    note     containerd-drops        conditional for podman and docker only
    note     never-succeeds          takes a capability that is not needed
    note     serves-nothing          a capability whose calls are all denied

    The last two take --recording or --caps.
    """
    choice, floors = _floors(runtime_floor)
    refuse_twice((*profiles, *recordings))
    needs = _needs(recordings, sets)
    named = bool(choice.names)
    found = {
        path: remarks_on(profile, release, needs, floors, faults, must_start=named)
        for path, (profile, faults) in all_as_engines_read(profiles).items()
    }
    _PRINTERS[form](found)
    grave = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return 1 if any(one.severity in grave for some in found.values() for one in some) else 0


def _needs(recordings: Sequence[str], sets: Sequence[str]) -> Optional[Needs]:
    """What the container needs, as far as options tell."""
    if not recordings:
        return Needs(named_sets(sets)) if sets else None
    whole = merge(*read_recordings(recordings))
    found = required(whole)
    if found.unknown:
        raise InputError(
            "--recording: not all runs have capability checks",
            "seccomp-trace caps required says why; --caps names a set instead",
        )
    for line in (*incomplete_lines(whole), *required_lines(found, len(whole.runs))):
        complain(f"not complete: {line}")
    calls = {one.capability: frozenset(use.call for use in one.uses) for one in found.needed}
    return Needs(named_sets(sets) if sets else frozenset(found.capabilities), calls)


def _floors(value: str) -> Tuple[FloorChoice, Tuple[Floor, ...]]:
    """What --runtime-floor says, and the floors to judge by."""
    choice, known = options.floors_for(value)
    if choice.word in (AUTO, EXACT):
        raise click.BadParameter(
            f"{value} is about the runtime that ran, which `check` knows of a recording",
            param_hint="--runtime-floor",
        )
    return choice, choose(Recording(), choice, known).floors


def _print_text(found: _Found) -> None:
    for path, remarks in found.items():
        for one in remarks:
            line = f"{path}: {one.place}: {one.severity}: {one.message} [{one.code}]"
            print_line(printable(f"{line} -> {one.remedy}", _LINE))
    severities = [one.severity for some in found.values() for one in some]
    print_line(", ".join(f"{severity}s: {severities.count(severity)}" for severity in SEVERITIES))


def _print_json(found: _Found) -> None:
    document: Dict[str, object] = {
        "format": "seccomp-trace lint",
        "version": 1,
        "remarks": [
            {
                "file": path,
                "code": one.code,
                "severity": one.severity,
                "place": one.place,
                "message": one.message,
                "remedy": one.remedy,
            }
            for path, remarks in found.items()
            for one in remarks
        ],
    }
    print_json(document)


def _print_sarif(found: _Found) -> None:
    from tracer.profile.sarif import document

    by_file: Dict[str, Tuple[Remark, ...]] = {}
    for path, remarks in found.items():
        file, name = file_and_name(path)
        inside = f"{name}: " if name else ""
        named = (replace(remark, place=f"{inside}{remark.place}") for remark in remarks)
        by_file[file] = (*by_file.get(file, ()), *named)
    print_json(document(by_file))


_PRINTERS = {_TEXT: _print_text, _JSON: _print_json, _SARIF: _print_sarif}
