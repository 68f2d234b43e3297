"""
What the kernel answers to a call under a profile, exactly.

The flat rules (`resolve`) go through libseccomp as the runtime would hand them over, and the
program that libseccomp exports is run (`bpf`). On top comes what a runtime adds of its own: runc's
prologue, which answers ENOSYS for a number above the newest call that the profile names
(libcontainer/seccomp/patchbpf/enosys_linux.go; read from 1.0.0-rc93, the first that has it, to
1.5.1). What runc and crun refuse to load is an InputError.

Names that libseccomp does not know are ignored, as runc and crun both do (with a warning), and so
is a rule that says what the default says anyway.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import lru_cache
from typing import (
    AbstractSet,
    Dict,
    FrozenSet,
    Iterator,
    List,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import bpf, libseccomp, model
from tracer.profile.architectures import ARCHITECTURES, NATIVE, host_of
from tracer.profile.floors import version_order
from tracer.profile.model import Profile, Rule
from tracer.profile.resolve import alternatives, as_containerd_reads, is_flat, resolve

RUNC = "runc"
# Up to 1.1.14 runc's prologue leaves out the host's own architecture if the profile does not name
# it, so that a profile without architectures has no prologue (findLastSyscalls).
RUNC_BEFORE_1_1_15 = "runc before 1.1.15"
CRUN = "crun"
# libseccomp alone: what any program gets that loads these rules.
NO_RUNTIME = "none"
RUNTIMES = (RUNC, RUNC_BEFORE_1_1_15, CRUN, NO_RUNTIME)

_WORD = 0xFFFFFFFF
_REFUSALS = 3  # are spelt out
_LETS_THROUGH = (model.ALLOW, model.LOG, model.TRACE)


@dataclass(frozen=True)
class Answer:
    """
    What the kernel does with a call: an action (KILL is KILL_THREAD), and its number if it has one.

    TRACE without a tracer and NOTIFY without a listener come to ENOSYS for the program.
    """

    action: str
    errno: Optional[int] = None

    @property
    def lets_through(self) -> bool:
        """Whether the call itself is made (with TRACE and NOTIFY somebody else decides)."""
        return self.action in (model.ALLOW, model.LOG)


@dataclass(frozen=True)
class Filter:
    """
    A loaded filter: the program, and the newest call that runc's prologue lets pass, by
    architecture; none for those that it leaves alone.
    """

    program: Tuple[bpf.Instruction, ...]
    newest: Tuple[Tuple[str, int], ...] = ()


def decide(
    profile: Profile,
    architecture: str,
    syscall: Union[str, int],
    arguments: Sequence[int] = (),
    *,
    capabilities: Optional[AbstractSet[str]] = None,
    kernel: Optional[Tuple[int, int]] = None,
    engine: Optional[str] = None,
    runtime: str = RUNC,
    host: Optional[str] = None,
) -> Answer:
    """
    Return what the kernel answers to a call that a program of this architecture makes.

    `syscall` is a name, or a number as the kernel knows it (bit 30 set for x32); missing arguments
    are zero. `capabilities`, `kernel` and `engine` are as in `resolve`; a flat profile needs none.
    `host` is by default the 64-bit architecture that runs the other. The filter is built once for
    equal profiles. Raises InputError for what the engine or runtime refuses, and for a call that
    the architecture does not have.
    """
    own = host or host_of(architecture)
    if engine == model.CONTAINERD:
        profile = as_containerd_reads(profile)  # equal profiles may differ for it: `name`
    chosen = None if capabilities is None else frozenset(capabilities)
    loaded = _loaded(profile, own, chosen, kernel, engine, runtime)
    return answer(loaded, architecture, number_of(architecture, syscall), arguments)


def kind_of(runtime: str, version: str) -> str:
    """
    Return which of RUNTIMES loads filters as this runtime of this version does.

    A runc of unknown version counts as a new one; a runtime that is not known adds nothing.
    """
    if runtime == RUNC:
        order = version_order(version)
        is_old = bool(order[0]) and order < version_order("1.1.15")
        return RUNC_BEFORE_1_1_15 if is_old else RUNC
    return CRUN if runtime == CRUN else NO_RUNTIME


def load(profile: Profile, host: str = syscalls.X86_64, runtime: str = RUNC) -> Filter:
    """
    Return the filter that a runtime loads for a flat profile (`resolve`) on a host.

    Raises InputError for what the runtime refuses.
    """
    program = bpf.parse(export(profile, host, runtime))
    return Filter(program, _newest(profile, host, runtime))


def export(profile: Profile, host: str = syscalls.X86_64, runtime: str = NO_RUNTIME) -> bytes:
    """Return the program that libseccomp makes of a flat profile: no prologue is in it."""
    if not is_flat(profile):
        raise ValueError("resolve the profile first")
    refusals = _refusals(profile, host, runtime)
    if refusals:
        who = "runc and crun refuse" if runtime == NO_RUNTIME else f"{runtime} refuses"
        named = NATIVE in profile.architectures
        hint = "leave it out: the host's own architecture is always filtered" if named else ""
        shown = refusals[:_REFUSALS] + ["..."] * (len(refusals) > _REFUSALS)
        raise InputError(profile.says(f"{who} the profile: {'; '.join(shown)}"), hint)
    default = libseccomp.returned(profile.default_action, profile.default_errno)
    additions = tuple(dict.fromkeys(_additions(profile, default, runtime)))
    try:
        # libseccomp takes seconds, or minutes, for what is surely too long.
        refuse_long(_least_length(additions), 0, runtime, "at least ")
        program = libseccomp.compile_filter(default, host, profile.architectures, additions)
        refuse_long(bpf.length(program), prologue_length(profile, host, runtime), runtime)
    except InputError as error:
        raise InputError(profile.says(error.message), error.hint) from error
    return program


def _least_length(additions: Sequence[libseccomp.Addition]) -> int:
    """
    Return how many instructions a filter has at least: for some call, one for each lower word that
    rules of a single condition compare with. An unconditional rule makes them needless.
    """
    always = {addition.name for addition in additions if not addition.conditions}
    compared: Dict[str, Set[Tuple[int, int, int]]] = {}
    for addition in additions:
        if len(addition.conditions) == 1 and addition.name not in always:
            (only,) = addition.conditions
            words = (only.index, only.value & _WORD, only.value_two & only.value & _WORD)
            compared.setdefault(addition.name, set()).add(words)
    return max(map(len, compared.values()), default=0)


def refuse_long(own: int, prologue: int, runtime: str, about: str = "") -> None:
    """Raise InputError if the kernel loads no filter of so many instructions, with a prologue."""
    if own + prologue > bpf.MOST_INSTRUCTIONS:
        beside = f" and {runtime}'s own {prologue}" if prologue else ""
        raise InputError(
            f"the filter has {about}{own} instructions{beside}; the kernel loads no more than "
            f"{bpf.MOST_INSTRUCTIONS}",
            "use fewer rules with conditions; no container starts with this profile",
        )


def answer(
    loaded: Filter, architecture: str, number: int, arguments: Sequence[int] = ()
) -> Answer:
    """Return what a loaded filter answers to a call, by its number; see `decide`."""
    if _is_beyond(loaded, architecture, number):
        return Answer(model.ERRNO, errno.ENOSYS)
    call = bpf.Call(number, ARCHITECTURES[architecture].audit, tuple(arguments))
    return Answer(*libseccomp.said(bpf.run(loaded.program, call)))


def number_of(architecture: str, syscall: Union[str, int]) -> int:
    """Return the kernel's number of a call; raises InputError if the architecture has no such."""
    if architecture not in ARCHITECTURES:
        raise InputError(f"there is no architecture {architecture!r}")
    if isinstance(syscall, int):
        return syscall
    number = syscalls.number_of(architecture, syscall)
    if number is None:
        number = libseccomp.number_of(architecture, syscall)
    if number is None or number < 0:
        raise InputError(f"{architecture} has no call {syscall!r}")
    return number


