"""
Profiles, rules, calls and documents by Hypothesis, for every test of tracer/profile.

What is drawn is small, so that rules meet: a dozen names, few values, few capabilities. All of it
is sound; documents that are wrong are written by hand where they are tested.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple, Union

from hypothesis import strategies as st

from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import bpf, model
from tracer.profile.architectures import host_of
from tracer.profile.decide import NO_RUNTIME, Answer, decide, load
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule
from tracer.profile.resolve import resolve

# Old and new, of one architecture alone (socketcall, time64), multiplexed on i386 (socket), and
# one that nobody knows.
NAMES = (
    "read",
    "write",
    "clone",
    "clone3",
    "personality",
    "socket",
    "socketcall",
    "clock_gettime64",
    "mount",
    "ptrace",
    "statx",
    "no_such_call",
)
ARCHITECTURES = (syscalls.X86_64, syscalls.X86, syscalls.X32)
CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_CHOWN")
ERRNOS = (1, 13, 22, 38)
VALUES = (0, 1, 8, 0x20000, 0xFFFFFFFF, 0x100000000, (1 << 63) - 1)
# NOTIFY is left out: runc does not load it for write.
ACTIONS = tuple(action for action in model.ACTIONS if action != model.NOTIFY)


@dataclass(frozen=True)
class Asked:
    """A call that a program makes, and for which container the profile is resolved."""

    architecture: str
    syscall: Union[str, int]
    arguments: Tuple[int, ...]
    capabilities: frozenset[str] = frozenset()
    kernel: Tuple[int, int] = (6, 1)


def conditions() -> st.SearchStrategy[Condition]:
    """Comparisons of the first three arguments."""
    return st.builds(
        Condition,
        index=st.integers(0, 2),
        operator=st.sampled_from(model.OPERATORS),
        value=st.sampled_from(VALUES),
        value_two=st.sampled_from(VALUES),
    )


def circumstances() -> st.SearchStrategy[Circumstances]:
    """What `includes` and `excludes` may say; often nothing."""
    some = st.builds(
        Circumstances,
        capabilities=st.lists(st.sampled_from(CAPABILITIES), max_size=2, unique=True).map(tuple),
        architectures=st.lists(st.sampled_from(("amd64", "arm64")), max_size=1).map(tuple),
        minimal_kernel=st.none() | st.sampled_from(((4, 8), (6, 1), (6, 9))),
    )
    return st.one_of(st.just(Circumstances()), some)


@st.composite
def rules(draw: st.DrawFn, flat: bool = False) -> Rule:
    """Rules of any action; a flat one holds for every container."""
    action = draw(st.sampled_from(ACTIONS))
    numbered = action in model.WITH_ERRNO
    return Rule(
        names=tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))),
        action=action,
        conditions=tuple(draw(st.lists(conditions(), max_size=2))),
        errno=draw(st.none() | st.sampled_from(ERRNOS)) if numbered else None,
        errno_name="" if flat or not numbered else draw(st.sampled_from(("", "EACCES", "22"))),
        includes=Circumstances() if flat else draw(circumstances()),
        excludes=Circumstances() if flat else draw(circumstances()),
        comment=draw(st.sampled_from(("", "a comment"))),
    )


@st.composite
def profiles(draw: st.DrawFn, flat: bool = False, most_rules: int = 5) -> Profile:
    """Profiles of Docker's and podman's dialect; a flat one is `resolve`d already."""
    action = draw(st.sampled_from(ACTIONS))
    members = tuple(draw(st.lists(st.sampled_from(ARCHITECTURES[1:]), unique=True)))
    in_families = not flat and draw(st.booleans())
    numbered = action in model.WITH_ERRNO
    written = tuple(draw(st.lists(rules(flat=flat), max_size=most_rules)))
    return Profile(
        default_action=action,
        rules=written,
        default_errno=draw(st.none() | st.sampled_from(ERRNOS)) if numbered else None,
        architectures=() if in_families else (syscalls.X86_64, *members),
        families=(Family(syscalls.X86_64, members),) if in_families else (),
        flags=draw(st.sampled_from(((), ("SECCOMP_FILTER_FLAG_LOG",)))),
        dialect=model.PODMAN if any(rule.errno_name for rule in written) else model.DOCKER,
    )


@st.composite
def answering_missing(draw: st.DrawFn) -> Profile:
    """Profiles that forbid, and answer ENOSYS to a call that C libraries probe, or by default."""
    profile = draw(profiles(most_rules=3))
    rule = Rule(
        names=tuple(draw(st.lists(st.sampled_from(("clone3", "statx", "mount")), min_size=1))),
        action=model.ERRNO,
        errno=38,
        conditions=tuple(draw(st.lists(conditions(), max_size=1))),
        includes=draw(circumstances()),
        excludes=draw(circumstances()),
    )
    position = draw(st.integers(0, len(profile.rules)))
    with_rule = (*profile.rules[:position], rule, *profile.rules[position:])
    return replace(
        profile,
        default_action=draw(st.sampled_from((model.ERRNO, model.KILL_PROCESS))),
        default_errno=draw(st.none() | st.sampled_from(ERRNOS)),
        rules=with_rule,
    )


def flat_profiles(most_rules: int = 5) -> st.SearchStrategy[Profile]:
    """Profiles that mean the same for every container."""
    return profiles(flat=True, most_rules=most_rules)


@st.composite
def calls(draw: st.DrawFn) -> Asked:
    """Calls that rules of `rules` are about, and some that none is about."""
    architecture = draw(st.sampled_from(ARCHITECTURES))
    known = [name for name in NAMES if syscalls.number_of(architecture, name) is not None]
    asked: st.SearchStrategy[Union[str, int]] = st.sampled_from(known)
    arguments = draw(st.lists(st.sampled_from(VALUES), min_size=3, max_size=3))
    bits = 0xFFFFFFFF if architecture == syscalls.X86 else (1 << 64) - 1
    return Asked(
        architecture,
        draw(asked | st.sampled_from((39, 999, 0x40000000 + 999))),
        tuple(argument & bits for argument in arguments),
        frozenset(draw(st.sets(st.sampled_from(CAPABILITIES)))),
        draw(st.sampled_from(((4, 4), (6, 1), (6, 12)))),
    )


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Texts of sound profiles as people write them: odd spellings, order and unknown fields."""
    document: Dict[str, Any] = {
        "defaultAction": draw(st.sampled_from(model.ACTIONS)),
        "syscalls": draw(st.lists(_rule_objects(), max_size=4)),
        **draw(_any_of({"architectures": [[], ["SCMP_ARCH_X86"]]})),
        **draw(_any_of({"defaultErrnoRet": [None, 38]})),
        **draw(_any_of({"flags": [[]], "x-ours": [1, {"deep": [None]}], "archMap": [[]]})),
    }
    document = dict(draw(st.permutations(list(document.items()))))
    return json.dumps(document, indent=draw(st.sampled_from((None, 1, "\t"))))


