"""
The measured runtime floors and what belongs to a Go runtime without having been measured.
"""

from __future__ import annotations

import json
from typing import Dict

import pytest

from tracer import syscalls
from tracer.errors import InputError
from tracer.profile.floors import (
    GO_OCCASIONAL,
    floor_among,
    floor_for,
    known_runtimes,
    measured,
    read_floors,
)

# What `busybox ls /` itself calls.
BUSYBOX_LS = """arch_prctl brk close execve exit_group getdents64 getrandom getuid ioctl mprotect
    newfstatat openat prctl prlimit64 readlink rseq set_robust_list set_tid_address write""".split()


def entry(**fields: object) -> Dict[str, object]:
    return {
        "runtime": "crun",
        "version": "1.8.1",
        "engine": "podman 4.3.1",
        "no_new_privileges": False,
        "action": "start",
        "samples": 200,
        "date": "2026-11-22",
        "calls": {"close": 200},
        **fields,
    }


def data(*entries: Dict[str, object]) -> str:
    return json.dumps({"version": 1, "floors": list(entries)})


def test_a_floor_is_the_union_of_starts_execs_and_versions():
    """
    Whatever any measurement of the runtime showed belongs to its floor, and nothing of others.
    """
    floors = read_floors(
        data(
            entry(calls={"close": 200, "execve": 200}),
            entry(action="exec", calls={"read": 1}),
            entry(version="1.19", calls={"close_range": 200}),
            entry(runtime="youki", calls={"mount": 3}),
        ),
        "f.json",
    )

    assert floor_among(floors, "crun", False) == {"close", "execve", "read", "close_range"}


def test_a_floor_depends_on_no_new_privileges():
    """
    Only what was measured under the same setting counts; an unknown setting takes both.
    """
    floors = read_floors(
        data(entry(), entry(no_new_privileges=True, calls={"execve": 200})), "f.json"
    )

    assert floor_among(floors, "crun", False) == {"close"}
    assert floor_among(floors, "crun", True) == {"execve"}
    assert floor_among(floors, "crun", None) == {"close", "execve"}


def test_a_go_runtime_has_its_occasional_calls_too():
    """
    What Go's scheduler does now and then is allowed to runc, though no sample showed it.
    """
    floors = read_floors(data(entry(runtime="runc")), "f.json")

    assert floor_among(floors, "runc", False) == {"close", *GO_OCCASIONAL}
    assert floor_among(floors, "crun", False) == frozenset()


def test_occasional_calls_exist_and_do_not_start_threads():
    """
    The table names calls of this architecture, none of which opens real attack surface.
    """
    assert set(GO_OCCASIONAL) <= syscalls.names(syscalls.X86_64)
    assert not {"clone", "clone3", "mount", "setns", "unshare"} & set(GO_OCCASIONAL)


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_profile_of_busybox_stays_small(runtime: str):
    """
    A runtime's floor and what `busybox ls /` itself calls are at most 48 names.
    """
    allowed = floor_for(runtime, None) | set(BUSYBOX_LS)

    assert len(allowed) <= 48


@pytest.mark.parametrize("engine_runtime", ["podman runc", "podman crun", "docker runc"])
def test_each_engine_and_runtime_is_measured_often_enough(engine_runtime: str):
    """
    Starts and execs, with and without no-new-privileges, have 200 samples each and a version.
    """
    engine, runtime = engine_runtime.split()

    found = [
        (floor.no_new_privileges, floor.action)
        for floor in measured()
        if floor.engine.startswith(f"{engine} ") and floor.runtime == runtime
        if floor.samples >= 200 and floor.version and dict(floor.calls)["execve"] == floor.samples
    ]

    assert sorted(found) == [(False, "exec"), (False, "start"), (True, "exec"), (True, "start")]


def test_no_new_privileges_needs_less():
    """
    Under no-new-privileges the filter is loaded last: its floor holds nothing that the other lacks.
    """
    for runtime in known_runtimes():
        assert floor_for(runtime, True) < floor_for(runtime, False)


def test_the_measured_runtimes_stay_within_bounds():
    """
    The data that comes with the package reads, names real calls and none that a start must not
    allow.
    """
    for floor in measured():
        names = {name for name, _ in floor.calls}
        assert names <= syscalls.names(syscalls.X86_64)
        assert not names & {"mount", "pivot_root", "clone", "setns", "unshare"}
    for runtime in known_runtimes():
        assert floor_for(runtime, True) <= floor_for(runtime, None)


def test_an_unknown_runtime_has_no_floor():
    """
    Nothing is allowed to a runtime that nobody has measured.
    """
    assert floor_for("nobody", None) == frozenset()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"no_new_privileges": None}, "$.floors[0].no_new_privileges: expected true or false"),
        ({"action": "stop"}, "$.floors[0].action: expected start or exec"),
        ({"samples": 0}, "$.floors[0].samples: expected an integer from 1"),
        ({"calls": {"read": 201}}, "$.floors[0].calls.read: expected an integer from 1 to 200"),
        ({"calls": []}, "$.floors[0].calls: expected an object"),
    ],
)
def test_wrong_data_says_where(damage: Dict[str, object], message: str):
    """
    A mistake in the data file is found when it is read.
    """
    with pytest.raises(InputError) as caught:
        read_floors(data(entry(**damage)), "f.json")

    assert message in str(caught.value)
