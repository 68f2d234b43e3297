"""
What lint says of a profile beside the capabilities of its container.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Dict, FrozenSet, List, Mapping, Tuple

import pytest

from tests.unit.profile.defaults import default_text
from tracer import syscalls
from tracer.capabilities.given import named_sets
from tracer.capabilities.names import NAMES
from tracer.profile import formats, model
from tracer.profile.floors import permitted, shipped
from tracer.profile.lint import lint
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.profile.privileges import NEVER_WITHOUT, SERVING
from tracer.profile.remarks import NOTE, Needs, Remark

MINE = ("never-succeeds", "serves-nothing")
ADMIN = Circumstances(capabilities=("CAP_SYS_ADMIN",))


def allow(*names: str, **fields: object) -> Rule:
    return Rule(names, model.ALLOW, **fields)  # type: ignore[arg-type]


def remarks(
    *rules: Rule,
    caps: str = "none",
    default: str = model.ERRNO,
    seen: Mapping[str, FrozenSet[str]] = {},
) -> List[Remark]:
    profile = Profile(default, rules, architectures=(syscalls.X86_64,))
    needs = Needs(named_sets([caps]), seen)
    return [one for one in lint(profile, needs=needs) if one.code in MINE]


def codes(*rules: Rule, **fields: object) -> List[Tuple[str, str]]:
    return [(one.code, one.place) for one in remarks(*rules, **fields)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rule, caps, noted",
    [
        (allow("acct"), "none", True),
        (allow("acct"), "sys_pacct", False),
        (allow("acct"), "all", False),
        (allow("mount"), "sys_chroot", True),
        (allow("mount", conditions=(Condition(3, model.EQUAL, 1),)), "none", True),
        (allow("mount", includes=ADMIN), "none", False),
        (allow("mount", excludes=ADMIN), "none", True),
        (Rule(("acct",), model.ERRNO, errno=38), "none", False),
        (allow("quotactl", "mknod", "bpf", "unshare"), "none", False),
    ],
)
def test_an_allowed_call_that_the_kernel_will_refuse_is_noted(rule: Rule, caps: str, noted: bool):
    """
    What always takes a capability that is not there, if the profile lets such a container make it.
    """
    found = codes(allow("read"), rule, caps=caps)

    place = ("never-succeeds", "$.syscalls[1].names[0]")
    assert [one for one in found if one[0] == "never-succeeds"] == ([place] if noted else [])


def test_nothing_is_said_where_nobody_said_what_the_container_has():
    """
    A profile by itself may be for any container.
    """
    found = lint(Profile(model.ERRNO, (allow("acct", "mount"),)))

    assert not [one for one in found if one.code in MINE]


@pytest.mark.parametrize(
    "open_call, excepted", [("clone", True), ("unshare", True), ("read", False)]
)
def test_what_is_allowed_in_a_user_namespace_is_excepted(open_call: str, excepted: bool):
    """
    Who may make one has every capability there.
    """
    (found,) = remarks(allow("mount"), allow(open_call))

    assert found.severity == NOTE
    assert ("user namespace" in found.message) is excepted
    assert ("unless" in found.remedy) is excepted


def test_a_clone_that_makes_no_namespaces_is_no_exception():
    """
    Engines allow clone without the flags for namespaces.
    """
    without = (Condition(0, model.MASKED_EQUAL, 2114060288, 0),)

    (found,) = remarks(allow("mount"), allow("clone", conditions=without))

    assert "user namespace" not in found.message


def test_what_a_runtime_calls_is_not_noted():
    """
    It has capabilities when it does so.
    """
    every = permitted(shipped())
    calls = {name for one in NEVER_WITHOUT for name in one.calls}

    found = remarks(allow(*sorted(calls | every)))

    assert {one.message.split()[0] for one in found} == calls - every


TIME = ("clock_settime", "settimeofday", "adjtimex", "clock_adjtime")


@pytest.mark.parametrize(
    "rules, caps, noted",
    [
        ([allow("read")], "sys_time", True),
        ([allow("read", "adjtimex")], "sys_time", False),
        ([allow("adjtimex", conditions=(Condition(0, model.EQUAL, 1),))], "sys_time", False),
        ([allow("adjtimex", includes=ADMIN)], "sys_time", True),
        ([allow("adjtimex", includes=ADMIN)], "sys_time,sys_admin", False),
        ([Rule(TIME, model.ERRNO), allow("read")], "sys_time", True),
        ([allow("read")], "sys_admin,net_admin,dac_override", False),
        ([allow("read")], "none", False),
    ],
)
def test_a_capability_of_which_every_call_is_denied_is_noted(
    rules: List[Rule], caps: str, noted: bool
):
    """
    It is there for nothing; one that serves too many calls to know is left alone.
    """
    found = codes(*rules, caps=caps)

    assert found == ([("serves-nothing", "$.syscalls")] if noted else [])


def test_under_a_permissive_default_what_no_rule_names_is_let_through():
    """
    Only what is denied by rules serves nothing.
    """
    denied = Rule(SERVING["CAP_SYS_TIME"], model.ERRNO)

    assert codes(Rule(TIME[:2], model.ERRNO), caps="sys_time", default=model.ALLOW) == []
    assert codes(denied, caps="sys_time", default=model.ALLOW) == [("serves-nothing", "$.syscalls")]


@pytest.mark.parametrize(
    "capability, seen, noted",
    [
        ("CAP_SYS_TIME", {"ioctl"}, False),
        ("CAP_NET_ADMIN", {"ioctl", "setsockopt"}, False),
        ("CAP_NET_ADMIN", {"setsockopt"}, True),
        ("CAP_NET_ADMIN", {"setsockopt", ""}, False),
    ],
)
def test_calls_in_which_a_recording_saw_it_asked_for_count(
    capability: str, seen: set[str], noted: bool
):
    """
    Whatever the table says; what was asked outside of calls cannot be denied.
    """
    found = codes(allow("ioctl"), caps=capability, seen={capability: frozenset(seen)})

    assert bool(found) is noted


@pytest.mark.parametrize("caps", ["docker", "podman", "none", "all"])
def test_dockers_profile_goes_with_every_set(caps: str):
    """
    It allows by capability what takes one.
    """
    profile = formats.read(default_text("docker"), "docker")

    found = [one.code for one in lint(profile, needs=Needs(named_sets([caps])))]

    assert not {"never-succeeds", "serves-nothing"} & set(found)


def test_the_tables_name_calls_and_capabilities_that_there_are():
    """
    Each entry has a source, and no call stands in the first table twice.
    """
    known = frozenset().union(*map(syscalls.names, syscalls.architectures())) | {"socketcall"}
    never = [name for one in NEVER_WITHOUT for name in one.calls]

    assert {one.capability for one in NEVER_WITHOUT} | SERVING.keys() <= set(NAMES)
    assert {*never, *(name for some in SERVING.values() for name in some)} <= known
    assert len(never) == len(set(never)) and all(one.source for one in NEVER_WITHOUT)


CAPABILITIES_V3 = 0x20080522  # include/uapi/linux/capability.h


def refusals_without_capabilities() -> Dict[str, str]:
    """
    What the kernel answers to each call of the table in a process without any capability.
    """
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _drop_all()
            answers = "".join(f"{name} {answer}\n" for name, answer in _tried())
            os.write(there, answers.encode())
        finally:
            os._exit(0)
    os.close(there)
    with open(here, encoding="ascii") as answers_read:
        lines = answers_read.read().splitlines()
    os.waitpid(child, 0)
    return dict((line.split()[0], line.split()[1]) for line in lines)


def _drop_all() -> None:
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, nothing) == 0
    with open("/proc/self/status", encoding="ascii") as status:
        assert "CapEff:\t0000000000000000\n" in status.read()


def _tried() -> List[Tuple[str, str]]:
    libc = ctypes.CDLL(None, use_errno=True)
    namespace, root = os.open("/proc/self/ns/uts", os.O_RDONLY), os.open("/", os.O_PATH)
    arguments: Dict[str, Tuple[object, ...]] = {
        "chroot": (b"/",),
        "clock_settime": (0, (ctypes.c_int64 * 2)()),
        "delete_module": (b"none", 0),
        "fsopen": (b"tmpfs", 0),
        "fspick": (root, b"/", 0),
        "mount": (b"none", b"/", b"tmpfs", 0, 0),
        "mount_setattr": (root, b"", 0x1000, (ctypes.c_uint64 * 4)(), 32),
        "move_mount": (root, b"", root, b"", 0x44),
        "pivot_root": (b"/", b"/"),
        "setns": (namespace, 0),
        "swapoff": (b"/dev/null",),
        "swapon": (b"/dev/null", 0),
        "umount2": (b"/", 0),
    }
    found = []
    for name in (name for one in NEVER_WITHOUT for name in one.calls):
        number = syscalls.number_of(syscalls.X86_64, name)
        if number is not None:
            failed = libc.syscall(number, *arguments.get(name, (0, 0, 0, 0, 0))) < 0
            found.append((name, errno.errorcode[ctypes.get_errno()] if failed else "success"))
    return found


def test_the_kernel_refuses_each_call_that_never_succeeds():
    """
    Without capabilities each is answered EPERM, or ENOSYS where this kernel was built without it.
    """
    answers = refusals_without_capabilities()

    assert len(answers) >= 20
    assert {name for name, answer in answers.items() if answer not in ("EPERM", "ENOSYS")} == set()
