"""
Differences between profiles as lines for people and as JSON for programs.

Apart from `diff`, because what it imports takes longer than finding that two profiles are equal.
"""

from __future__ import annotations

from typing import Dict, Iterator, Optional, Sequence, Tuple

from tracer.profile.compare import (
    ADDED,
    CALL,
    CHANGED,
    DEFAULT,
    LOOSER,
    REMOVED,
    STRICTER,
    Change,
)
from tracer.profile.decide import Answer
from tracer.text import printable

_MARKS = {LOOSER: "+", CHANGED: "~", STRICTER: "-"}
_COLOURS = {LOOSER: "red", CHANGED: "yellow", STRICTER: "green"}
_WIDTH = 28

Line = Tuple[str, Optional[str], bool]  # the text, its colour, whether it is bold


# --- For people ---


def lines(changes: Sequence[Change]) -> Iterator[Line]:
    """What changed, a line each, and how much at the end; as `printing.print_line` takes it."""
    usual = _most_common(changes)
    for change in changes:
        yield _line(change, usual)
    counts = [
        f"{sum(one.direction == direction for one in changes)} {direction}" for direction in _MARKS
    ]
    risky = sum(one.direction == LOOSER and one.risk is not None for one in changes)
    yield ", ".join(counts) + (f"; risky: {risky}" if risky else ""), None, False


def _line(change: Change, usual: Tuple[str, ...]) -> Line:
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
    return "  ".join(parts), _COLOURS[direction], marked == "!"


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


def document(changes: Sequence[Change]) -> Dict[str, object]:
    """The same as a JSON value."""
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
