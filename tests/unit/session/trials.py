"""
Trials for tests: as if a container had run.
"""

from __future__ import annotations

from typing import Any

from tests.unit.recordings import recording
from tracer import syscalls
from tracer.container.arguments import EngineCall
from tracer.profile import model
from tracer.profile.decide import Answer
from tracer.profile.model import Profile, Rule
from tracer.session.refusals import Refusal
from tracer.session.trial import Plan, Trial

PLAN = Plan(("podman", "run", "image"), EngineCall("podman", ("podman",), "run", 2))
DRIVEN = Plan(PLAN.command, PLAN.call, drive=("true",))
EPERM = Answer(model.ERRNO, 1)
ENOSYS = Answer(model.ERRNO, 38)


def trial(*calls: str, **fields: Any) -> Trial:
    """
    A trial that ended well, in which these calls were made; fields that are given replace others.
    """
    given = {"status": 0, "drive": None, "stopped": False, "expired": False, "seconds": 1.0}
    return Trial(**{**given, "recordings": (recording(*calls),), "refusals": (), **fields})


def refusal(name: str, answer: Answer = EPERM, **fields: Any) -> Refusal:
    """
    One refusal of a call to a program of the container `web`.
    """
    given = {
        "syscall": name,
        "architecture": syscalls.X86_64,
        "number": syscalls.number_of(syscalls.X86_64, name),
        "answer": answer,
        "executable": "/bin/app",
        "comm": "app",
        "container": "web",
        "thread": 1,
        "time": 5,
        "count": 1,
        "arguments": (0, 0, 0, 0, 0, 0),
    }
    return Refusal(**{**given, **fields})


def allowing(*names: str, rules: "tuple[Rule, ...]" = ()) -> Profile:
    """
    A profile that allows these calls, and has these rules besides.
    """
    return Profile(model.ERRNO, (Rule(names, model.ALLOW), *rules))
