"""
Why an execve gave what it gave, where only what came of it is known, and not the file: of a
recording's first program.

What belongs here: turning the rules of `execution` around. Whoever executes the same file once
more, with what an execve of it gave, is given the same; so what was given explains itself by the
rules, with file capabilities that suffice for it or with none. That holds for whoever had one uid
before, real and effective, as runtimes leave it: under no_new_privs root might else have become
another user.
"""

from __future__ import annotations

from typing import Optional, Tuple

from tracer.capabilities.attribute import FileCapabilities
from tracer.capabilities.execution import Outcome, Program, execute
from tracer.capabilities.namespace import UserNamespace
from tracer.capabilities.sets import Credentials, Sets


def inferred(given: Credentials, namespace: UserNamespace) -> Optional[Tuple[Program, Outcome]]:
    """
    A program whose execve gives these credentials, and by which rule. None if no execve does.

    Its file capabilities are what came of them: none where they gave nothing, or all is root's
    anyway.
    """
    for program in (Program(), Program(capabilities=_sufficient(given.sets))):
        outcome = execute(given, program, namespace)
        if outcome.credentials.sets == given.sets:
            return program, outcome
    return None


def _sufficient(sets: Sets) -> FileCapabilities:
    return FileCapabilities(
        version=2,
        permitted=sets.permitted & sets.bounding,
        inheritable=sets.permitted & sets.inheritable,
        effective=bool(sets.effective),
    )
