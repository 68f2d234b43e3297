"""
What the kernel answers: libseccomp's own treatment of rules, and what runtimes add.

The live test (tests/live/test_decide.py) compares the same answers with a kernel's.
"""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.profile import strategies
from tests.unit.profile.strategies import Asked, outcome
from tracer import syscalls
from tracer.errors import HostError, InputError
from tracer.profile import libseccomp, model
from tracer.profile.decide import (
    CRUN,
    NO_RUNTIME,
    RUNC,
    RUNC_BEFORE_1_1_15,
    RUNTIMES,
    Answer,
    decide,
    export,
    kind_of,
)
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.profile.resolve import alternatives, resolve

ALLOWED = Answer(model.ALLOW)
EPERM = Answer(model.ERRNO, 1)
ENOSYS = Answer(model.ERRNO, 38)
BOTH = (syscalls.X86_64, syscalls.X86)
ALL = (*BOTH, syscalls.X32)


def _allowing(*rules: Rule, architectures: tuple[str, ...] = BOTH) -> Profile:
    return Profile(model.ERRNO, rules, architectures=architectures)


@pytest.mark.parametrize(
    ("action", "errno", "answer"),
    [
        (model.ALLOW, None, Answer(model.ALLOW)),
        (model.LOG, None, Answer(model.LOG)),
        (model.KILL, None, Answer(model.KILL_THREAD)),
        (model.KILL_THREAD, None, Answer(model.KILL_THREAD)),
        (model.KILL_PROCESS, None, Answer(model.KILL_PROCESS)),
        (model.TRAP, None, Answer(model.TRAP)),
        (model.ERRNO, None, Answer(model.ERRNO, 1)),
        (model.ERRNO, 0, Answer(model.ERRNO, 0)),
        (model.ERRNO, 4094, Answer(model.ERRNO, 4094)),
        (model.TRACE, 7, Answer(model.TRACE, 7)),
        (model.NOTIFY, None, Answer(model.NOTIFY)),
    ],
)
def test_every_action_is_answered(action: str, errno: Optional[int], answer: Answer):
    """
    The answer to a call is the action of its rule, with the errno if it has one.
    """
    profile = Profile(model.ERRNO, (Rule(("read",), action, errno=errno),), default_errno=5)

    assert decide(profile, syscalls.X86_64, "read") == answer


@pytest.mark.parametrize(
    ("operator", "value", "two", "below", "at", "above"),
    [
        (model.EQUAL, 8, 0, False, True, False),
        (model.NOT_EQUAL, 8, 0, True, False, True),
        (model.LESS, 8, 0, True, False, False),
        (model.LESS_OR_EQUAL, 8, 0, True, True, False),
        (model.GREATER, 8, 0, False, False, True),
        (model.GREATER_OR_EQUAL, 8, 0, False, True, True),
        (model.MASKED_EQUAL, 0xC, 8, False, True, True),
    ],
)
def test_every_operator_compares(
    operator: str, value: int, two: int, below: bool, at: bool, above: bool
):
    """
    7, 8 and 9 are allowed or not as the operator has it.
    """
    condition = Condition(1, operator, value, two)
    profile = _allowing(Rule(("personality",), model.ALLOW, (condition,)))

    answers = [decide(profile, syscalls.X86_64, "personality", (0, it)) for it in (7, 8, 9)]

    assert [one == ALLOWED for one in answers] == [below, at, above]


def test_arguments_have_64_bits():
    """
    A comparison sees the upper half of an argument too.
    """
    condition = Condition(0, model.EQUAL, 1 << 32)
    profile = _allowing(Rule(("read",), model.ALLOW, (condition,)))

    assert decide(profile, syscalls.X86_64, "read", (1 << 32,)) == ALLOWED
    assert decide(profile, syscalls.X86_64, "read", (0,)) == EPERM


def test_arguments_of_32_bit_architectures_have_32_bits():
    """
    libseccomp compares the lower half alone there, of the argument and of the rule's value.
    """
    condition = Condition(0, model.EQUAL, 1 << 32)
    profile = _allowing(Rule(("read",), model.ALLOW, (condition,)))

    assert decide(profile, syscalls.X86, "read", (0,)) == ALLOWED
    assert decide(profile, syscalls.X86, "read", (1,)) == EPERM


def test_an_unconditional_rule_wins_over_conditional_ones():
    """
    libseccomp drops the conditional rules of a call that has an unconditional one.
    """
    conditional = Rule(("read",), model.KILL, (Condition(0, model.EQUAL, 1),))
    profile = _allowing(conditional, Rule(("read",), model.ALLOW), conditional)

    assert decide(profile, syscalls.X86_64, "read", (1,)) == ALLOWED


