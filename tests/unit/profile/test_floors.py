"""
The measured runtime floors: what their calls mean, and what belongs to a Go runtime unmeasured.
"""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from tests.unit.profile.floor_data import floor, trials
from tracer import syscalls
from tracer.errors import InputError
from tracer.profile.floors import (
    GO_OCCASIONAL,
    NEVER,
    REQUIRED,
    SURVIVABLE,
    UNKNOWN,
    RefusalTrial,
    permitted,
    read_floors,
    render_floors,
    shipped,
    upstream,
    version_order,
)
from tracer.profile.risks import risk_of

# What `busybox ls /` itself calls.
BUSYBOX_LS = """arch_prctl brk close execve exit_group getdents64 getrandom getuid ioctl mprotect
    newfstatat openat prctl prlimit64 readlink rseq set_robust_list set_tid_address write""".split()


def entry(**fields: object) -> Dict[str, Any]:
    return {
        "runtime": "crun",
        "version": "1.8.1",
        "architecture": "SCMP_ARCH_X86_64",
        "no_new_privileges": False,
        "action": "start",
        "samples": 200,
        "date": "2026-11-22",
        "calls": {"close": 200},
        "trials": [{"calls": ["close"], "answer": "EPERM", "refused": 20, "failed": 20}],
        **fields,
    }


def data(*entries: Dict[str, Any]) -> str:
    return json.dumps({"version": 2, "floors": list(entries)})


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (trials("statx", failed=(0, 20)), REQUIRED),
        (trials("statx", failed=(1, 0)), REQUIRED),
        (trials("statx"), SURVIVABLE),
        (trials("statx")[:1], UNKNOWN),
        ((RefusalTrial(("statx",), "EPERM", 9, 0), *trials("statx")[1:]), UNKNOWN),
        (trials("faccessat", "statx", failed=(20, 20)), UNKNOWN),
        ((), UNKNOWN),
    ],
    ids=["ENOSYS kills", "EPERM kills once", "neither", "one untried", "seldom", "group", "none"],
)
def test_a_call_is_required_survivable_or_unknown_by_its_trials(
    made: tuple[RefusalTrial, ...], expected: str
):
    """
    One failed start makes a call required; only enough refusals of both kinds make it survivable.
    """
    assert floor("runc-1.3.6", "statx", trials=made).class_of("statx") == expected


def test_what_is_required_and_what_is_unknown_is_permitted():
    """
    A profile allows a risky call to a runtime unless the runtime was seen to do without it.
    """
    floors = [
        floor("crun-1", "read", "bpf", "setns", "keyctl", trials=trials("keyctl") + trials("read")),
        floor("crun-2", "setns", trials=trials("setns", failed=(20, 20))),
    ]

    assert permitted(floors) == {"read", "bpf", "setns"}


def test_a_call_that_one_version_does_without_and_another_requires_is_permitted():
    """
    Each floor counts for itself: a required call is allowed, whatever other versions do without.
    """
    without = floor("crun-1", "keyctl", trials=trials("keyctl"))
    needing = floor("crun-2", "keyctl", trials=trials("keyctl", failed=(20, 20)))

    assert permitted([without, needing]) == {"keyctl"}


@pytest.mark.parametrize("name", ["fsopen", "fsmount", "fsconfig", "open_tree", "mount"])
def test_mounting_is_never_permitted_for_a_floors_sake(name: str):
    """
    The mount family stays denied even if a trial says that a start failed without it.
    """
    assert name in NEVER
    assert permitted([floor("crun-1", name, trials=trials(name, failed=(20, 20)))]) == frozenset()


def test_a_go_runtime_has_its_occasional_calls_too():
    """
    What Go's scheduler does now and then is allowed to runc, though no sample showed it.
    """
    assert permitted([floor("runc-1.1.5", "close")]) == {"close", *GO_OCCASIONAL}
    assert permitted([]) == frozenset()


