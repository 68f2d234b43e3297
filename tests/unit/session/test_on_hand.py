"""
Which container that has ended is the one that somebody asks about.
"""

from __future__ import annotations

from typing import Any, Optional

import pytest

from tests.unit.session.heads import ID, OTHER, container
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
        ({"running": True}, 5),
        ({"late": True}, 5),
        ({"user": 1000}, 5),
    ],
    ids=["newer", "other", "running", "late", "user"],
)
def test_it_is_the_last_one_that_is_known_whole(fields: dict[str, Any], born: int):
    """
    Of two of a name the newer, unless it runs, is not known from its start, or is another user's.
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


def test_one_that_never_ran_a_program_is_no_answer():
    """
    That a container that could not be started needed nothing says nothing.
    """
    one = holding(5)
    failed = Container(**{**vars(one.container), "head": container(born=5)})

    assert last_ended([Holding(failed, (), False, False)], "web") is None