@st.composite
def _rule_objects(draw: st.DrawFn) -> Dict[str, Any]:
    named = {"name": "read"} if draw(st.booleans()) else {"names": ["read", "no_such_call"]}
    arguments = [{"index": 0, "op": model.EQUAL}, {"op": model.LESS, "index": 1, "z": 0}]
    rule = {
        **named,
        "action": draw(st.sampled_from(model.ACTIONS)),
        **draw(_any_of({"args": [None, [], arguments], "includes": [None, {}, {"caps": []}]})),
        **draw(_any_of({"excludes": [{"minKernel": None}, {"arches": ["x86"]}]})),
        **draw(_any_of({"comment": ["", None]})),
        **draw(_any_of({"errnoRet": [None, 1], "errno": ["", "EPERM"], "x-their": [[], "é"]})),
    }
    return dict(draw(st.permutations(list(rule.items()))))


def _any_of(choices: Dict[str, Any]) -> st.SearchStrategy[Dict[str, Any]]:
    optional = {key: st.sampled_from(values) for key, values in choices.items()}
    return st.fixed_dictionaries({}, optional=optional)


def outcome(profile: Profile, asked: Asked, runtime: str = "runc") -> Union[Answer, str]:
    """What is answered to a call, or why the profile cannot be loaded for it."""
    try:
        return decide(
            profile,
            asked.architecture,
            asked.syscall,
            asked.arguments,
            capabilities=asked.capabilities,
            kernel=asked.kernel,
            runtime=runtime,
        )
    except InputError as error:
        return str(error)


def is_loadable(profile: Profile) -> bool:
    """Whether libseccomp takes a flat profile: it refuses some rules that contradict each other."""
    return isinstance(outcome(profile, Asked(syscalls.X86_64, 0, ()), NO_RUNTIME), Answer)


def compares_as_written(program: Sequence[bpf.Instruction]) -> bool:
    """
    Whether each comparison finds the same word loaded, however it is reached.

    Programs of libseccomp 2.5 and 2.6 do not always: _gen_bpf_build_bpf looks at one of the ways.
    """
    states: List[Set[Optional[Tuple[int, int]]]] = [set() for _ in range(len(program) + 1)]
    states[0].add(None)
    for place, (code, if_true, if_false, constant) in enumerate(program):
        here = states[place]
        if code & 7 in (4, 5) and code != 5 and len(here) > 1:
            return False
        for state in here:
            if code == 0x20:
                states[place + 1].add((constant, 0xFFFFFFFF))
            elif code & 7 == 4 and state is not None:
                states[place + 1].add((state[0], constant))
            elif code & 7 == 5:
                skips = (constant,) if code == 5 else (if_true, if_false)
                for skip in skips:
                    states[place + 1 + skip].add(state)
    return True


def is_sound(profile: Profile, asked: Asked) -> bool:
    """Whether the filter for a call's container is what the rules say (`compares_as_written`)."""
    flat = resolve(profile, host_of(asked.architecture), asked.capabilities, asked.kernel)
    # _gen_bpf_syscalls loads the number in the block of the first call; where x86-64 and x32 share
    # a filter that may be one without a number there, whose block is left out.
    if syscalls.X32 in flat.architectures:
        return False
    return compares_as_written(load(flat, host_of(asked.architecture), NO_RUNTIME).program)
