"""
Differences between profiles as lines for people and as JSON for programs.

Apart from `diff`, because what it imports takes longer than finding that two profiles are equal.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterator, Optional, Sequence, Tuple

from tracer.profile.compare import (
    ADDED,
    CALL,
    CHANGED,
    DEFAULT,
    LOOSER,
    NOT_BROKEN_DOWN,
    REMOVED,
    STRICTER,
    Change,
)
from tracer.profile.decide import Answer
from tracer.profile.regions import Term
from tracer.text import printable

_MARKS = {LOOSER: "+", CHANGED: "~", STRICTER: "-"}
_COLOURS = {LOOSER: "red", CHANGED: "yellow", STRICTER: "green"}
_WIDTH = 28
# How many characters of what a file says are shown.
_CONTAINER, _ARCHITECTURES, _WORDS = 400, 300, 200

Line = Tuple[str, Optional[str], bool]  # the text, its colour, whether it is bold


# --- For people ---


def lines(changes: Sequence[Change]) -> Iterator[Line]:
    """What changed, a line each, and how much at the end; as `printing.print_line` takes it."""
    for change in changes:
        yield _line(change)
    directions = Counter(change.direction for change in changes)
    counts = [f"{directions[direction]} {direction}" for direction in _MARKS]
    risky = sum(one.direction == LOOSER and one.risk is not None for one in changes)
    yield ", ".join(counts) + (f"; risky: {risky}" if risky else ""), None, False


def _line(change: Change) -> Line:
    direction = change.direction
    marked = "!" if direction == LOOSER and change.risk else " "
    parts = [f"{_MARKS[direction]}{marked} {_subject(change):{_WIDTH}} {_answers_text(change)}"]
    if change.kind in (CALL, NOT_BROKEN_DOWN) and not change.everywhere:
        parts.append(f"on {architectures_text(change.architectures)}")
    if change.container:
        parts.append(f"({printable(change.container, _CONTAINER)})")
    if not change.is_known:
        parts.append("(not known here as a call)")
    if direction == LOOSER and change.risk:
        parts.append(f"[{change.risk.name}: {change.risk.reason}]")
    return "  ".join(parts), _COLOURS[direction], marked == "!"


def _answers_text(change: Change) -> str:
    if change.words is not None:
        return " -> ".join(printable(" ".join(words), _WORDS) or "-" for words in change.words)
    if change.before is None or change.after is None:
        return "differ, not broken down: too many rules, conditions or capabilities"
    return f"{answer_text(change.before)} -> {answer_text(change.after)}"


def _subject(change: Change) -> str:
    if change.kind == DEFAULT:
        return "every other call"
    if change.kind in (ADDED, REMOVED):
        return f"programs of {architectures_text(change.architectures)}"
    if change.words is not None:
        return change.kind
    name = printable(change.syscall, 60)
    return f"{name} if {change.condition}" if change.condition else name


def architectures_text(tokens: Sequence[str]) -> str:
    """Architectures as people call them: x86_64, x86."""
    names = (token.replace("SCMP_ARCH_", "").lower() for token in tokens)
    return printable(", ".join(names), _ARCHITECTURES)


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
    before, after = change.words or map(_answer_fields, (change.before, change.after))
    return {
        "direction": change.direction,
        "kind": change.kind,
        "syscall": change.syscall or None,
        "architectures": list(change.architectures),
        "arguments": change.condition or None,
        "region": [_term_fields(term) for term in change.region],
        "container": change.container or None,
        "before": before,
        "after": after,
        "known": change.is_known,
        "risk": _risk_fields(change),
    }


def _term_fields(term: Term) -> Dict[str, object]:
    masks = [{"mask": mask, "value": value, "equal": equal} for mask, value, equal in term.masks]
    return {"index": term.index, "ranges": [list(span) for span in term.spans], "masks": masks}


def _answer_fields(answer: Optional[Answer]) -> Optional[Dict[str, object]]:
    return None if answer is None else {"action": answer.action, "errno": answer.errno}


def _risk_fields(change: Change) -> Optional[Dict[str, str]]:
    risk = change.risk
    if risk is None:
        return None
    return {"class": risk.name, "reason": risk.reason, "source": risk.source}
