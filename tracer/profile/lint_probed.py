"""
The check of `lint` for calls that C libraries try first: what answers they get.

A library goes on without such a call after ENOSYS; EPERM reads as a failure. Docker's own default
profile answers `clone3` with ENOSYS to containers without CAP_SYS_ADMIN for that reason.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import FrozenSet, Iterator, List, Sequence, Set

from tracer import syscalls
from tracer.profile import calls, model
from tracer.profile.calls import is_for_all, lets_through, said_by
from tracer.profile.fallbacks import ENOSYS, fallbacks_of
from tracer.profile.model import Circumstances, Rule
from tracer.profile.remarks import WARNING, Remark, Subject, some_of
from tracer.profile.resolve import is_for_capabilities

_CODE = "eperm-for-probed"
_GOOD_ANSWERS = {(model.ALLOW, None), (model.LOG, None), (model.ERRNO, ENOSYS)}
_MOST_CAPABILITIES = 6  # every set of them is tried


def eperm_for_probed(subject: Subject) -> Iterator[Remark]:
    """Warn of calls that C libraries probe, and that get another answer than ENOSYS somewhere."""
    never: List[str] = []
    if subject.profile.base:
        return  # which may answer them
    for name in fallbacks_of(subject.architectures & syscalls.architectures()):
        if _answers_well(subject, name):
            continue
        if any(map(lets_through, subject.rules_of(name))):
            yield _for_some(subject, name)
        else:
            never.append(name)
    if never:
        yield Remark(
            _CODE,
            WARNING,
            f"{subject.root}.defaultAction",
            f"C libraries try {some_of(never)} first and go on without if there is no such call "
            "(ENOSYS); another answer reads as a failure",
            f"allow them, or answer them by a rule with {model.ERRNO} and errnoRet {ENOSYS}",
        )


def _for_some(subject: Subject, name: str) -> Remark:
    return Remark(
        _CODE,
        WARNING,
        subject.by_call[name][0].path,
        f"C libraries try {name} first and go on without if there is no such call (ENOSYS); it is "
        "allowed to some containers or for some arguments only, and otherwise reads as a failure",
        f"allow it, or answer the other uses by a rule with {model.ERRNO} and errnoRet {ENOSYS}",
    )


def _answers_well(subject: Subject, name: str) -> bool:
    """Say whether every use by every container is let through or answered with ENOSYS."""
    rules, otherwise = subject.rules_of(name), calls.said_otherwise(subject.profile)
    return all(
        _answers_to(rules, otherwise, held) <= _GOOD_ANSWERS
        for held in _containers_of(subject, rules)
    )


def _containers_of(subject: Subject, rules: Sequence[Rule]) -> Iterator[FrozenSet[str]]:
    """Give the sets of capabilities that containers may have, as far as these rules name them."""
    if subject.needs:
        yield subject.needs.capabilities
        return
    names = {name for rule in rules for name in rule.includes.capabilities}
    names.update(name for rule in rules for name in rule.excludes.capabilities)
    for number in range(min(len(names), _MOST_CAPABILITIES) + 1):
        yield from map(frozenset, combinations(sorted(names)[:_MOST_CAPABILITIES], number))


# Rules for some architectures or kernels only are taken to hold.
def _answers_to(
    rules: Sequence[Rule], otherwise: calls.Said, held: FrozenSet[str]
) -> Set[calls.Said]:
    everywhere = Circumstances()
    applied = [
        replace(rule, includes=everywhere, excludes=everywhere)
        for rule in rules
        if is_for_capabilities(rule, held)
    ]
    holding = calls.effective(applied, otherwise)
    answers = {said_by(rule) for rule in holding}
    return answers if any(map(is_for_all, holding)) else {*answers, otherwise}
