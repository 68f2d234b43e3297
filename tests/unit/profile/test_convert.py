"""
Profiles in other forms: what is said stays true, what cannot be said is listed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.profile import strategies
from tests.unit.profile.strategies import Asked, is_loadable, outcome
from tracer import syscalls
from tracer.profile import bpf, formats, model, systemd, yaml
from tracer.profile.convert import BPF, SYSTEMD, Container, Converted, convert
from tracer.profile.decide import NO_RUNTIME, Answer, Filter, answer, decide, number_of
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule

SOMEWHERE = Container(syscalls.X86_64, frozenset({"CAP_CHOWN"}), (6, 1))
SAYABLE = (model.DOCKER, model.PODMAN, model.OCI, model.SPO)
BEYOND = Condition(0, model.EQUAL, 1 << 63)
ALLOWING = Rule(("read", "exit_group"), model.ALLOW)


def _read(converted: Converted) -> Profile:
    return formats.read(converted.content.decode(), "converted")


@given(strategies.profiles(), strategies.calls(), st.sampled_from(SAYABLE))
@settings(max_examples=50, deadline=None)
def test_there_and_back_changes_no_decision(profile: Profile, asked: Asked, target: str):
    """
    What converts without loss decides alike in the other form, and again in Docker's.
    """
    container = Container(syscalls.X86_64, asked.capabilities, asked.kernel)
    there = convert(profile, target, container)
    back = convert(_read(there), model.DOCKER, container)

    before = outcome(profile, asked)

    if not there.losses:
        assert outcome(_read(there), asked) == before
        assert outcome(_read(back), asked) == before


@given(strategies.flat_profiles(), st.sampled_from((model.DOCKER, model.PODMAN, model.OCI)))
@settings(max_examples=50, deadline=None)
def test_a_flat_profile_loses_nothing_among_engines(profile: Profile, target: str):
    """
    Docker, podman and OCI say a flat profile in full.
    """
    converted = convert(profile, target)

    assert converted.losses == ()
    assert _read(converted).rules == profile.rules


@given(strategies.flat_profiles(), strategies.calls())
@settings(max_examples=50, deadline=None)
def test_losing_something_is_on_the_strict_side(profile: Profile, asked: Asked):
    """
    What the operator's resource cannot say never lets a call through that was not.
    """
    converted = _read(convert(profile, model.SPO))

    before, after = outcome(profile, asked), outcome(converted, asked)

    if isinstance(before, Answer) and isinstance(after, Answer):
        assert before.lets_through or not after.lets_through


@given(strategies.flat_profiles(), strategies.calls())
@settings(max_examples=50, deadline=None)
def test_the_filter_is_the_one_that_decides(profile: Profile, asked: Asked):
    """
    The raw filter answers as the profile does without a runtime.
    """
    assume(is_loadable(profile))
    flags = convert(profile, BPF).losses
    program = bpf.parse(convert(profile, BPF).content)

    number = number_of(asked.architecture, asked.syscall)
    raw = answer(Filter(program), asked.architecture, number, asked.arguments)

    assert raw == outcome(profile, asked, NO_RUNTIME)
    assert flags == (("the flag SECCOMP_FILTER_FLAG_LOG",) if profile.flags else ())


@pytest.mark.parametrize("target", [model.OCI, model.SPO, SYSTEMD, BPF])
def test_what_a_container_would_decide_has_to_be_named(target: str):
    """
    Host, capabilities and kernel that rules depend on are losses unless the container names them.
    """
    rule = Rule(("read",), model.ALLOW, includes=Circumstances(("CAP_CHOWN",), ("amd64",), (4, 8)))
    profile = Profile(model.KILL_PROCESS, (rule,), families=(Family(syscalls.X86_64),))

    named = set(convert(profile, target, SOMEWHERE).losses)
    unnamed = set(convert(profile, target).losses) - named

    assert sorted(loss.split(",")[0] for loss in unnamed) == [
        "capabilities",
        "the host's architecture",
        "the host's kernel",
    ]


def test_podman_is_given_a_kernel_or_loses_it():
    """
    podman ignores minimal kernels: with one named the rules are chosen, without they are losses.
    """
    rules = tuple(
        Rule((name,), model.ALLOW, includes=Circumstances(minimal_kernel=kernel))
        for name, kernel in (("read", (4, 8)), ("write", (6, 9)))
    )
    profile = Profile(model.ERRNO, rules)

    chosen = convert(profile, model.PODMAN, SOMEWHERE)

    assert [rule.names for rule in _read(chosen).rules] == [("read",)]
    assert chosen.losses == ()
    assert len(convert(profile, model.PODMAN).losses) == 2


def test_docker_is_given_numbers_for_errno_names():
    """
    The names that only podman reads become numbers.
    """
    rule = Rule(("read",), model.ERRNO, errno_name="EACCES")
    profile = Profile(model.ERRNO, (rule,), default_errno_name="ENOSYS", dialect=model.PODMAN)

    document = json.loads(convert(profile, model.DOCKER).content)

    assert document["defaultErrnoRet"] == 38
    assert document["syscalls"][0]["errnoRet"] == 13
    assert "errno" not in document["syscalls"][0] and "defaultErrno" not in document


def test_an_oci_profile_goes_into_the_config_that_is_there():
    """
    The rest of a config.json stays when a profile is put into it.
    """
    around = {"ociVersion": "1.0.0", "process": {"args": []}, "linux": {"x": 1}}

    converted = convert(Profile(model.ERRNO, (ALLOWING,)), model.OCI, around=around)

    document = json.loads(converted.content)
    assert document["linux"].pop("seccomp")["defaultAction"] == model.ERRNO
    assert document == around


@pytest.mark.parametrize(
    ("profile", "loss"),
    [
        (Profile(model.ERRNO, default_errno=38), "the default errno 38: it becomes EPERM"),
        (Profile(model.ERRNO, (Rule(("read",), model.ERRNO, errno=0),)), "the errno 0 of the rule"),
        (Profile(model.ERRNO, architectures=("SCMP_ARCH_LOONGARCH64",)), "the architecture SCMP_"),
        (Profile(model.ERRNO, kept={"x": 1}), "the unknown field $.x"),
        (
            Profile(model.ERRNO, kept={"x": 1}, dialect=model.SPO),
            "the unknown field $.spec.x",
        ),
        (Profile(model.ERRNO, flags=("SECCOMP_FILTER_FLAG_NEW",)), "the flag SECCOMP_"),
        (Profile(model.ERRNO, listener_path="/run/a"), "the listenerPath /run/a: the"),
        (Profile(model.ERRNO, listener_path="/var/run/security-profiles-operator/../a"), "the lis"),
        (
            Profile(model.LOG, (Rule(("read",), model.LOG, (BEYOND,)),)),
            "a condition of the rule for read: more than 63 bits",
        ),
    ],
)
def test_what_the_operator_has_no_field_for_is_listed(profile: Profile, loss: str):
    """
    Each thing that a SeccompProfile cannot say is a loss of its own.
    """
    converted = convert(profile, model.SPO)

    assert [one[: len(loss)] for one in converted.losses] == [loss]
    assert _read(converted).dialect == model.SPO


LISTENER = "/var/run/security-profiles-operator/a-1_b.sock"


def test_a_listener_in_the_directory_of_the_operator_stays():
    """
    The path of a socket that the resource takes is written as it is.
    """
    profile = Profile(model.ALLOW, (Rule(("mount",), model.NOTIFY),), listener_path=LISTENER)

    converted = convert(profile, model.SPO)

    assert converted.losses == ()
    assert _read(converted).listener_path == LISTENER


def test_without_its_listener_a_profile_denies_what_it_would_ask_about():
    """
    NOTIFY without a listener does not load, and no call may be let through for that.
    """
    rules = (Rule(("mount",), model.NOTIFY), Rule(("read",), model.ALLOW))
    profile = Profile(model.NOTIFY, rules, listener_path="/run/a", listener_metadata="m")

    converted = convert(profile, model.SPO)

    assert len(converted.losses) == 2
    assert _read(converted) == Profile(
        model.ERRNO, (Rule(("mount",), model.ERRNO), rules[1]), dialect=model.SPO
    )


OLD_RESOURCE = """apiVersion: security-profiles-operator.x-k8s.io/v1beta1
kind: SeccompProfile
metadata: {name: old, namespace: app, uid: 1-2, labels: {a: b}}
spec:
  disabled: true
  defaultAction: SCMP_ACT_ERRNO
  baseProfileName: runc
  syscalls:
  - {action: SCMP_ACT_ERRNO, names: [clone3, clone3], errnoRet: '38'}