def test_sockets_of_i386_go_through_socketcall_too():
    """
    Allowing socket allows socketcall's form of it, and no other, on i386.
    """
    profile = _allowing(Rule(("socket",), model.ALLOW))

    assert decide(profile, syscalls.X86, "socketcall", (1,)) == ALLOWED
    assert decide(profile, syscalls.X86, "socketcall", (2,)) == EPERM
    assert decide(profile, syscalls.X86, "socket") == ALLOWED


def test_an_architecture_that_is_not_named_is_killed():
    """
    A filter for x86-64 alone kills every i386 and x32 program at its first call.
    """
    profile = _allowing(Rule(("read",), model.ALLOW), architectures=(syscalls.X86_64,))

    assert decide(profile, syscalls.X86, "read") == Answer(model.KILL_THREAD)
    assert decide(profile, syscalls.X32, "read", runtime=NO_RUNTIME) == Answer(model.KILL_THREAD)


def test_an_unknown_name_changes_nothing():
    """
    Runtimes ignore a call that libseccomp does not know.
    """
    profile = _allowing(Rule(("no_such_call", "read"), model.ALLOW))

    assert decide(profile, syscalls.X86_64, "read") == ALLOWED
    assert decide(profile, syscalls.X86_64, "write") == EPERM


# --- runc's prologue ---


@pytest.mark.parametrize(
    ("runtime", "answer"),
    [(RUNC, ENOSYS), (RUNC_BEFORE_1_1_15, ENOSYS), (CRUN, EPERM), (NO_RUNTIME, EPERM)],
)
def test_runc_answers_enosys_beyond_the_newest_call(runtime: str, answer: Answer):
    """
    A number above every call that the profile names is unknown to runc, denied by the others.
    """
    profile = _allowing(Rule(("read", "statx"), model.ALLOW), Rule(("mount",), model.ERRNO))

    assert decide(profile, syscalls.X86_64, "openat2", runtime=runtime) == answer
    assert decide(profile, syscalls.X86_64, 0xFFFFF, runtime=runtime) == answer
    assert decide(profile, syscalls.X86_64, "getrandom", runtime=runtime) == EPERM


def test_the_newest_call_is_found_by_architecture():
    """
    Each architecture has numbers of its own, so what is beyond them differs.
    """
    profile = _allowing(Rule(("clock_gettime64", "write"), model.ALLOW))

    assert decide(profile, syscalls.X86, "pidfd_open") == ENOSYS
    assert decide(profile, syscalls.X86, "clock_settime64") == ENOSYS
    assert decide(profile, syscalls.X86, "statx") == EPERM
    assert decide(profile, syscalls.X86_64, "close") == ENOSYS


def test_the_number_zero_is_no_newest_call():
    """
    runc takes a newest call of 0, read of x86-64, for none at all, and adds no prologue.
    """
    profile = _allowing(Rule(("read",), model.ALLOW))

    assert decide(profile, syscalls.X86_64, "close") == EPERM


@pytest.mark.parametrize(("runtime", "answer"), [(RUNC, ENOSYS), (RUNC_BEFORE_1_1_15, EPERM)])
def test_old_runc_left_out_a_host_that_is_not_named(runtime: str, answer: Answer):
    """
    Since 1.1.15 the prologue covers the host's own architecture in any case.
    """
    profile = _allowing(Rule(("write",), model.ALLOW), architectures=())

    assert decide(profile, syscalls.X86_64, "close", runtime=runtime) == answer


@pytest.mark.parametrize(
    ("runtime", "version", "kind"),
    [
        ("runc", "1.1.5+ds1", RUNC_BEFORE_1_1_15),
        ("runc", "1.1.14", RUNC_BEFORE_1_1_15),
        ("runc", "1.1.15+ds1", RUNC),
        ("runc", "1.2.0-rc.1", RUNC),
        ("runc", "1.4.3", RUNC),
        ("runc", "", RUNC),
        ("runc", "unknown", RUNC),
        ("crun", "1.8.1", CRUN),
        ("youki", "0.5.0", NO_RUNTIME),
        ("", "", NO_RUNTIME),
    ],
)
def test_a_runtime_and_its_version_say_how_a_filter_is_loaded(
    runtime: str, version: str, kind: str
):
    """
    runc has had its present prologue since 1.1.15; a version that is not known counts as new.
    """
    assert kind_of(runtime, version) == kind