@lru_cache(maxsize=16)
def _loaded(
    profile: Profile,
    host: str,
    capabilities: Optional[FrozenSet[str]],
    kernel: Optional[Tuple[int, int]],
    engine: Optional[str],
    runtime: str,
) -> Filter:
    return load(resolve(profile, host, capabilities, kernel, engine=engine), host, runtime)


# --- What a runtime makes of the rules ---


def _additions(
    profile: Profile, default: int, runtime: str
) -> Iterator[libseccomp.Addition]:
    for rule in profile.rules:
        returned = libseccomp.returned(rule.action, rule.errno)
        if returned == default:
            continue
        for name in filter(libseccomp.knows, rule.names):
            for conditions in alternatives(_as_read(rule, runtime)):
                yield libseccomp.Addition(name, returned, conditions)


# crun reads six conditions of a rule and drops the rest (libcrun_generate_seccomp).
def _as_read(rule: Rule, runtime: str) -> Rule:
    if runtime != CRUN or len(rule.conditions) <= model.MOST_ARGUMENTS:
        return rule
    return Rule(rule.names, rule.action, rule.conditions[: model.MOST_ARGUMENTS])


def _refusals(profile: Profile, host: str, runtime: str) -> List[str]:
    refusals = [
        f"the architecture {token} is unknown"
        for token in (host, *profile.architectures)
        if token not in ARCHITECTURES
    ]
    if runtime == CRUN:
        refusals += _crun_refusals(profile)
    if runtime in (RUNC, RUNC_BEFORE_1_1_15):
        refusals += _runc_refusals(profile)
    return refusals