def test_occasional_calls_exist_and_do_not_start_threads():
    """
    The table names calls of both architectures, none of which opens real attack surface.
    """
    assert set(GO_OCCASIONAL) <= syscalls.names(syscalls.X86_64) & syscalls.names(syscalls.AARCH64)
    assert not {"clone", "clone3", "mount", "setns", "unshare"} & set(GO_OCCASIONAL)


def test_versions_are_ordered_as_people_count():
    """
    Numbers count as numbers, a candidate comes before its release, a distribution's part is none.
    """
    ordered = ["1.1.5", "1.1.15", "1.3.0-rc.1", "1.3.0", "1.3.6+ds1", "1.10"]

    assert sorted(reversed(ordered), key=version_order) == ordered
    assert upstream("1.3.6+ds1") == "1.3.6"


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_profile_of_busybox_stays_small(runtime: str):
    """
    The floor of the oldest version and what `busybox ls /` itself calls are at most 48 names.
    """
    floors = [floor for floor in shipped() if floor.runtime == runtime]
    oldest = min(floors, key=lambda floor: version_order(floor.version)).version

    allowed = permitted(floor for floor in floors if floor.version == oldest) | set(BUSYBOX_LS)

    assert len(allowed) <= 48


def test_the_shipped_floors_are_measured_often_enough():
    """
    Starts and execs, with and without no-new-privileges, of each version have their samples.
    """
    found: Dict[tuple[str, str, str], set[tuple[bool, str]]] = {}
    for known in shipped():
        least = 200 if known.architecture == syscalls.X86_64 else 20
        assert known.samples >= least and dict(known.calls)["execve"] == known.samples, known.key
        key = known.runtime, known.version, known.architecture
        found.setdefault(key, set()).add((known.no_new_privileges, known.action))

    assert {("runc", "1.1.5"), ("crun", "1.8.1")} <= {key[:2] for key in map(list_of, found)}
    for seen in found.values():
        assert seen == {(False, "start"), (False, "exec"), (True, "start"), (True, "exec")}


def list_of(key: tuple[str, str, str]) -> tuple[str, str, str]:
    return key[0], upstream(key[1]), key[2]


def test_the_shipped_floors_stay_within_bounds():
    """
    The shipped data names real calls, and permits none that opens a risk class.
    """
    for known in shipped():
        assert known.names <= syscalls.names(known.architecture)
    assert {name for name in permitted(shipped()) if risk_of(name)} == set()


def test_what_is_written_reads_the_same():
    """
    A data file holds everything that a floor says.
    """
    floors = read_floors(data(entry(build_ids=["ab"], engine="podman")), "f.json")

    assert read_floors(render_floors(floors), "again") == floors
    assert floors[0].trials == (RefusalTrial(("close",), "EPERM", 20, 20),)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"no_new_privileges": None}, "$.floors[0].no_new_privileges: expected true or false"),
        ({"action": "stop"}, "$.floors[0].action: expected start or exec"),
        ({"samples": 0}, "$.floors[0].samples: expected an integer from 1"),
        ({"calls": {"read": 201}}, "$.floors[0].calls.read: expected an integer from 1 to 200"),
        ({"calls": []}, "$.floors[0].calls: expected an object"),
        ({"architecture": 3}, "$.floors[0].architecture: expected a string"),
        (
            {"trials": [{"calls": ["read"], "answer": "EPERM", "refused": 2, "failed": 3}]},
            "$.floors[0].trials[0].failed: expected an integer from 0 to 2",
        ),
        (
            {"trials": [{"calls": ["read"], "answer": "EIO", "refused": 2, "failed": 0}]},
            "$.floors[0].trials[0].answer: expected EPERM or ENOSYS",
        ),
    ],
)
def test_wrong_data_says_where(damage: Dict[str, object], message: str):
    """
    A mistake in the data file is found when it is read.
    """
    with pytest.raises(InputError) as caught:
        read_floors(data(entry(**damage)), "f.json")

    assert message in str(caught.value)