status: {}
"""


def test_an_old_resource_becomes_one_of_version_1():
    """
    Its errno is a number then, its state a word; a namespace is lost, a cluster's own fields go.
    """
    converted = convert(formats.read(OLD_RESOURCE, "old.yaml"), model.SPO)

    assert yaml.parse_all(converted.content.decode(), "converted") == [
        {
            "apiVersion": "security-profiles-operator.x-k8s.io/v1",
            "kind": "SeccompProfile",
            "metadata": {"name": "old", "labels": {"a": "b"}},
            "spec": {
                "state": "Disabled",
                "defaultAction": "SCMP_ACT_ERRNO",
                "baseProfileName": "runc",
                "syscalls": [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}],
            },
        }
    ]
    assert converted.losses == ("the namespace app: a SeccompProfile belongs to the cluster",)


def test_a_resource_is_written_without_comments():
    """
    Whatever is merged into a resource, kubectl takes the result.
    """
    profile = Profile(model.ERRNO, (Rule(("a",), model.LOG, comment="x"),), dialect=model.SPO)

    assert "comment" not in formats.write(profile)


def test_the_base_of_a_resource_is_no_part_of_it():
    """
    What a resource is added to is a loss in every other form.
    """
    profile = Profile(model.ERRNO, base="runc", dialect=model.SPO)

    assert convert(profile, model.SPO).losses == ()
    assert convert(profile, model.OCI).losses == ("the base profile runc",)


# --- systemd ---


def _unit(profile: Profile) -> Tuple[str, Tuple[str, ...]]:
    converted = convert(profile, SYSTEMD)
    return converted.content.decode(), converted.losses


def _settings(text: str, name: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(f"{name}=")]
    return " ".join(line.split("=", 1)[1] for line in lines)


def test_an_allow_list_is_a_unit_s():
    """
    Allowed and logged calls, the default's errno and the architectures are settings of their own.
    """
    rules = (Rule(("read", "no_such_call"), model.ALLOW), Rule(("write",), model.LOG))
    profile = Profile(model.ERRNO, rules, default_errno=13, architectures=(syscalls.X86,))

    text, losses = _unit(profile)

    assert _settings(text, "SystemCallFilter") == "read write"
    assert _settings(text, "SystemCallLog") == "write"
    assert _settings(text, "SystemCallErrorNumber") == "EACCES"
    assert _settings(text, "SystemCallArchitectures") == "x86-64 x86"
    assert [loss for loss in losses if "always allows" not in loss] == []
    assert systemd.is_unit(text)


def test_a_deny_list_is_a_unit_s():
    """
    Under a default that allows, denied calls have an errno each, or kill.
    """
    rules = (Rule(("read",), model.ERRNO, errno=38), Rule(("write",), model.KILL_PROCESS))

    text, losses = _unit(Profile(model.ALLOW, rules))

    assert _settings(text, "SystemCallFilter") == "~read:ENOSYS ~write:kill"
    assert losses == ()


@pytest.mark.parametrize(
    ("rule", "loss"),
    [
        (Rule(("read",), model.ALLOW, (Condition(0, model.EQUAL, 1),)), "conditions on the arg"),
        (Rule(("read",), model.ERRNO, errno=38), "SCMP_ACT_ERRNO ENOSYS for read: it gets what"),
        (Rule(("read",), model.TRAP), "SCMP_ACT_TRAP for read: it gets what everything else"),
    ],
)
def test_what_systemd_does_not_know_stays_denied(rule: Rule, loss: str):
    """
    Conditions and answers of their own are losses, and the call is not in the list.
    """
    text, losses = _unit(Profile(model.ERRNO, (rule, Rule(("close",), model.ALLOW))))

    assert _settings(text, "SystemCallFilter") == "close"
    assert losses[0].startswith(loss)


def test_what_systemd_always_allows_is_told():
    """
    A call that the profile denies, and systemd never does, is a loss.
    """
    _, losses = _unit(Profile(model.ERRNO, (Rule(("read",), model.ALLOW),)))

    assert "nanosleep" in losses[-1]


def test_an_empty_list_is_no_missing_filter():
    """
    A profile that allows nothing does not become a unit without a filter.
    """
    text, _ = _unit(Profile(model.KILL_PROCESS))

    assert _settings(text, "SystemCallFilter") == "@default"
    assert _settings(text, "SystemCallErrorNumber") == ""


@given(strategies.flat_profiles(most_rules=3))
@settings(max_examples=5, deadline=None)
def test_systemd_reads_the_unit(profile: Profile):
    """
    systemd finds nothing to complain of in any unit, where systemd is there to be asked.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not here")
    assume(is_loadable(profile))
    text, _ = _unit(profile)

    assert _complaints(program, text) == ""


def _complaints(program: str, text: str) -> str:
    with tempfile.TemporaryDirectory() as directory:
        unit = Path(directory) / "seccomp-trace-test.service"
        unit.write_text(text.replace("[Service]", "[Service]\nExecStart=/bin/true"))
        command = [program, "verify", "--man=no", "--recursive-errors=no", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True)
    own = [line for line in done.stderr.splitlines() if "seccomp-trace-test" in line]
    return "\n".join(own)


def test_comments_are_no_loss():
    """
    A comment is dropped without a word where there is no place for it.
    """
    profile = Profile(model.ERRNO, (Rule(("read",), model.ALLOW, comment="why"),))

    converted = convert(profile, model.SPO)

    assert converted.losses == ()
    assert decide(_read(converted), syscalls.X86_64, "read") == Answer(model.ALLOW)