@pytest.mark.parametrize("action", [model.ALLOW, model.LOG, model.TRACE])
def test_a_default_that_lets_through_has_no_prologue(action: str):
    """
    New calls pass where everything passes.
    """
    profile = Profile(action, (Rule(("read",), model.KILL),), architectures=BOTH)

    assert decide(profile, syscalls.X86_64, 999).action == action


def test_a_default_of_enosys_has_no_prologue():
    """
    Where ENOSYS is the default already, a kill for a listed architecture's number stays a kill.
    """
    profile = Profile(model.KILL_PROCESS, (Rule(("read",), model.ALLOW),), default_errno=38)

    assert decide(profile, syscalls.X86_64, 999) == Answer(model.KILL_PROCESS)


def test_x32_has_a_newest_call_of_its_own():
    """
    Numbers with bit 30 are judged by x32's newest call if x32 is named, by the filter if not.
    """
    rule = Rule(("read",), model.ALLOW)
    named = _allowing(rule, architectures=(syscalls.X86_64, syscalls.X32))

    assert decide(named, syscalls.X32, "read") == ALLOWED
    assert decide(named, syscalls.X32, "write") == ENOSYS
    assert decide(named, syscalls.X86_64, 0x40000001) == ENOSYS
    assert decide(_allowing(rule), syscalls.X86_64, 0x40000001) == Answer(model.KILL_THREAD)


# --- What is refused ---


@pytest.mark.parametrize(
    ("profile", "runtime", "reason"),
    [
        (Profile(model.NOTIFY), RUNC, "SCMP_ACT_NOTIFY as the default action"),
        (_allowing(Rule(("write",), model.NOTIFY)), RUNC, "SCMP_ACT_NOTIFY for write"),
        (_allowing(Rule(("read",), model.ALLOW, errno=1)), CRUN, "errno beside SCMP_ACT_ALLOW"),
        (Profile(model.KILL, default_errno=1), CRUN, "errno beside SCMP_ACT_KILL"),
        (_allowing(Rule(("read",), model.ERRNO, errno=4095)), NO_RUNTIME, "the rule for read"),
        (_allowing(architectures=("SCMP_ARCH_Z80",)), RUNC, "the architecture SCMP_ARCH_Z80"),
    ],
)
def test_what_a_runtime_refuses_is_no_answer(profile: Profile, runtime: str, reason: str):
    """
    A container that would not start is an error that says why.
    """
    with pytest.raises(InputError, match=reason):
        decide(profile, syscalls.X86_64, "read", runtime=runtime)


def test_rules_that_contradict_each_other_are_no_answer():
    """
    libseccomp refuses a second action for the same call under the same conditions.
    """
    condition = (Condition(0, model.EQUAL, 1),)
    rules = [Rule(("read",), action, condition) for action in (model.ALLOW, model.TRAP)]

    with pytest.raises(InputError, match="the rule for read: another rule answers"):
        decide(_allowing(*rules), syscalls.X86_64, "read")


def test_a_profile_that_libseccomp_never_ends_with_is_no_answer(monkeypatch: pytest.MonkeyPatch):
    """
    Two chains of conditions over which libseccomp 2.5.4 loops for ever end in an error.
    """
    monkeypatch.setattr(libseccomp, "_PATIENCE", 0.5)
    first = (Condition(0, model.GREATER_OR_EQUAL, 1), Condition(2, model.LESS, (1 << 63) - 1))
    second = (Condition(0, model.GREATER_OR_EQUAL, 1), Condition(2, model.MASKED_EQUAL, 8, 1))
    denied, trapped = Rule(("mount",), model.ERRNO, first), Rule(("mount",), model.TRAP, second)
    profile = Profile(model.KILL, (denied, trapped), architectures=(syscalls.X86_64,))

    try:
        answer = decide(profile, syscalls.X86_64, "mount", (1, 0, 0))
    except InputError as error:
        assert "does not come to an end" in str(error)
    else:  # a libseccomp in which that is repaired
        assert answer == EPERM


def test_two_chains_of_conditions_are_decided():
    """
    Rules of one call with several conditions each are answered like others.
    """
    pairs = [(Condition(0, model.EQUAL, it), Condition(1, model.EQUAL, it)) for it in (1, 2)]
    profile = _allowing(*(Rule(("mount",), model.ALLOW, pair) for pair in pairs))

    assert decide(profile, syscalls.X86_64, "mount", (2, 2)) == ALLOWED
    assert decide(profile, syscalls.X86_64, "mount", (2, 1)) == EPERM


