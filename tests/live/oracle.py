"""
What `strace -f` says programs called: an oracle that has nothing in common with the recorder.

It names calls as the kernel does. It also prints the calls that a filter denies, which no recording
of what was let through can have: who compares the two sees to it that none is denied.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

# `12 openat(AT_FDCWD, ...) = 3`, or in two lines, `12 wait4(... <unfinished ...>` and
# `12 <... wait4 resumed>...) = 13`. Lines about signals and ends look like neither.
CALL = re.compile(
    r"(?P<thread>\d+) +(?P<resumed><\.\.\. )?(?P<name>\w+)(?: resumed>|\()(?P<rest>.*)"
)
RESULT = re.compile(r"\) += (?P<number>\d+)[^)]*$")
STARTING = ("clone", "clone3", "fork", "vfork")


def calls_by_program(lines: Iterable[str]) -> dict[str, set[str]]:
    """
    Return the names of the calls that each program made, by the path that it was executed by.

    `lines` are those of `strace -f -o FILE`; a successful execve is a call of the program before.
    Calls of which no program is known, strace's own before the first execve, are under "".
    """
    story = _Story()
    for line in lines:
        call = CALL.match(line)
        if call:
            story.read(call["thread"], call["name"], call["rest"], begins=not call["resumed"])
    return dict(story.calls)


class _Story:
    """The programs that threads are in, as one line after the other tells it."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, set[str]] = defaultdict(set)
        self._program: dict[str, str] = {}
        self._executing: dict[str, str] = {}
        self._early: dict[str, set[str]] = {}

    def read(self, thread: str, name: str, rest: str, *, begins: bool) -> None:
        if begins:
            self._calls_of(thread).add(name)
        if begins and name == "execve":
            self._executing[thread] = rest.split('"')[1]
        result = RESULT.search(rest)
        if result and name == "execve":
            self._program[thread] = self._executing[thread]
        if result and name in STARTING:
            self._adopt(result["number"], parent=thread)

    def _calls_of(self, thread: str) -> set[str]:
        if thread in self._program:
            return self.calls[self._program[thread]]
        return self._early.setdefault(thread, set()) if self._program else self.calls[""]

    # What starts a child often returns after the child's first calls.
    def _adopt(self, child: str, *, parent: str) -> None:
        program = self._program.get(parent, "")
        self._program.setdefault(child, program)
        self.calls[program] |= self._early.pop(child, set())
