"""
Recorded calls that a profile can do without, since the kernel never made them: it answered ENOSYS,
or EPERM, each time.

What the kernel answered the profile answers, or a program would go another way than it did: many do
without a call that is missing, and fail if it is forbidden. What is left out needs proof: a call of
which anything else is known, or nothing, stays allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Dict, List, Mapping, Optional, Set, Tuple

from tracer.profile import calls, model
from tracer.profile.fallbacks import ENOSYS
from tracer.profile.generate import EPERM, answer_comment, by_answer
from tracer.profile.kernel_calls import KERNEL_CALLS
from tracer.profile.model import Profile, Rule
from tracer.recording import UNFINISHED, Recording

ANSWERS: Mapping[str, int] = {"ENOSYS": ENOSYS, "EPERM": EPERM}


@dataclass(frozen=True)
class LeftOut:
    """
    The calls to leave out, each with the error number to answer it with, and what a person should
    know of the choice.
    """

    answers: Mapping[str, int]
    messages: Tuple[str, ...]


def left_out(
    recording: Recording, needed: AbstractSet[str], baseline: Optional[Profile] = None
) -> LeftOut:
    """
    Choose what the profile of a recording leaves out: nothing that is `needed` (by a runtime), that
    the kernel makes at times, or that a baseline has a rule for which says otherwise.
    """
    failed = failed_calls(recording)
    for name in failed.keys() & KERNEL_CALLS.keys():
        del failed[name]
    spoken = {} if baseline is None else _answers_of(baseline)
    answers = {
        name: errno
        for name, errno in failed.items()
        if name not in needed and spoken.get(name, (model.ERRNO, errno)) == (model.ERRNO, errno)
    }
    kept = sorted(failed.keys() & needed)
    return LeftOut(answers, (*_told(answers), *_told_of_kept(kept), *_told_of_unknown(recording)))


def failed_calls(recording: Recording) -> Dict[str, int]:
    """
    Return the calls that the kernel answered with the same one of ANSWERS each time, whoever made
    them under whichever architecture, and with which.

    Not those that a filter answered otherwise for some uses; nor, where calls are made through
    socketcall or ipc, those and what they stand for, since libseccomp has one rule for both.
    """
    ended: Dict[str, Set[str]] = {}
    for seen in recording.observations:
        if seen.name is not None:
            known = dict(seen.outcomes)
            words = ended.setdefault(seen.name, set()).union(*known.values())
            ended[seen.name] = words | ({UNFINISHED} if seen.runs - known.keys() else set())
    for denial in recording.denials:
        if denial.name in ended:
            ended[denial.name].add(denial.answer)
    several = _multiplexed(ended.keys())
    return {
        name: ANSWERS[word]
        for name, words in sorted(ended.items())
        for word in words & ANSWERS.keys()
        if len(words) == 1 and name not in several
    }


def answering(profile: Profile, answers: Mapping[str, int]) -> Profile:
    """Return a profile that answers these calls so, in groups at its end, if no rule names them."""
    spoken = {name for rule in profile.rules for name in rule.names}
    new = {name: errno for name, errno in answers.items() if name not in spoken}
    groups = tuple(
        Rule(tuple(names), model.ERRNO, errno=errno, comment=answer_comment(errno))
        for errno, names in by_answer(new).items()
    )
    return replace(profile, rules=(*profile.rules, *groups))


def _multiplexed(names: AbstractSet[str]) -> Set[str]:
    through = names & calls.MULTIPLEXED.keys()
    return through.union(*(calls.MULTIPLEXED[one] for one in through))


def _answers_of(baseline: Profile) -> Dict[str, calls.Said]:
    """What the rules of a baseline say of each call; one that says several things says nothing."""
    found: Dict[str, calls.Said] = {}
    for name, rules in calls.by_call(baseline.rules).items():
        whole = len(rules) == 1 and calls.is_for_all(rules[0])
        found[name] = calls.said_by(rules[0]) if whole else ("", None)
    return found


def _told(answers: Mapping[str, int]) -> List[str]:
    names_of = {errno: name for name, errno in ANSWERS.items()}
    return [
        f"left out, since the kernel answered {names_of[errno]} each time, as the profile does: "
        f"{', '.join(names)}"
        for errno, names in by_answer(answers).items()
    ] or ["no call was left out: none is known to have failed with ENOSYS or EPERM only"]


def _told_of_kept(kept: List[str]) -> List[str]:
    if not kept:
        return []
    return [f"failed each time, but not left out, since runtimes may need them: {', '.join(kept)}"]


def _told_of_unknown(recording: Recording) -> List[str]:
    told = {run for seen in recording.observations for run, _ in seen.outcomes}
    unknown = len(recording.runs.keys() - told)
    if not unknown:
        return []
    return [
        f"how calls ended is unknown for {unknown} of {len(recording.runs)} runs (run --outcomes "
        "keeps it): what they saw is not left out"
    ]
