"""
`seccomp-trace watch`: what filters deny, as it happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Optional, Sequence, Tuple

import click

from tracer.cli import complain, options
from tracer.cli.printing import is_terminal, print_document, print_line
from tracer.text import printable

if TYPE_CHECKING:
    from tracer.session.watching import Denial

LOST = 1
KEPT_APART = 10000  # kinds that a terminal's counts are kept of: a watch may run for weeks


@click.command()
@click.argument("containers", nargs=-1)
@options.form
@click.option("--duration", type=options.Seconds(), metavar="S", help="Stop after S s.")
def watch(containers: Tuple[str, ...], form: str, duration: Optional[float]) -> int:
    """
    Tell what seccomp filters deny in CONTAINERs, or in all of them, until Ctrl-C.

    CONTAINER is a name, an id or the beginning of one, and may start later. On a terminal a denial
    is told once for each container, program, call and answer; how often it came is said at the end.
    Exit code 1 if something could not be told.

    What is logged, and which way somebody was killed, is read from the kernel's audit messages,
    beside auditd or without: this takes the host's own network namespace, CAP_AUDIT_READ, and the
    answer in /proc/sys/kernel/seccomp/actions_logged. A container has room for 1024 kinds of
    denials; when all room gets scarce, what has been quiet for half a minute gives way.

    What a filter's supervisor (SCMP_ACT_NOTIFY) answers with an error is told, too. The answer to a
    vsyscall is not visible: each that a filter was asked about is told so, denied or not, and the
    exit code is 1.
    """
    from tracer.session.command import Signals
    from tracer.session.watching import Plan
    from tracer.session.watching import watch as watch_for

    report: Callable[[Sequence[Denial]], None] = _print_all
    folded = _Folded()
    if form == "json":
        report = _print_json
    elif is_terminal():
        report = folded.print_new
    with Signals() as signals:
        losses = watch_for(Plan(containers, duration), signals, report, complain)
    folded.print_counts()
    for reason, count in losses.reasons.items():
        complain(f"not told: {count} {reason}")
    return LOST if losses.reasons else 0


def _print_all(found: "Sequence[Denial]") -> None:
    from tracer.report.denials import line_of
    from tracer.session.assembly import this_host

    native = this_host().architecture
    for one in found:
        print_line(line_of(one, native))


def _print_json(found: "Sequence[Denial]") -> None:
    from tracer.report.denials import json_of

    for one in found:
        print_document(json_of(one) + "\n")


class _Folded:
    """For a terminal: what is new, and in the end how often it came."""

    def __init__(self) -> None:
        self._counts: Dict[Tuple[str, str, str, str], int] = {}
        self._before = 0

    def print_new(self, found: "Sequence[Denial]") -> None:
        """Print what has not been printed yet."""
        for one in found:
            key = one.name, one.executable, one.syscall, one.answer
            if key not in self._counts:
                _print_all([one])
            self._counts[key] = self._counts.get(key, 0) + one.count
            if len(self._counts) > KEPT_APART:
                self._before += self._counts.pop(next(iter(self._counts)))

    def print_counts(self) -> None:
        """Print how often each came, if anything has been printed."""
        if self._before:
            print_line(f"{self._before:8}  of the kinds that came first")
        for (name, path, syscall, answer), count in sorted(self._counts.items()):
            print_line(f"{count:8}  {printable(name)}  {printable(path)}  {syscall} -> {answer}")
