"""
The starts and execs of a measurement: that the variants are spread, and what the bundles say.
"""

from __future__ import annotations

import json

import pytest

from tracer.measuring.variants import (
    ATTACHED,
    CONTAINERS,
    CREATE,
    DETACHED,
    EXECS,
    NOTHING,
    PROGRAMS,
    RUN,
    STARTS,
    Execution,
    Refusal,
    Start,
    Variant,
    bundle,
    filter_of,
    process,
    spread_containers,
    spread_starts,
    variants_among,
)
from tracer.session.marker import MARKER


def test_each_kind_of_container_is_started_in_each_way():
    """Of 200 samples some start every container in every way, and every program."""
    starts = [Start(number) for number in range(200)]

    assert {(start.variant, start.way) for start in starts} == {
        (variant, way) for variant in CONTAINERS for way in (CREATE, RUN)
    }
    assert {start.program for start in starts} == set(PROGRAMS)


def test_most_containers_are_created_and_then_started():
    """Engines start containers in two steps, in which the runtime waits."""
    assert STARTS.count(CREATE) > STARTS.count(RUN) > 0


def test_each_container_meets_each_kind_of_exec():
    """Every variant of an exec is executed in every container, and in both ways."""
    execs = [Execution(place, round) for place in range(3) for round in range(2 * len(EXECS))]

    for place in range(3):
        assert {it.variant for it in execs if it.container == place} == set(EXECS)
    assert {it.way for it in execs} == {ATTACHED, DETACHED}
    assert all(it.way == DETACHED for it in execs if it.variant.terminal)


@pytest.mark.parametrize("variant", CONTAINERS)
def test_a_bundle_says_what_its_variant_says(variant: Variant):
    """The document of a container has the options that its variant is about."""
    document = bundle(variant, "true", True, NOTHING, "name")
    described = document["process"]
    linux = document["linux"]
    assert isinstance(described, dict) and isinstance(linux, dict)

    assert described["user"] == {
        "uid": variant.user,
        "gid": variant.group,
        "additionalGids": list(variant.groups),
    }
    assert described["noNewPrivileges"] is True
    assert described["terminal"] == variant.terminal
    assert ("uidMappings" in linux) == variant.user_namespace
    assert linux["cgroupsPath"].endswith("/name") and "resources" not in linux


@pytest.mark.parametrize(
    ("variant", "effective", "ambient"),
    [
        (Variant(granted=("CAP_KILL",)), ("CAP_KILL",), None),
        (Variant(user=1, granted=("CAP_KILL",)), (), None),
        (Variant(user=1, granted=("CAP_KILL",), ambient=True), ("CAP_KILL",), ("CAP_KILL",)),
    ],
)
def test_capabilities_are_those_that_engines_give(
    variant: Variant, effective: "tuple[str, ...]", ambient: "tuple[str, ...] | None"
):
    """A user other than root has capabilities in the bounding set alone, unless ambient."""
    sets = process(variant, "true", False)["capabilities"]
    assert isinstance(sets, dict)

    assert sets["bounding"] == ("CAP_KILL",)
    assert sets["effective"] == sets["permitted"] == effective
    assert sets.get("ambient") == ambient


def test_a_filter_refuses_the_calls_of_a_trial_and_nothing_else():
    """A trial's filter answers its calls with its error; without calls it is the marker filter."""
    refusing = filter_of(Refusal(("close", "statx"), "ENOSYS"))

    assert refusing["defaultAction"] == "SCMP_ACT_ALLOW"
    assert refusing["syscalls"] == [
        {
            "names": ["close", "statx", "seccomp_trace_enosys"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 38,
        }
    ]
    assert filter_of(NOTHING) == MARKER


def test_filters_that_differ_in_the_error_alone_name_different_calls():
    """crun keeps compiled filters by a checksum of all but the errno of a rule."""
    eperm, enosys = (filter_of(Refusal(("statx",), answer)) for answer in ("EPERM", "ENOSYS"))

    assert json.dumps(eperm).replace(": 1}", ": 38}") != json.dumps(enosys)


def test_starts_are_spread_over_the_variants_before_any_comes_again():
    """The first starts of a trial have all variants that there are, and both ways."""
    numbers = [number for number in range(200) if number % len(CONTAINERS) not in (1, 2)]
    wanted = variants_among(numbers)
    first = spread_starts(numbers)[:wanted]

    assert wanted == len(CONTAINERS) - 2
    assert {number % len(CONTAINERS) for number in first} == {n % len(CONTAINERS) for n in numbers}
    assert {Start(number).way for number in first} == {CREATE, RUN}
    assert sorted(spread_starts(numbers)) == numbers


def test_two_containers_soon_meet_every_variant_of_an_exec_in_both_ways():
    """Two containers half of the variants apart make all of them in half as many rounds."""
    places = spread_containers(range(len(CONTAINERS)))
    execs = [Execution(place, round) for place in places for round in range(len(EXECS) // 2)]

    assert {execution.variant for execution in execs} == set(EXECS)
    assert {execution.way for execution in execs} == {DETACHED, ATTACHED}
    assert (spread_containers((3, 4)), spread_containers((3,)), spread_containers(())) == (
        (3, 4),
        (3,),
        (),
    )
