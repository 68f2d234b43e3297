"""
Tests of which recordings are containers', what they are called, and which of them are wanted.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Optional

import pytest

from tests.unit.session.heads import ID, OTHER, command, container, head, namespace
from tracer.container.engines import Named
from tracer.errors import HostError
from tracer.kernel import wire
from tracer.kernel.program import Loaded
from tracer.kernel.recorder import Content
from tracer.kernel.wire import Head
from tracer.session import holdings
from tracer.session.holdings import Holding, Wanted, has_label, has_run, is_image

SECOND = 1_000_000_000
LAUNCH = ("conmon", "-c", ID, "-u", ID, "-r", "/usr/bin/crun", "-n", "web")
EXEC = ("conmon", "-c", ID, "-u", OTHER, "-r", "/usr/bin/crun", "-n", "web")


def held(
    *heads: Head,
    launches: Optional[Mapping[int, Sequence[str]]] = None,
    known: Optional[Mapping[str, Named]] = None,
    claims: frozenset[int] = frozenset(),
    since: int = 0,
    asked: frozenset[str] = frozenset(),
) -> tuple[Holding, ...]:
    """
    The containers among these recordings, which are numbered from 1 on.
    """

    def ask(ids: Sequence[str]) -> Mapping[str, tuple[str, Named]]:
        return {id: ("docker", named) for id, named in (known or {}).items() if id in ids}

    numbered = dict(enumerate(heads, 1))
    return holdings.holdings(numbered, launches or {}, claims, ask, since=since, asked=asked)


def only(*heads: Head, **given: object) -> Holding:
    (one,) = held(*heads, **given)  # type: ignore[arg-type]
    return one


NOW = -1  # stands for the time at which a test runs, which may be long after it was collected


def now() -> int:
    """
    The time that heads are in.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_a_container_has_the_name_that_its_engine_gives():
    """
    Of a container without a monitor the engine that knows its id tells name, image and labels.
    """
    named = Named(ID, "web", "nginx", labels=(("team", "a"),))

    one = only(container(outer=0, namespace=7), known={ID: named})

    assert (one.name, one.container.image, one.container.engine) == ("web", "nginx", "docker")
    assert (one.container.runtime, one.labels) == ("runc", (("team", "a"),))


def test_a_container_has_the_name_that_its_monitor_has():
    """
    A podman container that was removed is still known by its conmon.
    """
    one = only(container(outer=0, launcher=9), launches={9: LAUNCH})

    assert (one.name, one.container.engine, one.container.runtime) == (
        "web",
        "podman",
        "/usr/bin/crun",
    )


def test_a_container_that_nobody_knows_is_called_by_its_id():
    """
    Without an engine or a monitor the beginning of the id is the name.
    """
    assert only(container(outer=0)).name == ID[:12]


def test_what_no_runtime_made_is_no_container():
    """
    A PID namespace of a sandbox, and a command of a `run`, are not listed.
    """
    assert held(command(), namespace(outer=0), namespace(outer=0, maker="chrome")) == ()


def test_what_holds_a_pods_namespaces_is_not_listed():
    """
    A pod's own container is left out, whether the engine says what it is or only its name does.
    """
    infra = ("conmon", "-c", ID, "-u", ID, "-n", "pod-infra")

    assert held(container(), known={ID: Named(ID, "x", infra=True)}) == ()
    assert held(container(launcher=9), launches={9: infra}) == ()


def test_the_oldest_comes_first():
    """
    Containers are listed in the order in which they began, whatever their order in the map.
    """
    heads = {5: container(container=OTHER), 3: container()}

    listed = holdings.holdings(heads, {}, frozenset(), lambda ids: {})

    assert [one.container.recording for one in listed] == [3, 5]


@pytest.mark.parametrize(
    "heads, given, claimed",
    [
        ([container(outer=0)], {}, False),
        ([container(outer=0)], {"claims": frozenset({1})}, True),
        ([container(outer=2), command()], {}, True),
        ([container(outer=2)], {}, False),
        ([container(outer=0)], {"asked": frozenset({ID})}, True),
        ([container(outer=0)], {"asked": frozenset({"web"})}, True),
        ([container(outer=0)], {"asked": frozenset({OTHER})}, False),
    ],
    ids=["free", "a hook's", "a run's", "a past run's", "by id", "by name", "of another"],
)
def test_what_somebody_is_going_to_fetch_is_claimed(
    heads: list[Head], given: Mapping[str, object], claimed: bool
):
    """
    A container is claimed by a hook, by the command that began it or by one that asked for it.
    """
    assert only(*heads, known={ID: Named(ID, "web")}, **given).claimed == claimed


