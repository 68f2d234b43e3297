"""
`seccomp-trace doctor`: a line for each thing that recording depends on.
"""

from __future__ import annotations

import click

from tracer.cli import complain
from tracer.cli.printing import print_line
from tracer.container import survey
from tracer.finding import BAD, Finding
from tracer.kernel import probe
from tracer.host_floors import measured
from tracer.profile.floor_choice import is_measured
from tracer.session.assembly import this_host
from tracer.text import printable


@click.command()
def doctor() -> int:
    """
    Check privilege, kernel, BTF, bcc, engines and runtimes; say what to do about what is missing.

    Exit code 0 if run can work here, 1 if not.
    """
    known, architecture = measured(), this_host().architecture
    if known.problem:
        complain(known.problem)
    found = probe.findings() + survey.findings(
        lambda runtime, version: is_measured(runtime, version, architecture, known.floors)
    )
    for finding in found:
        print_line(line(finding))
    return 1 if any(finding.verdict == BAD for finding in found) else 0


def line(one: Finding) -> str:
    """A finding in one line."""
    remedy = f" -> {one.remedy}" if one.remedy else ""
    return f"{one.verdict:4}  {one.subject:12}  {printable(one.text + remedy, 300)}"
