"""
How calls ended, by `strace -f` and by a recording, in the same words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Optional

from tests.live.oracle import CALL, STARTING
from tracer.recording import INTERRUPTED, SUCCESS, UNFINISHED, Recording

RESULT = re.compile(r".*\) += (?P<value>\?|-?\w+)(?: (?P<error>E\w+))?")
# What it ends in is what the interrupted program had in that register.
WITHOUT_OUTCOME = "rt_sigreturn"

Endings = dict[str, dict[str, set[str]]]


def endings_in(recording: Recording) -> Endings:
    """
    Return, by program and call, how a recording says that the calls ended.
    """
    found: Endings = defaultdict(lambda: defaultdict(set))
    for seen in recording.observations:
        for words in dict(seen.outcomes).values():
            found[seen.executable][str(seen.name)] |= words
    return found


def endings_traced(lines: Iterable[str]) -> Endings:
    """
    Return, by program and call, how strace says that the calls ended.

    `lines` are those of `strace -f -o FILE`; a successful execve is a call of the program before.
    """
    threads: dict[str, _Thread] = defaultdict(_Thread)
    for line in lines:
        call = CALL.match(line)
        if call:
            _read(threads, call["thread"], call["name"], call["rest"], bool(call["resumed"]))
    found: Endings = defaultdict(lambda: defaultdict(set))
    for thread in threads.values():
        for made in thread.calls:
            found[thread.program_of(made)][made.name].add(made.ending or UNFINISHED)
    for calls in found.values():
        for words in calls.values():
            words -= {UNFINISHED} if SUCCESS in words else set()
    return found


@dataclass
class _Call:
    """One call; `program`: what a successful execve executes."""

    name: str
    program: str
    ending: str = ""


@dataclass
class _Thread:
    """The calls of a thread, and the call of another one that began it."""

    calls: list[_Call] = field(default_factory=list)
    parent: Optional[tuple["_Thread", _Call]] = None

    def program_of(self, call: _Call) -> str:
        """
        Return the program that makes a call of this thread.
        """
        before = self.calls[: next(at for at, one in enumerate(self.calls) if one is call)]
        for one in reversed(before):
            if one.program and one.ending == SUCCESS:
                return one.program
        return self.parent[0].program_of(self.parent[1]) if self.parent else ""


def _read(threads: dict[str, _Thread], thread: str, name: str, rest: str, resumed: bool) -> None:
    if not resumed:
        program = rest.split('"')[1] if name == "execve" else ""
        threads[thread].calls.append(_Call(name, program))
    call = threads[thread].calls[-1]
    result = RESULT.match(rest)
    if not result or name == WITHOUT_OUTCOME:
        return
    call.ending = _word(result["value"], result["error"])
    if name in STARTING and call.ending == SUCCESS:
        threads[result["value"]].parent = (threads[thread], call)


def _word(value: str, error: Optional[str]) -> str:
    if value == "?":
        return INTERRUPTED if error else ""
    return error or SUCCESS
