"""
Which container that has ended is the one that somebody asks about.
"""

from __future__ import annotations

from typing import Any, Optional

import pytest

from tests.unit.session.heads import ID, OTHER, container
from tracer.errors import InputError
from tracer.session.belonging import Container
from tracer.session.holdings import Holding
from tracer.session.on_hand import last_ended

WEB = {"name": "web", "engine": "podman", "id": ID}


def holding(born: int, *, running: bool = False, user: int = 0, **fields: Any) -> Holding:
    """
    What is held of a container that ran a program and was born at this time.
    """
    head = container(born=born, executables=1, user=user)
    given = {"image": "", "runtime": "runc", "late": False, "infra": False, **WEB, **fields}
    return Holding(Container(recording=born, head=head, **given), (), running, False)


@pytest.mark.parametrize(
    "fields, born",
    [
        ({}, 7),
        ({"name": "other"}, 5),
        ({"late": True}, 5),
        ({"user": 1000}, 5),
    ],
    ids=["newer", "other", "late", "user"],
)
def test_it_is_the_last_one_that_is_known_whole(fields: dict[str, Any], born: int):
    """
    Of two of a name the newer, unless it is not known from its start, or is another user's.
    """
    found = last_ended([holding(5), holding(7, **{"id": OTHER, **fields})], "web")

    assert found and found.container.head.born == born


@pytest.mark.parametrize(
    "reference, engine, there",
    [
        (ID, None, True),
        (ID[:12], None, True),
        ("web", "podman", True),
        ("web", "docker", False),
        ("we", None, False),
    ],
)
def test_it_is_named_by_name_or_id_and_engine(reference: str, engine: Optional[str], there: bool):
    """
    As a running one is.
    """
    assert (last_ended([holding(5)], reference, engine) is not None) is there


@pytest.mark.parametrize("engine", ["podman", "docker", ""])
def test_none_is_meant_if_one_runs(engine: str):
    """
    Who asks for a name means the container that runs, though nobody may know whose it is.
    """
    running = holding(7, id=OTHER, running=True, engine=engine)

    assert last_ended([holding(5), running], "web") is None


def test_another_engines_that_runs_is_not_the_named_ones():
    """
    With --engine only that one's containers count, and those of which it is not known.
    """
    others = holding(7, id=OTHER, running=True, engine="docker")
    nobodys = holding(7, id=OTHER, running=True, engine="")

    assert last_ended([holding(5), others], "web", "podman") is not None
    assert last_ended([holding(5), nobodys], "web", "podman") is None


def test_which_of_two_engines_is_not_guessed():
    """
    Two engines had one of the name: that is said, unless one of them is named.
    """
    both = [holding(5), holding(7, id=OTHER, engine="docker")]

    with pytest.raises(InputError, match="--engine or an id says which"):
        last_ended(both, "web")

    found = last_ended(both, "web", "podman")
    assert found and found.container.head.born == 5


def test_what_an_engine_still_knows_by_that_name_is_meant():
    """
    One that is stopped is meant, and no older one that is gone, though that alone is held.
    """
    both = [holding(5), holding(7, id=OTHER, engine="docker")]

    found = last_ended(both, "web", stopped={ID})
    assert found and found.container.id == ID
    assert last_ended([holding(5)], "web", stopped={OTHER}) is None


def test_one_that_never_ran_a_program_is_no_answer():
    """
    That a container that could not be started needed nothing says nothing.
    """
    one = holding(5)
    failed = Container(**{**vars(one.container), "head": container(born=5)})

    assert last_ended([Holding(failed, (), False, False)], "web") is None
