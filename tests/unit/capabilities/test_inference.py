"""
Tests of why an execve gave what it gave, when the file is not known.

That it is so of real containers is what tests/live/test_caps_of_containers.py shows.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.unit.capabilities.test_execution import A, B, C, file, programs, thread, threads
from tracer.capabilities.execution import AMBIENT, FILE, REFUSED, ROOT, Program, execute
from tracer.capabilities.inference import inferred
from tracer.capabilities.namespace import Extent, UserNamespace
from tracer.capabilities.sets import SECURE_NOROOT, Credentials, Ids, Sets

HOSTS = UserNamespace()


@settings(max_examples=500, deadline=None)
@given(threads(), programs())
def test_what_any_execve_gave_is_explained(before: Credentials, program: Program):
    """
    Whatever the file was, and the thread, but that it had one uid; and by file capabilities, or
    root, only where it was they.
    """
    before = replace(before, uids=Ids(*[before.uids.real] * 4))
    outcome = execute(before, program, HOSTS)

    found = inferred(outcome.credentials, HOSTS)

    if outcome.rule != REFUSED:
        assert found is not None
        assert found[1].credentials.sets == outcome.credentials.sets
        assert found[1].rule in (outcome.rule, AMBIENT, ROOT)
        assert found[1].rule != ROOT or 0 in (
            outcome.credentials.uids.real,
            outcome.credentials.uids.effective,
        )


@pytest.mark.parametrize(
    ("before", "program", "rule", "gave"),
    [
        (thread(Sets(bounding=A | B)), Program(), AMBIENT, 0),
        (thread(Sets(A, A, A, A | B, A)), Program(), AMBIENT, 0),
        (thread(Sets(bounding=A | B)), file(A, effective=True), FILE, A),
        (thread(Sets(bounding=A | B)), file(A, effective=False), FILE, A),
        (thread(Sets(inheritable=C)), file(0, C, effective=True), FILE, C),
        (thread(Sets(bounding=A), 0), file(A, effective=True), ROOT, 0),
        (thread(Sets(bounding=A), 0, securebits=SECURE_NOROOT), Program(), AMBIENT, 0),
    ],
)
def test_the_rule_is_told_by_what_was_given(
    before: Credentials, program: Program, rule: str, gave: int
):
    """
    Root's, the file's or the ambient set's; and what of it the file's capabilities gave.
    """
    found = inferred(execute(before, program, HOSTS).credentials, HOSTS)

    assert found is not None
    granted = found[0].capabilities
    assert found[1].rule == rule
    assert (granted.permitted | granted.inheritable if granted else 0) == gave


def test_root_of_a_namespace_is_its_own_root():
    """
    By its map: the host's number of it is any.
    """
    mapped = UserNamespace(1, (Extent(0, 100000, 10),), ())

    found = inferred(thread(Sets(0, A, A, A), 100000), mapped)

    assert found is not None and found[1].rule == ROOT


@pytest.mark.parametrize(
    "sets",
    [
        Sets(0, A | B, A, A | B),
        Sets(0, A, A, B),
        Sets(A, B, B, B, A),
    ],
)
def test_what_no_execve_gives_is_not_explained(sets: Sets):
    """
    Sets that a program has changed itself, of which nobody knows what they were.
    """
    assert inferred(thread(sets), HOSTS) is None


def test_a_real_uid_of_root_is_no_file_capability():
    """
    Root that became another user by a set-user-ID file is permitted all, by its real uid.
    """
    held = replace(thread(Sets(0, A, 0, A)), uids=Ids(0, 1024, 1024, 1024))

    found = inferred(held, HOSTS)

    assert found is not None and found[1].rule == ROOT
