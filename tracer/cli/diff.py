"""
`seccomp-trace diff`: what a container would notice of a changed profile.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Dict, Iterator, Optional, Sequence, Tuple

import click

from tracer.cli.given import profiles_in
from tracer.profile.compare import (
    ADDED,
    CALL,
    CHANGED,
    DEFAULT,
    LOOSER,
    REMOVED,
    STRICTER,
    Change,
    compare,
)
from tracer.profile.decide import Answer
from tracer.text import printable

_MARKS = {LOOSER: "+", CHANGED: "~", STRICTER: "-"}
_COLOURS = {LOOSER: "red", CHANGED: "yellow", STRICTER: "green"}
_WIDTH = 28


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.argument("old")
@click.argument("new")
def diff(form: str, old: str, new: str) -> int:
    """
    Show what NEW decides differently from OLD: what became looser first.

    Exit code 0 if the two decide alike, however they are written, 1 if not. Either may be -,
    standard input.
    """
    before, after = profiles_in((old, new))
    changes = compare(before, after)
    if form == "json":
        click.echo(json.dumps(_document(changes), indent=1))
    else:
        click.echo("".join(f"{line}\n" for line in _lines(changes)), nl=False, color=_colour())
    return 1 if changes else 0


def _colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


# --- For people ---


def _lines(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        yield "the two decide alike"
        return
    usual = _most_common(changes)
    for change in changes:
        yield _line(change, usual)
    counts = [
        f"{sum(one.direction == direction for one in changes)} {direction}" for direction in _MARKS
    ]
    risky = sum(one.direction == LOOSER and one.risk is not None for one in changes)
    yield ", ".join(counts) + (f"; risky: {risky}" if risky else "")


def _line(change: Change, usual: Tuple[str, ...]) -> str:
    direction = change.direction
    marked = "!" if direction == LOOSER and change.risk else " "
    answers = f"{answer_text(change.before)} -> {answer_text(change.after)}"
    parts = [f"{_MARKS[direction]}{marked} {_subject(change):{_WIDTH}} {answers}"]
    if change.kind == CALL and change.architectures != usual:
        parts.append(f"on {architectures_text(change.architectures)}")
    if change.container:
        parts.append(f"({change.container})")
    if direction == LOOSER and change.risk:
        parts.append(f"[{change.risk.name}: {change.risk.reason}]")
    return click.style("  ".join(parts), fg=_COLOURS[direction], bold=marked == "!")


def _subject(change: Change) -> str:
    if change.kind == DEFAULT:
        return "every other call"
    if change.kind in (ADDED, REMOVED):
        return f"programs of {architectures_text(change.architectures)}"
    name = printable(change.syscall, 60)
    return f"{name} if {change.condition}" if change.condition else name


def _most_common(changes: Sequence[Change]) -> Tuple[str, ...]:
    counts: Dict[Tuple[str, ...], int] = {}
    for change in changes:
        if change.kind == CALL:
            counts[change.architectures] = counts.get(change.architectures, 0) + 1
    return max(counts, key=lambda one: (counts[one], len(one)), default=())


def architectures_text(tokens: Sequence[str]) -> str:
    """Architectures as people call them: x86_64, x86."""
    return ", ".join(token.replace("SCMP_ARCH_", "").lower() for token in tokens)


def answer_text(one: Answer) -> str:
    """An answer in a word: ALLOW, ERRNO(38)."""
    name = one.action.replace("SCMP_ACT_", "")
    return name if one.errno is None else f"{name}({one.errno})"


# --- For programs ---


def _document(changes: Sequence[Change]) -> Dict[str, object]:
    return {
        "format": "seccomp-trace diff",
        "version": 1,
        "alike": not changes,
        "changes": [_fields(one) for one in changes],
    }


def _fields(change: Change) -> Dict[str, object]:
    return {
        "direction": change.direction,
        "kind": change.kind,
        "syscall": change.syscall or None,
        "architectures": list(change.architectures),
        "arguments": change.condition or None,
        "container": change.container or None,
        "before": _answer_fields(change.before),
        "after": _answer_fields(change.after),
        "risk": _risk_fields(change),
    }


def _answer_fields(one: Answer) -> Dict[str, object]:
    return {"action": one.action, "errno": one.errno}


def _risk_fields(change: Change) -> Optional[Dict[str, str]]:
    risk = change.risk
    if risk is None:
        return None
    return {"class": risk.name, "reason": risk.reason, "source": risk.source}
