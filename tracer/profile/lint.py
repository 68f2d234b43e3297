"""
What is suspicious about a profile by itself, or beside the capabilities of its container.

One function per code in CHECKS; each gives Remarks with a severity, the place and what to do. The
codes are stable: people silence and count by them. Whether a remark makes a command fail is the
caller's to say.
"""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import Callable, Iterator, Mapping, Optional, Sequence, Set, Tuple

from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import bpf, calls, libseccomp, model
from tracer.profile.architectures import ARCHITECTURES, NATIVE
from tracer.profile.calls import is_for_all, lets_through, said_by
from tracer.profile.decide import NO_RUNTIME, RUNC, export, prologue_length, refuse_long
from tracer.profile.dropped import dropped_by_containerd
from tracer.profile.floors import Floor, shipped
from tracer.profile.keys import KeyFault
from tracer.profile.lint_capabilities import never_succeeds, serves_nothing
from tracer.profile.lint_floors import floor_missing
from tracer.profile.lint_keys import remarks_on
from tracer.profile.lint_probed import eperm_for_probed
from tracer.profile.lint_spo import base_missing, operator_refuses
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.profile.releases import OLDEST, RELEASE_OF, Release, release_text
from tracer.profile.remarks import ERROR, NOTE, SEVERITIES, WARNING, Needs, Remark, Subject
from tracer.profile.resolve import resolve
from tracer.profile.risks import risk_of

_MOST_VALUE = (1 << 64) - 1
# For how many unknown names, and how long ones, a known name is looked for: it takes milliseconds.
_MOST_GUESSES, _LONGEST_GUESS = 50, 60


def lint(
    profile: Profile,
    oldest: Release = OLDEST,
    needs: Optional[Needs] = None,
    floors: Optional[Sequence[Floor]] = None,
    faults: Sequence[KeyFault] = (),
    *,
    must_start: bool = False,
) -> Tuple[Remark, ...]:
    """
    Return the remarks about a profile, gravest first, then by place.

    `oldest` is the oldest libseccomp that the profile is meant for; `needs` are the capabilities of
    the container that it is for, if they are known. `floors` are the measurements of runtimes, by
    default those that come with the package; `must_start`: somebody asked about these very
    runtimes. `faults` are those of the document's keys.
    """
    subject = Subject(profile, oldest, needs, shipped() if floors is None else floors, must_start)
    found = [remark for check in CHECKS.values() for remark in check(subject)]
    found += remarks_on(faults)
    order = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return tuple(sorted(found, key=lambda one: (order[one.severity], one.code, one.place)))


# --- Names ---


def _unknown_call(subject: Subject) -> Iterator[Remark]:
    every = set[str]().union(*map(syscalls.names, syscalls.architectures()))
    unknown = (
        (name, places)
        for name, places in subject.by_call.items()
        if not (name in every or name in RELEASE_OF or libseccomp.knows(name))
    )
    for number, (name, places) in enumerate(unknown):
        near = _near(name, sorted(every)) if number < _MOST_GUESSES else []
        remedy = f"did you mean {near[0]}?" if near else "remove it"
        message = f"no kernel has a call {name!r}; runtimes ignore it"
        yield Remark("unknown-call", WARNING, places[0].path, message, remedy)


def _near(name: str, every: Sequence[str]) -> Sequence[str]:
    return get_close_matches(name, every, 1) if len(name) <= _LONGEST_GUESS else []


def _needs_libseccomp(subject: Subject) -> Iterator[Remark]:
    for name, places in subject.by_call.items():
        needed = RELEASE_OF.get(name, (0, 0, 0))
        if needed > subject.oldest:
            yield Remark(
                "needs-libseccomp",
                NOTE,
                places[0].path,
                f"libseccomp knows {name} from {release_text(needed)} on; with an older one "
                "runtimes ignore the rule, and the default decides",
                "nothing, if the default suits such hosts",
            )


def _foreign_call(subject: Subject) -> Iterator[Remark]:
    tokens = subject.architectures if subject.names_architectures else ARCHITECTURES.keys()
    for name, places in subject.by_call.items():
        if not libseccomp.knows(name) or any(_has(token, name) for token in tokens):
            continue
        message = f"no architecture that the profile names has the call {name}"
        yield Remark("foreign-call", NOTE, places[0].path, message, "remove it")


def _has(token: str, name: str) -> bool:
    number = libseccomp.number_of(token, name)
    multiplexed = any(name in members for members in calls.MULTIPLEXED.values())
    return number is not None and (number >= 0 or multiplexed)


