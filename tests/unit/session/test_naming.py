"""
Tests of names: engines that answer, that know nothing, and that never answer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Optional

from tracer.container.engines import Ask, Named
from tracer.kernel.denials import Keeper, Place
from tracer.session.naming import TICK, Names, started, unnamed

ID, OTHER = "a" * 64, "b" * 64
LAUNCH = ("conmon", "--cid", ID, "-n", "web", "-r", "/usr/bin/crun")


class Answering:
    """
    An engine that knows some containers; `before` is called before it answers.
    """

    def __init__(self, *known: Named, before: Callable[[], object] = lambda: None) -> None:
        self.name = "engine"
        self.asked: list[str] = []
        self._known = {one.id: one for one in known}
        self._before = before

    def look_up(
        self, client: Sequence[str], reference: str, since: int, ask: Ask
    ) -> Optional[Named]:
        return None

    def inspect(self, client: Sequence[str], references: Sequence[str], ask: Ask) -> list[Named]:
        self.asked += references
        self._before()
        return [self._known[one] for one in references if one in self._known]


class Kept(dict[int, Sequence[str]]):
    """
    What the kernel side has kept of monitors.
    """

    def launch(self, number: int) -> Sequence[str]:
        return self.get(number, ())

    def launches(self) -> Iterable[Sequence[str]]:
        return self.values()


def name_of(names: Names, place: Place) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = names.of(place)
        if found is not None:
            return found
        time.sleep(0.005)
    raise AssertionError("no name within 10 s")


def test_an_engine_that_never_answers_delays_nobody():
    """
    A name that one engine knows is there at once, though another one hangs; asking does not wait.
    """
    hangs = threading.Event()
    registry = {"hung": Answering(before=hangs.wait), "other": Answering(Named(ID, "web"))}
    names = Names(Kept(), registry)

    begun = time.monotonic()
    first = names.of(Place(ID, 0, 0))

    assert first is None and time.monotonic() - begun < 1
    assert name_of(names, Place(ID, 0, 0)) == "web"
    assert names.of(Place(OTHER, 0, 0)) is None  # the one that hangs might know it
    hangs.set()


def test_a_monitor_that_has_ended_has_left_its_containers_name():
    """
    What the kernel side has kept of it names the container, though nobody else knows that any more.
    """
    names = Names(Kept({7: LAUNCH}), {"one": Answering()})
    place = Place("", 4026532222, 5)
    ended = 2**22 + 1  # the number of no process

    names.meet(place, Keeper(ended, 7))

    assert (names.of(place), names.container(place)) == ("web", ID)


def test_a_container_that_no_engine_knows_goes_by_its_id():
    """
    Once every engine has answered, an unknown container has the beginning of its id for a name.
    """
    names = Names(Kept(), {"one": Answering(), "other": Answering()})

    assert name_of(names, Place(OTHER, 0, 0)) == OTHER[:12]


def test_a_container_that_its_engine_has_forgotten_goes_by_its_monitors_name():
    """
    Only if no engine knows it: a container that was renamed has the name that it has now.
    """
    renamed = Answering(Named(ID, "web-2"))

    forgotten = Names(Kept({7: LAUNCH}), {"one": Answering()})
    known = Names(Kept({7: LAUNCH}), {"one": renamed})

    assert name_of(forgotten, Place(ID, 0, 0)) == "web"
    assert name_of(forgotten, Place(OTHER, 0, 0)) == OTHER[:12]
    assert name_of(known, Place(ID, 0, 0)) == "web-2"


def test_an_engine_is_asked_once_for_each_container():
    """
    However often a container is met, its engine is asked once.
    """
    engine = Answering(Named(ID, "web"), Named(OTHER, "db"))
    names = Names(Kept(), {"one": engine})

    for _ in range(5):
        assert name_of(names, Place(ID, 0, 0)) == "web"
        assert name_of(names, Place(OTHER, 0, 0)) == "db"

    assert sorted(engine.asked) == [ID, OTHER]


def test_an_engine_that_fails_names_nothing():
    """
    An engine whose answer breaks our reading of it is an engine that knows nothing.
    """

    def fail() -> None:
        raise ValueError("nonsense")

    names = Names(Kept(), {"one": Answering(before=fail)})

    assert name_of(names, Place(ID, 0, 0)) == ID[:12]


def test_a_namespace_goes_by_its_number_and_birth():
    """
    A container without an id is told by its first process, unless its namespace was born at another
    time than that: then the number has been given to another one.
    """
    namespace, born = os.stat("/proc/self/ns/pid").st_ino, started(os.getpid())
    running = Named(ID, "web", process=os.getpid())
    ours, before = Place("", namespace, born + TICK // 2), Place("", namespace, born - 5 * TICK)

    def ask(command: Sequence[str]) -> str:
        return ID

    names = Names(Kept(), {"one": Answering(running)}, ask)

    assert name_of(names, ours) == "web"
    assert name_of(names, before) == unnamed(before) == f"pid:[{namespace}]"