@pytest.mark.parametrize(
    "fields, launch, late",
    [
        ({"namespace": 7}, None, False),
        ({"launcher": 9}, LAUNCH, False),
        ({"launcher": 9}, EXEC, True),
        ({}, None, True),
        ({"kind": wire.ADOPTED, "late": False}, None, False),
        ({"kind": wire.ADOPTED, "late": True, "namespace": 7}, None, True),
    ],
    ids=["born", "started", "entered", "unknown", "adopted created", "adopted"],
)
def test_what_ran_before_is_late(
    fields: Mapping[str, object], launch: Optional[Sequence[str]], late: bool
):
    """
    A container is late that was entered or adopted while it ran, or whose start nobody knows.
    """
    one = only(
        dataclasses.replace(container(outer=0), **fields),  # type: ignore[arg-type]
        launches={9: launch} if launch else {},
    )

    assert one.container.late == late


@pytest.mark.parametrize(
    "seconds, recorder, late",
    [(-5.0, -10.0, True), (-0.5, -10.0, False), (2.0, -10.0, False), (-0.5, -0.2, True)],
    ids=["long before", "at its first task", "after its first task", "before the recorder"],
)
def test_without_a_namespace_the_engine_knows_when_it_started(
    seconds: float, recorder: float, late: bool
):
    """
    Of a container in the host's PID namespace the engine's time of its start decides: before its
    first recorded task, or, however soon that came, before the recorder itself.
    """
    born = now() - 100 * SECOND
    boot = time.time_ns() - now()
    named = Named(ID, "web", started=(born + boot) / 1e9 + seconds)

    one = only(
        container(outer=0, born=born),
        known={ID: named},
        since=born + int(recorder * SECOND),
    )

    assert one.container.late == late


@pytest.mark.parametrize(
    "fields, running", [({"alive": 2}, True), ({"alive": 0, "last_exit": 9}, False)]
)
def test_a_container_runs_while_a_task_of_it_lives(fields: Mapping[str, object], running: bool):
    """
    A container has ended when its last task has.
    """
    assert only(container(**fields)).running == running


@pytest.mark.parametrize("process, running", [(4711, True), (0, False)])
def test_a_late_container_runs_while_its_engine_says_so(process: int, running: bool):
    """
    Of a container that was only entered the tasks that were seen may have ended before it.
    """
    entered = container(outer=0, alive=0, last_exit=9, launcher=9)
    named = Named(ID, "web", process=process)

    one = only(entered, launches={9: EXEC}, known={ID: named})

    assert (one.container.late, one.running) == (True, running)


@pytest.mark.parametrize(
    "fields, ran", [({}, False), ({"executables": 1}, True), ({"unnamed": 1}, True)]
)
def test_a_container_has_run_when_a_program_was_executed(fields: Mapping[str, object], ran: bool):
    """
    What a runtime does for a container whose program is not there makes no recording.
    """
    assert has_run(only(container(**fields))) == ran


WEB = only(
    container(namespace=7),
    known={ID: Named(ID, "web", "docker.io/library/nginx:1.25", labels=(("team", "a"), ("x", "")))},
)


@pytest.mark.parametrize(
    "wanted, covered",
    [
        (Wanted(), True),
        (Wanted(references=("web",)), True),
        (Wanted(references=(ID[:3],)), True),
        (Wanted(references=(ID[:2],)), False),
        (Wanted(references=("we",)), False),
        (Wanted(references=("other", "web")), True),
        (Wanted(names=("web", "other")), True),
        (Wanted(names=("other",)), False),
        (Wanted(images=("nginx",)), True),
        (Wanted(labels=("team=a", "x")), True),
        (Wanted(labels=("team=a", "team=b")), False),
        (Wanted(names=("web",), images=("redis",)), False),
    ],
)
def test_a_container_is_wanted_that_fits_everything(wanted: Wanted, covered: bool):
    """
    References, names and images are alternatives each; all the kinds, and all labels, must fit.
    """
    assert wanted.covers(WEB) == covered


@pytest.mark.parametrize(
    "wanted, image, fits",
    [
        ("nginx", "docker.io/library/nginx:1.25", True),
        ("nginx:1.25", "docker.io/library/nginx:1.25", True),
        ("library/nginx", "docker.io/library/nginx:1.25", True),
        ("docker.io/library/nginx:1.25", "docker.io/library/nginx:1.25", True),
        ("ginx", "docker.io/library/nginx:1.25", False),
        ("nginx:1.2", "docker.io/library/nginx:1.25", False),
        ("nginx", "registry:5000/nginx", True),
        ("registry", "registry:5000/nginx", False),
        ("nginx", "registry:5000/nginx:1.25@sha256:abcd", True),
        ("nginx:1.25", "registry:5000/nginx:1.25@sha256:abcd", True),
        ("sha256", "nginx@sha256:abcd", False),
        ("nginx", "nginx", True),
        ("nginx", "", False),
    ],
)
def test_an_image_may_lack_its_registry_digest_and_tag(wanted: str, image: str, fits: bool):
    """
    Whole parts of an image's name may be left out at its beginning, its digest and its tag.
    """
    assert is_image(wanted, image) == fits