def _crun_refusals(profile: Profile) -> Iterator[str]:
    numbered = [(profile.default_action, profile.default_errno)]
    numbered += [(rule.action, rule.errno) for rule in profile.rules]
    for action, number in numbered:
        if number is not None and action not in model.WITH_ERRNO:
            yield f"an errno beside {action}"


# InitSeccomp: runc itself has to write after the filter is loaded.
def _runc_refusals(profile: Profile) -> Iterator[str]:
    if profile.default_action == model.NOTIFY:
        yield f"{model.NOTIFY} as the default action"
    for rule in profile.rules:
        if rule.action == model.NOTIFY and "write" in rule.names:
            yield f"{model.NOTIFY} for write"


# --- runc's prologue ---


def prologue_length(profile: Profile, host: str, runtime: str) -> int:
    """Return how many instructions a runtime puts before a filter (generateEnosysStub)."""
    if not _has_prologue(profile, runtime):
        return 0
    own = (host,) if runtime == RUNC else ()
    kinds = {ARCHITECTURES[token].audit for token in (*profile.architectures, *own)}
    modes: Dict[int, List[str]] = {}
    for token, _ in _newest(profile, host, runtime):
        modes.setdefault(ARCHITECTURES[token].audit, []).append(token)
    return 4 + len(kinds) + sum(map(_section_length, modes.values()))


def _section_length(tokens: Sequence[str]) -> int:
    if len(tokens) == 2:
        return 5  # x86-64 and x32
    more = {"SCMP_ARCH_S390": 2, "SCMP_ARCH_S390X": 2, syscalls.X86_64: 1, syscalls.X32: 1}
    return 3 + more.get(tokens[0], 0)


def _has_prologue(profile: Profile, runtime: str) -> bool:
    return (
        runtime in (RUNC, RUNC_BEFORE_1_1_15)
        and profile.default_errno != errno.ENOSYS
        and profile.default_action not in _LETS_THROUGH
    )


def _newest(profile: Profile, host: str, runtime: str) -> Tuple[Tuple[str, int], ...]:
    if not _has_prologue(profile, runtime):
        return ()
    own = (host,) if runtime == RUNC else ()
    names = {name for rule in profile.rules for name in rule.names}
    newest: Dict[str, int] = {}
    for token in (*profile.architectures, *own):
        numbers = (libseccomp.number_of(token, name) for name in names)
        newest[token] = max((number for number in numbers if number is not None), default=0)
    return tuple((token, number) for token, number in newest.items() if number > 0)


def _is_beyond(loaded: Filter, architecture: str, number: int) -> bool:
    newest = dict(loaded.newest).get(_mode(architecture, number))
    if newest is None:
        return False
    if architecture in ("SCMP_ARCH_S390", "SCMP_ARCH_S390X") and number == 0:
        return True  # setup(2), by which s390 spells the numbers that it does not know
    return (number & 0xFFFFFFFF) > newest


# x86-64 and x32 are one architecture to the kernel, told apart by bit 30 of the number.
def _mode(architecture: str, number: int) -> str:
    if architecture not in (syscalls.X86_64, syscalls.X32):
        return architecture
    return syscalls.X32 if number & syscalls.X32_BIT else syscalls.X86_64