# --- Rules ---


def _never_matches(subject: Subject) -> Iterator[Remark]:
    for number, rule in enumerate(subject.profile.rules):
        reason = _impossible(rule)
        if reason:
            place = subject.path_of(number)
            remedy = "correct it, or remove the rule"
            yield Remark("never-matches", WARNING, place, f"the rule never holds: {reason}", remedy)


def _impossible(rule: Rule) -> str:
    if not rule.names:
        return "it names no call"
    both = set(rule.includes.capabilities) & set(rule.excludes.capabilities)
    if both:
        return f"it needs and refuses {', '.join(sorted(both))}"
    arches = set(rule.includes.architectures)
    if arches and arches <= set(rule.excludes.architectures):
        return f"it needs and refuses {', '.join(sorted(arches))}"
    words = {one.word for one in ARCHITECTURES.values()}
    if arches and not arches & words:
        return f"there is no architecture {', '.join(sorted(arches))}"
    if _kernels_exclude(rule.includes, rule.excludes):
        return "no kernel is as new as it needs and as old as it needs"
    wrong = [one for one in rule.conditions if _cannot_hold(one)]
    if wrong and (len(wrong) == len(rule.conditions) or not _same_argument(rule)):
        return f"no argument {wrong[0].index} can meet its condition"
    return ""


def _kernels_exclude(includes: Circumstances, excludes: Circumstances) -> bool:
    least, refused = includes.minimal_kernel, excludes.minimal_kernel
    return least is not None and refused is not None and least >= refused


def _cannot_hold(one: Condition) -> bool:
    return (
        (one.operator == model.LESS and one.value == 0)
        or (one.operator == model.GREATER and one.value == _MOST_VALUE)
        or (one.operator == model.MASKED_EQUAL and bool(one.value_two & ~one.value))
    )


def _same_argument(rule: Rule) -> bool:
    indexes = [one.index for one in rule.conditions]
    return len(set(indexes)) < len(indexes)


def _alternatives(subject: Subject) -> Iterator[Remark]:
    for number, rule in enumerate(subject.profile.rules):
        if _same_argument(rule):
            yield Remark(
                "alternative-conditions",
                WARNING,
                f"{subject.path_of(number)}.args",
                "two conditions on one argument: runtimes take each condition as a rule of its "
                "own, so that any of them suffices",
                "write a rule for each, or one condition per argument",
            )


def _shadowed(subject: Subject) -> Iterator[Remark]:
    otherwise = calls.said_otherwise(subject.profile)
    for name, places in subject.by_call.items():
        holding = calls.effective(subject.rules_of(name), otherwise)
        whole = [rule for rule in holding if is_for_all(rule)]
        for one in places:
            if not whole or one.rule in holding or said_by(one.rule) == otherwise:
                continue
            if said_by(one.rule) != said_by(whole[0]):
                message = (
                    f"this rule for {name} has no effect: another for the same call holds always"
                )
                yield Remark("shadowed", WARNING, one.path, message, "remove one of the two")


def _duplicate(subject: Subject) -> Iterator[Remark]:
    for name, places in subject.by_call.items():
        seen: Set[Tuple[object, ...]] = set()
        for one in places:
            key = (said_by(one.rule), *calls.where(one.rule))
            if key in seen:
                message = f"{name} has this very rule already"
                yield Remark("duplicate", NOTE, one.path, message, "remove it")
            seen.add(key)
    for number, rule in enumerate(subject.profile.rules):
        twice = sorted(name for name, count in Counter(rule.names).items() if count > 1)
        if twice:
            message = f"named twice: {', '.join(twice)}"
            yield Remark("duplicate", NOTE, subject.path_of(number), message, "name it once")


def _unloadable(subject: Subject) -> Iterator[Remark]:
    host = syscalls.X86_64
    if subject.profile.base:
        return  # `base-missing` says it
    try:
        flat = resolve(subject.profile, host)
        length = bpf.length(export(flat, host, NO_RUNTIME))
        refuse_long(length, prologue_length(flat, host, RUNC), RUNC)
    except InputError as error:
        place, named = subject.root, subject.profile.architectures
        if NATIVE in named:
            place = f"{place}.architectures[{named.index(NATIVE)}]"
        yield Remark("unloadable", ERROR, place, error.message, error.hint or "correct it")


# --- The whole ---


