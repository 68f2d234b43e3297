"""
Flat rules: what includes, excludes, archMap and errno names come to, by engine.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

import pytest
from hypothesis import given, settings

from tests.unit.profile import strategies
from tracer import syscalls
from tracer.errors import InputError
from tracer.profile import formats, model
from tracer.profile.decide import decide
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule
from tracer.profile.resolve import alternatives, as_read_by, errno_number, is_flat, resolve


def _with(**fields: object) -> Profile:
    return Profile(model.ERRNO, (Rule(("read",), model.ALLOW, **fields),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("includes", "applies"),
    [
        ({"capabilities": ("CAP_A",)}, True),
        ({"capabilities": ("CAP_A", "CAP_B")}, False),
        ({"architectures": ("arm64", "amd64")}, True),
        ({"architectures": ("x86",)}, False),
        ({"minimal_kernel": (4, 8)}, True),
        ({"minimal_kernel": (6, 1)}, True),
        ({"minimal_kernel": (6, 2)}, False),
        ({"minimal_kernel": (5, 19)}, True),
        ({"capabilities": ("CAP_A",), "architectures": ("x86",)}, False),
    ],
)
def test_a_rule_holds_where_all_it_includes_is_true(includes: Dict[str, Any], applies: bool):
    """
    Every capability, one of the architectures and the kernel must be there.
    """
    profile = _with(includes=Circumstances(**includes))

    flat = resolve(profile, syscalls.X86_64, {"CAP_A"}, (6, 1))

    assert bool(flat.rules) is applies
    assert is_flat(flat)


@pytest.mark.parametrize(
    ("excludes", "applies"),
    [
        ({"capabilities": ("CAP_B",)}, True),
        ({"capabilities": ("CAP_A", "CAP_B")}, False),
        ({"architectures": ("arm64", "amd64")}, False),
        ({"architectures": ("x86",)}, True),
        ({"minimal_kernel": (6, 1)}, False),
        ({"minimal_kernel": (6, 2)}, True),
    ],
)
def test_a_rule_does_not_hold_where_any_it_excludes_is_true(
    excludes: Dict[str, Any], applies: bool
):
    """
    One capability, the architecture or the kernel is enough.
    """
    profile = _with(excludes=Circumstances(**excludes))

    flat = resolve(profile, syscalls.X86_64, {"CAP_A"}, (6, 1))

    assert bool(flat.rules) is applies


@pytest.mark.parametrize(
    ("engine", "applies"), [(None, False), (model.DOCKER, False), (model.PODMAN, True)]
)
def test_podman_does_not_know_minimal_kernels(engine: Optional[str], applies: bool):
    """
    What Docker keeps for newer kernels podman applies on every one.
    """
    profile = _with(includes=Circumstances(minimal_kernel=(6, 9)))

    assert bool(resolve(profile, kernel=(6, 1), engine=engine).rules) is applies


def test_a_kernel_that_is_not_named_is_new_enough():
    """
    Without a kernel every minimal one is reached.
    """
    included = _with(includes=Circumstances(minimal_kernel=(99, 0)))
    excluded = _with(excludes=Circumstances(minimal_kernel=(99, 0)))

    assert resolve(included).rules
    assert not resolve(excluded).rules


@pytest.mark.parametrize(
    ("engine", "errno"), [(None, 13), (model.PODMAN, 13), (model.DOCKER, 22)]
)
def test_docker_does_not_know_errno_names(engine: Optional[str], errno: int):
    """
    Podman's name goes before the number; Docker sees the number alone.
    """
    profile = Profile(
        model.ERRNO,
        (Rule(("read",), model.ERRNO, errno=22, errno_name="EACCES"),),
        default_errno=22,
        default_errno_name="13",
    )

    flat = resolve(profile, engine=engine)

    assert (flat.rules[0].errno, flat.default_errno) == (errno, errno)


def test_the_family_of_the_host_gives_the_architectures():
    """
    Of archMap the host's entry counts, with itself; of none, none are named.
    """
    families = (
        Family(syscalls.X86_64, (syscalls.X86, syscalls.X32)),
        Family(syscalls.AARCH64, (syscalls.ARM,)),
    )
    profile = Profile(model.ERRNO, families=families)

    assert resolve(profile, syscalls.AARCH64).architectures == (syscalls.AARCH64, syscalls.ARM)
    assert resolve(profile, "SCMP_ARCH_RISCV64").architectures == ()


@pytest.mark.parametrize(
    ("engine", "netraw"), [(None, True), (model.DOCKER, True), (model.PODMAN, False)]
)
def test_the_capabilities_are_by_default_those_of_the_engine(engine: Optional[str], netraw: bool):
    """
    Docker's containers may open raw sockets, podman's may not.
    """
    profile = _with(includes=Circumstances(("CAP_NET_RAW",)))

    assert bool(resolve(profile, engine=engine).rules) is netraw


def test_conditions_on_one_argument_are_alternatives():
    """
    Conditions on different arguments hold together, two on the same one each for itself.
    """
    first, second, again = (Condition(index, model.EQUAL, 1) for index in (0, 1, 0))

    assert alternatives(Rule(("read",), model.ALLOW)) == ((),)
    assert alternatives(Rule(("read",), model.ALLOW, (first, second))) == ((first, second),)
    together = alternatives(Rule(("read",), model.ALLOW, (first, second, again)))
    assert together == ((first,), (second,), (again,))


@pytest.mark.parametrize("name", ["EWHATEVER", "errorcode", "eperm", "-1", "E"])
def test_an_errno_that_is_none_is_refused(name: str):
    """
    Only names and digits that podman takes are errnos.
    """
    with pytest.raises(InputError, match="there is no errno"):
        errno_number(name)


def test_a_profile_whose_base_is_elsewhere_cannot_be_resolved():
    """
    An addition to another profile is not taken for the whole.
    """
    with pytest.raises(InputError, match="adds to 'runc-v1.2'"):
        resolve(Profile(model.ERRNO, base="runc-v1.2", dialect=model.SPO))


@given(strategies.profiles())
@settings(max_examples=50, deadline=None)
def test_resolving_twice_changes_nothing(profile: Profile):
    """
    A flat profile stays what it is for any other container.
    """
    flat = resolve(profile, syscalls.X86_64, {"CAP_CHOWN"}, (5, 0))

    assert resolve(flat, syscalls.AARCH64, set(), (7, 0)) == flat


def test_containerd_knows_no_conditions():
    """
    Without includes, excludes, archMap, the old name and errno names: what the OCI's type holds.
    """
    text = """{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "defaultErrno": "ENOSYS",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_A"]}},
            {"names": ["kill"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
            {"name": "read", "action": "SCMP_ACT_ALLOW"},
            {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 2, "errno": "EPERM"}]}"""

    flat = resolve(formats.read(text, "p"), capabilities=frozenset(), engine=model.CONTAINERD)

    assert [(rule.names, rule.errno) for rule in flat.rules] == [
        (("mount",), None),
        (("kill",), None),
        ((), None),
        (("bpf",), 2),
    ]
    assert (flat.architectures, flat.default_errno) == ((), 1)


def test_equal_profiles_with_an_old_name_are_decided_apart():
    """
    `name` and `names` make equal profiles, but containerd reads only one of them.
    """
    text = '{"defaultAction": "SCMP_ACT_KILL", "syscalls": [{%s, "action": "SCMP_ACT_ALLOW"}]}'
    ways = ('"name": "read"', '"names": ["read"]')
    old, new = (formats.read(text % way, "p") for way in ways)

    def answer(profile: Profile) -> str:
        return decide(profile, syscalls.X86_64, "read", engine=model.CONTAINERD).action

    assert old == new
    assert (answer(old), answer(new)) == (model.KILL_THREAD, model.ALLOW)


@pytest.mark.parametrize(
    ("engine", "errno", "rules"),
    [(None, 38, 0), (model.DOCKER, 1, 0), (model.PODMAN, 38, 1), (model.CONTAINERD, 1, 1)],
)
def test_what_an_engine_ignores_can_be_left_out_before(engine: str, errno: int, rules: int):
    """
    docker ignores errno names, podman minimal kernels, containerd both.
    """
    rule = Rule(("read",), model.ALLOW, includes=Circumstances(minimal_kernel=(6, 9)))
    profile = Profile(model.ERRNO, (rule,), default_errno=1, default_errno_name="ENOSYS")

    flat = resolve(as_read_by(profile, engine), kernel=(6, 1))

    assert (flat.default_errno, len(flat.rules)) == (errno, rules)