@pytest.mark.parametrize(
    "wanted, has",
    [("team", True), ("team=a", True), ("team=", False), ("x=", True), ("te", False), ("", False)],
)
def test_a_label_is_a_key_or_a_key_and_its_value(wanted: str, has: bool):
    """
    KEY fits any value, KEY= only the empty one.
    """
    assert has_label(wanted, WEB.labels) == has


@dataclasses.dataclass
class Maps:
    """
    A recorder's maps, some of which go when they have been read: as somebody else releases them.
    """

    left: dict[int, Head]
    released: bool = False
    loaded: Loaded = dataclasses.field(default_factory=lambda: Loaded({}, {}, {}))

    def heads(self) -> dict[int, Head]:
        return self.left

    def contents(self, wanted: frozenset[int]) -> dict[int, Content]:
        if self.released:
            self.left = {}
        return {one: Content((), {}) for one in wanted}

    def state(self) -> wire.State:
        return wire.State(3, 4, 5, 6, 7)

    def recursion_misses(self) -> dict[str, int]:
        return {}


ENDED = container(outer=0, namespace=7, last_exit=9, executables=1)


@pytest.mark.parametrize(
    "later, is_same",
    [
        (ENDED, True),
        (None, False),
        (dataclasses.replace(ENDED, alive=1), False),
        (dataclasses.replace(ENDED, last_exit=12), False),
    ],
    ids=["as it was", "gone", "started again", "started again and ended"],
)
def test_what_has_changed_since_is_told(later: Optional[Head], is_same: bool):
    """
    A container that was started again, even if it has ended again, is not what was looked at.
    """
    maps = Maps({} if later is None else {1: later})

    found = holdings.unchanged(maps, [only(ENDED)])  # type: ignore[arg-type]

    assert found == ({1} if is_same else set())


@pytest.mark.parametrize(
    "fields, abandoned",
    [
        ({"last_exit": 1}, True),
        ({"last_exit": 1, "alive": 1}, False),
        ({"last_exit": 1, "born": NOW}, False),
        ({"last_exit": NOW}, False),
    ],
    ids=["long ago", "running", "just born", "just ended"],
)
def test_a_claim_counts_until_a_while_after_the_end(fields: Mapping[str, int], abandoned: bool):
    """
    What a hook has claimed is everybody's once that hook should have fetched it, and was killed.
    """
    given = {name: now() if value == NOW else value for name, value in fields.items()}

    assert holdings.is_abandoned(container(**given)) is abandoned


def test_what_others_lost_is_nothing_against_a_recording():
    """
    Recordings, namespaces and requests of others that could not be kept make none incomplete.
    """
    recording = holdings.recording_of(Maps({1: ENDED}), only(ENDED))  # type: ignore[arg-type]

    (run,) = recording.runs.values()
    assert recording.complete and recording.name == ID[:12]
    assert [note.partition(":")[0] for note in run.notes] == [
        "the runtime's version is unknown",
        "capability checks were not recorded",
        "denials were not recorded",
    ]


def test_what_was_lost_while_it_was_read_speaks_against_it():
    """
    A call that was lost after the container was listed, and before its calls were read, is said.
    """
    later = Maps({1: dataclasses.replace(ENDED, lost=1)})

    recording = holdings.recording_of(later, only(ENDED))  # type: ignore[arg-type]

    assert [one.code for one in recording.reasons] == ["calls-lost"]


def test_a_recording_that_goes_while_it_is_read_is_none():
    """
    What somebody else releases meanwhile may have been read in part only.
    """
    maps = Maps({1: ENDED}, released=True)

    with pytest.raises(HostError, match="not held any more"):
        holdings.recording_of(maps, only(ENDED))  # type: ignore[arg-type]


def test_a_users_cgroup_of_a_containers_name_is_not_listed():
    """
    Of two recordings with one id the one that a user made, beside root's, is no container.
    """
    (one,) = held(container(outer=0, user=1000), container(outer=0))

    assert one.container.recording == 2


def test_a_user_cannot_pass_for_one_of_roots():
    """
    A user's monitor that gives the id of root's container adds none, and an engine of root's is not
    asked what a user's container is.
    """
    mine = namespace(outer=0, launcher=9, maker="crun", user=1000)
    known = {ID: Named(ID, "root's", "image")}

    (root,) = held(mine, container(outer=0), launches={9: LAUNCH}, known=known)
    (user,) = held(mine, launches={9: LAUNCH}, known=known)

    assert (root.container.recording, root.name) == (2, "root's")
    assert (user.container.recording, user.name, user.container.image) == (1, "web", "")


def test_an_adopted_container_runs_while_its_process_does():
    """
    Of tasks that were taken in while they ran, the process that user space named decides.
    """
    gone = head(wire.ADOPTED, container=ID, first_process=2**22 + 1, born=now(), alive=1)

    assert not only(gone).running
