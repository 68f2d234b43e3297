"""
`seccomp-trace diff`: what a container would notice of a changed profile.
"""

from __future__ import annotations

import json
import os
import sys

import click

from tracer.cli.bases import base
from tracer.cli.given import profiles_in


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@base
@click.argument("old")
@click.argument("new")
def diff(form: str, old: str, new: str) -> int:
    """
    Show what NEW decides differently from OLD: what became looser first.

    Exit code 0 if the two decide alike, however they are written, 1 if not. Either may be -,
    standard input.
    """
    before, after = profiles_in((old, new))
    if form == "text" and before == after:
        click.echo(_ALIKE)
        return 0
    from tracer.cli import differences
    from tracer.profile.compare import compare

    changes = compare(before, after)
    if form == "json":
        click.echo(json.dumps(differences.document(changes), indent=1))
    elif changes:
        for line in differences.lines(changes):
            click.echo(line, color=_is_terminal())
    else:
        click.echo(_ALIKE)
    return 1 if changes else 0


_ALIKE = "the two decide alike"


# NO_COLOR: no-color.org.
def _is_terminal() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
