"""
`seccomp-trace merge`: several profiles to one that lets through what any of them does.
"""

from __future__ import annotations

from typing import Callable, Mapping, Sequence, Tuple

import click

from tracer import files
from tracer.cli import complain
from tracer.cli.bases import base
from tracer.cli.given import STANDARD_OUTPUT, profiles_in
from tracer.cli.printing import print_document
from tracer.profile import combine, formats
from tracer.profile.combine import Conflict

_SENTENCES: Mapping[str, Callable[[Conflict, str, str], str]] = {
    combine.DENIED_BY_FIRST: lambda one, other, first: (
        f"{', '.join(one.names)}: {other} allows what {first} denies ({one.stands}), and so left"
    ),
    combine.MIXED: lambda one, other, first: (
        f"{', '.join(one.names)}: {other} allows some uses that may overlap with those that it "
        "denies; these were not taken over"
    ),
    combine.ENOSYS_LEFT: lambda one, other, first: (
        f"{', '.join(one.names)}: {other} answers ENOSYS, which C libraries expect; not taken "
        f"over, since {first} denies the call by a rule or by a default that is no ERRNO, or since "
        "some arguments are answered otherwise"
    ),
    combine.ENOSYS_TAKEN: lambda one, other, first: (
        f"{', '.join(one.names)}: answered ENOSYS, as {other} does, instead of the default of "
        f"{first}; C libraries can do without"
    ),
    combine.DENIAL_LEFT: lambda one, other, first: (
        f"{', '.join(one.names)}: denied by a rule of {other}, which is not taken over; only "
        f"those of {first} are"
    ),
    combine.CROSSED: lambda one, other, first: (
        f"{', '.join(one.names)}: {other} denies other uses than the others do; all of them are "
        "denied now"
    ),
    combine.DEFAULT_OPENED: lambda one, other, first: (
        f"the default of {other} ({', '.join(one.names)}) lets every other call through; so does "
        "the merged profile"
    ),
    combine.ARCHITECTURE_ADDED: lambda one, other, first: (
        f"{', '.join(one.names)}: named by {other} but not by {first}; all that is allowed is "
        "allowed there too"
    ),
}


@click.command()
@click.option(
    "-o", "--output", metavar="PROFILE", default=STANDARD_OUTPUT, help="[standard output]"
)
@base
@click.argument("profiles", nargs=-1, required=True, metavar="BASELINE PROFILE...")
def merge(output: str, profiles: Tuple[str, ...]) -> int:
    """
    Write one profile that lets through what any of these profiles does.

    The first is the baseline: what it denies by a rule stays denied, its rules stay as they are,
    what is new comes after them. Each disagreement is told on standard error. One PROFILE may be -,
    standard input.

    Where profiles disagree, the first line that applies to a call decides:

    \b
    - the first denies it, or a use of it, by a rule: what it says of the call
      stands, the strictest rule included
    - a later one allows uses that may overlap with those it denies itself:
      that permission is not taken over
    - a later one answers ENOSYS to a call that C libraries can do without
      (clone3): so does the result where nothing allows it, instead of the first
      one's default errno; but not if the first one denies it by a rule or by a
      default that kills, or if some arguments are answered otherwise
    - a later one denies it by a rule: not taken over; who allows it, or else
      the default, decides
    - the default lets through, and the denials of several differ: all stand
    - a later one's default lets through, the first one's does not: the
      result's does; what none lets through is denied by rule
    - a later one names another architecture: it is added, and all that is
      allowed is allowed there too
    """
    merged = combine.merge(*profiles_in(profiles))
    for conflict in merged.conflicts:
        complain(sentence(conflict, profiles))
    write(formats.write(merged.profile), output)
    return 0


def sentence(conflict: Conflict, paths: Sequence[str]) -> str:
    """What became of a disagreement, for a person."""
    return _SENTENCES[conflict.kind](conflict, paths[conflict.source], paths[0])


def write(text: str, output: str) -> None:
    """A profile to a file, or to standard output for "-"."""
    if output == STANDARD_OUTPUT:
        print_document(text)
        return
    with files.prepare(output, formats.is_profile) as destination:
        destination.write(text)