def _permissive_default(subject: Subject) -> Iterator[Remark]:
    profile = subject.profile
    if not calls.is_permissive(profile) and profile.default_action != model.TRACE:
        return
    denies = any(not lets_through(rule) for rule in profile.rules)
    yield Remark(
        "permissive-default",
        WARNING if denies else ERROR,
        f"{subject.root}.defaultAction",
        f"{profile.default_action} lets through every call that no rule names, those of newer "
        "kernels too" + ("" if denies else "; so the list of allowed calls forbids nothing"),
        f"make the default {model.ERRNO} and name what is needed",
    )


_SMALLER = {syscalls.X86_64: syscalls.X86, syscalls.AARCH64: syscalls.ARM}


def _missing_32_bit(subject: Subject) -> Iterator[Remark]:
    named = bool(subject.profile.architectures or subject.profile.families)
    place = f"{subject.root}.architectures" if named else subject.root
    if not subject.names_architectures:
        killed = " or ".join(f"{smaller} on {host}" for host, smaller in _SMALLER.items())
        message = (
            "runtimes filter the host's own architecture alone, since the profile names no other: "
            f"the kernel kills programs of {killed} at their first call"
        )
        remedy = "nothing, if there are none in the image; else name the host's and theirs"
        yield Remark("missing-32-bit", NOTE, place, message, remedy)
        return
    for host, smaller in _SMALLER.items():
        if host in subject.architectures and smaller not in subject.architectures:
            yield Remark(
                "missing-32-bit",
                NOTE,
                place,
                f"programs of {smaller} are killed at their first call, since the profile names "
                f"{host} alone",
                "nothing, if there are none in the image; else name it too",
            )


def _socketcall_open(subject: Subject) -> Iterator[Remark]:
    multiplexing = subject.architectures & {
        syscalls.X86, "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_PPC", "SCMP_ARCH_MIPS"
    }
    otherwise = calls.said_otherwise(subject.profile)
    for name in calls.MULTIPLEXED:
        if not multiplexing or not _is_open(subject.rules_of(name), otherwise):
            continue
        members = [one for one in calls.MULTIPLEXED[name] if one in subject.by_call]
        shut = [one for one in members if not _is_open(subject.rules_of(one), otherwise)]
        if shut:
            yield Remark(
                f"{name}-open",
                WARNING,
                subject.by_call[name][0].path,
                f"{', '.join(shut)} is restricted, but 32-bit programs make it through {name}, "
                "which is allowed as a whole",
                f"remove {name}: libseccomp adds to it what the rules for its calls allow",
            )


def _is_open(rules: Sequence[Rule], otherwise: calls.Said) -> bool:
    holding = calls.effective(rules, otherwise)
    return any(is_for_all(rule) and lets_through(rule) for rule in holding)


def _dangerous_call(subject: Subject) -> Iterator[Remark]:
    for name, places in subject.by_call.items():
        risk = risk_of(name)
        for one in places:
            if risk is None or not lets_through(one.rule) or not is_for_all(one.rule):
                continue
            yield Remark(
                "dangerous-call",
                NOTE if name in risk.usual else WARNING,
                one.path,
                f"{name} is allowed with any arguments; it {risk.reason}",
                "remove it unless the program needs it, or allow it for some arguments or "
                "capabilities only",
            )


def _containerd_drops(subject: Subject) -> Iterator[Remark]:
    for place, consequence in dropped_by_containerd(subject.profile):
        yield Remark(
            "containerd-drops",
            NOTE,
            f"{subject.root}{place}",
            f"containerd does not read {consequence}",
            "nothing for podman and docker; else convert --to containerd",
        )


CHECKS: Mapping[str, Callable[[Subject], Iterator[Remark]]] = {
    "unknown-call": _unknown_call,
    "needs-libseccomp": _needs_libseccomp,
    "foreign-call": _foreign_call,
    "never-matches": _never_matches,
    "alternative-conditions": _alternatives,
    "shadowed": _shadowed,
    "duplicate": _duplicate,
    "unloadable": _unloadable,
    "permissive-default": _permissive_default,
    "missing-32-bit": _missing_32_bit,
    "socketcall-open": _socketcall_open,
    "base-missing": base_missing,
    "operator-refuses": operator_refuses,
    "eperm-for-probed": eperm_for_probed,
    "floor-missing": floor_missing,
    "dangerous-call": _dangerous_call,
    "containerd-drops": _containerd_drops,
    "never-succeeds": never_succeeds,
    "serves-nothing": serves_nothing,
}