def test_a_call_that_the_architecture_does_not_have_is_no_answer():
    """
    A name is asked about under an architecture that has it.
    """
    with pytest.raises(InputError, match="SCMP_ARCH_X86_64 has no call 'socketcall'"):
        decide(_allowing(), syscalls.X86_64, "socketcall")


def test_a_filter_for_the_other_byte_order_is_not_made():
    """
    libseccomp leaves such a filter half unswapped, so there is no answer from it.
    """
    with pytest.raises(HostError, match="cannot make filters for SCMP_ARCH_S390X here"):
        decide(_allowing(architectures=()), "SCMP_ARCH_S390X", 3)


def test_the_circumstances_of_a_rule_count():
    """
    A call that needs a capability is allowed for the container that has it.
    """
    needed = Circumstances(capabilities=("CAP_SYS_PTRACE",))
    profile = _allowing(Rule(("ptrace",), model.ALLOW, includes=needed))

    assert decide(profile, syscalls.X86_64, "ptrace") != ALLOWED
    with_it = decide(profile, syscalls.X86_64, "ptrace", capabilities={"CAP_SYS_PTRACE"})
    assert with_it == ALLOWED


def test_another_host_has_its_own_numbers():
    """
    A profile is decided for arm64 by arm64's numbers, wherever that is done.
    """
    profile = _allowing(Rule(("read", "openat"), model.ALLOW), architectures=(syscalls.AARCH64,))

    assert decide(profile, syscalls.AARCH64, "read") == ALLOWED
    assert decide(profile, syscalls.AARCH64, 63) == ALLOWED
    assert decide(profile, syscalls.AARCH64, "close") == EPERM
    assert decide(profile, syscalls.AARCH64, "write") == ENOSYS


# --- Properties ---


@given(strategies.flat_profiles(), strategies.calls(), st.sampled_from(RUNTIMES))
@settings(max_examples=50, deadline=None)
def test_an_answer_is_one_that_the_profile_gives(profile: Profile, asked: Asked, runtime: str):
    """
    No answer is an action that the profile does not have, but for a foreign architecture's kill
    and runc's ENOSYS.
    """
    answer = outcome(profile, asked, runtime)
    assume(isinstance(answer, Answer))

    own = {profile.default_action, *(rule.action for rule in profile.rules)}
    own = {model.KILL_THREAD if action == model.KILL else action for action in own}
    assert isinstance(answer, Answer)
    assert answer.action in own | {model.KILL_THREAD} or answer == ENOSYS


@given(strategies.profiles(), strategies.calls())
@settings(max_examples=50, deadline=None)
def test_resolving_first_changes_no_answer(profile: Profile, asked: Asked):
    """
    The flat profile answers as the profile does for that container.
    """
    flat = resolve(profile, syscalls.X86_64, asked.capabilities, asked.kernel)

    assert outcome(flat, asked) == outcome(profile, asked)


@given(strategies.rules(flat=True), strategies.calls())
@settings(max_examples=50, deadline=None)
def test_one_rule_decides_as_its_conditions_say(rule: Rule, asked: Asked):
    """
    For a single rule the answer can be worked out by hand where arguments have 64 bits.
    """
    assume(asked.architecture == syscalls.X86_64)
    default = (model.ERRNO, 5)
    profile = Profile(default[0], (rule,), default_errno=default[1], architectures=ALL)

    answer = outcome(profile, asked, NO_RUNTIME)

    matches = asked.syscall in rule.names and any(
        all(_holds(one, asked.arguments[one.index]) for one in conditions)
        for conditions in alternatives(rule)
    )
    action = rule.action if matches else default[0]
    assert isinstance(answer, Answer)
    assert answer.action == (model.KILL_THREAD if action == model.KILL else action)


def _holds(condition: Condition, argument: int) -> bool:
    value = condition.value
    return {
        model.EQUAL: argument == value,
        model.NOT_EQUAL: argument != value,
        model.LESS: argument < value,
        model.LESS_OR_EQUAL: argument <= value,
        model.GREATER: argument > value,
        model.GREATER_OR_EQUAL: argument >= value,
        model.MASKED_EQUAL: argument & value == condition.value_two & value,
    }[condition.operator]


def test_the_same_profile_gives_the_same_program():
    """
    A filter is exported byte for byte alike, and only for a flat profile.
    """
    profile = _allowing(Rule(("read",), model.ALLOW))

    assert export(profile) == export(profile)
    with pytest.raises(ValueError):
        export(_allowing(Rule(("read",), model.ALLOW, includes=Circumstances(("CAP_A",)))))
