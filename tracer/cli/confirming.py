"""
`run --confirm-caps`: what is asked for, checked before anything runs, and what is said of it.

What is found out, and how, is `tracer.session.confirmation`'s.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Iterator, Optional, Sequence, Tuple

import click

from tracer.capabilities.names import flags, short_name
from tracer.cli import complain
from tracer.cli.trials import drive_words, engine_call, lasting_lines, shelf
from tracer.container.arguments import EngineCall, is_privileged
from tracer.errors import InputError
from tracer.profile import formats
from tracer.profile.floor_choice import FloorChoice
from tracer.profile.making import Wanted, make
from tracer.profile.model import Profile
from tracer.recording import Recording

if TYPE_CHECKING:
    from tracer.session.confirmation import Confirmed, Tried
    from tracer.session.recording_run import Outcome, Plan
    from tracer.session.trial import Watchful


@dataclass(frozen=True)
class Wish:
    """What --confirm-caps is to try: the call of the engine, and the drive's words, if any."""

    call: EngineCall
    drive: Tuple[str, ...]


def wish_in(
    command: Sequence[str], confirm: bool, drive: Optional[str], duration: Optional[float]
) -> Optional[Wish]:
    """
    What the options ask for; None if nothing is to be confirmed. Raises InputError, UsageError.
    """
    if not confirm:
        if drive is not None:
            raise click.UsageError("--drive goes with --confirm-caps")
        return None
    if duration is not None:
        raise click.UsageError(
            "--confirm-caps compares runs that come to their end, and --duration cuts one short; "
            "--drive stops a server once it was exercised"
        )
    call = engine_call(command, "capabilities")
    if is_privileged(command, call):
        raise InputError(
            "--confirm-caps: --privileged gives every capability, whatever else is said",
            "leave it out, and give what is needed by --cap-add and --device",
        )
    return Wish(call, drive_words(drive))


def confirm(
    wish: Wish, plan: Plan, wanted: Wanted, outcome: Outcome, signals: Watchful
) -> Optional[Confirmed]:
    """Try the recorded command with less, and say what that showed; None if nothing came of it."""
    from tracer.session import confirmation, trial
    from tracer.session.recording_run import as_asked

    command = as_asked(replace(plan, once=False))
    trying = trial.Plan(command, wish.call, wish.drive, output=subprocess.DEVNULL)
    asked = confirmation.asked_of(outcome)
    problems = confirmation.first_problems(asked, trying)
    if signals.interrupted:
        problems = ("interrupted",)
    if problems:
        complain(
            "no capabilities were confirmed, for the recorded run is no measure: "
            f"{'; '.join(problems)}"
        )
        return None
    lasting = list(lasting_lines(command, wish.call))
    for line in lasting:
        complain(line)
    with shelf() as files, trial.plain_bench(complain) as bench:
        found = confirmation.confirm(
            bench, trying, asked, lambda one: files.put(tried(one, wanted)), signals, _told
        )
    if found.problems:
        complain(
            f"no capabilities were confirmed, after {_runs(found.runs)} more: "
            f"{'; '.join(found.problems)}"
        )
        return None
    user = confirmation.ambient_user(outcome.recordings[0])
    for line in (*confirmed_lines(found), *lasting, *ambient_lines(found, user, wish.call.engine)):
        complain(line)
    complain(f"flags: {' '.join(flags(found.needed))}")
    return found


def tried(recording: Recording, wanted: Wanted) -> Profile:
    """
    The profile that is written for a recording; to be tried here, it has the floor of the runtime
    that was used, whatever other floor is wanted.
    """
    made = make(recording, replace(wanted, floor=FloorChoice()))
    return formats.read(made.text, "the new profile")


def _told(tried: Tried) -> None:
    under = " under the new profile" if tried.profiled else ""
    complain(
        f"run {tried.run} with {short(tried.given)}{under}: {'; '.join(tried.problems) or 'works'}"
    )


def confirmed_lines(found: Confirmed) -> Iterator[str]:
    """What was found, and what that proves."""
    if found.needed:
        yield f"confirmed, for each was missed: {short(found.needed)}"
    else:
        yield "confirmed: no capability was missed"
    if found.unmissed:
        yield f"recorded as needed, but not missed: {short(found.unmissed)}"
    if found.unrecorded:
        yield f"missed, although nothing recorded asked for them: {short(found.unrecorded)}"
    if found.added:
        yield f"called with these alone, and so in the profile, too: {', '.join(found.added)}"
    if found.apart:
        yield f"under the new profile it does not do with these: {'; '.join(found.apart)}"
    yield (
        f"by {_runs(found.runs)} besides the recorded one, the last of them under the new profile; "
        "this proves only that the command and its drive end as they did then: what they do not "
        "exercise, or do not judge, may be missing"
    )


def ambient_lines(found: Confirmed, user: Optional[int], engine: str) -> Iterator[str]:
    """What an engine makes of them for a user who is not root."""
    if user is None or not found.needed:
        return
    if engine == "docker":
        yield (
            f"docker gives them to user {user} in the bounding set only, where nothing but file "
            "capabilities (setcap) and set-user-ID programs take them from"
        )
    else:
        yield f"podman gives them to user {user} in the ambient set: every program of his has them"


def short(names: Sequence[str]) -> str:
    """Capabilities as engines take them, in a sentence."""
    return ", ".join(short_name(name) for name in names) or "none"


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
