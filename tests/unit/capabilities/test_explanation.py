"""
Tests of the line that explains what an execve gives.
"""

from __future__ import annotations

import pytest

from tests.unit.capabilities.test_execution import file, thread
from tracer.capabilities.execution import Program, execute
from tracer.capabilities.explanation import explain, some
from tracer.capabilities.names import mask_of
from tracer.capabilities.namespace import Extent, UserNamespace
from tracer.capabilities.sets import Credentials, Sets

BIND = mask_of(["net_bind_service"])
RAW = mask_of(["net_raw"])
USUAL = mask_of(["chown", "kill", "setuid", "net_raw"])


def explained(
    before: Credentials, program: Program = Program(), namespace: UserNamespace = UserNamespace()
) -> str:
    return explain(before, program, namespace, execute(before, program, namespace))


@pytest.mark.parametrize(
    ("before", "program", "line"),
    [
        (
            thread(Sets(bounding=BIND)),
            Program(),
            "permitted and effective empty: uid 1024, ambient empty; NET_BIND_SERVICE is in the "
            "bounding set, so file capabilities could grant it",
        ),
        (
            thread(Sets(bounding=USUAL)),
            Program(),
            "permitted and effective empty: uid 1024, ambient empty; 4 capabilities are in the "
            "bounding set, so file capabilities could grant them",
        ),
        (
            thread(Sets()),
            Program(),
            "permitted and effective empty: uid 1024, ambient empty; the bounding set is empty "
            "too, so file capabilities could grant nothing",
        ),
        (
            thread(Sets(bounding=BIND | RAW), no_new_privileges=True),
            Program(),
            "permitted and effective empty: uid 1024, ambient empty; NET_BIND_SERVICE and NET_RAW "
            "are in the bounding set, but with no_new_privs file capabilities grant nothing",
        ),
        (
            thread(Sets(BIND, BIND, BIND, BIND, BIND)),
            Program(),
            "permitted and effective NET_BIND_SERVICE: uid 1024, kept by the ambient set",
        ),
        (
            thread(Sets(BIND, BIND, BIND, BIND, BIND)),
            Program(mode=0o4755, owner=7),
            "permitted and effective empty: uid 7, ambient cleared by the change of ids; "
            "NET_BIND_SERVICE is in the bounding set, so file capabilities could grant it",
        ),
        (
            thread(Sets(bounding=USUAL), uid=0),
            Program(),
            "permitted and effective 4 capabilities: uid 0 gets all of the bounding set",
        ),
        (
            thread(Sets(bounding=USUAL), uid=0, securebits=None),
            Program(),
            "permitted and effective 4 capabilities: uid 0 gets all of the bounding set, unless "
            "its securebits have noroot",
        ),
        (
            thread(Sets(), uid=0),
            Program(),
            "permitted and effective empty: uid 0 gets the bounding set, which is empty",
        ),
        (
            thread(Sets(bounding=BIND)),
            file(BIND, effective=True),
            "permitted and effective NET_BIND_SERVICE: uid 1024, granted by the file's "
            "capabilities",
        ),
        (
            thread(Sets(bounding=BIND)),
            file(BIND, effective=False),
            "permitted NET_BIND_SERVICE, effective empty: uid 1024, granted by the file's "
            "capabilities without the effective bit",
        ),
        (
            thread(Sets()),
            file(BIND, effective=False),
            "permitted and effective empty: uid 1024, what the file's capabilities name it cannot "
            "have",
        ),
        (
            thread(Sets()),
            file(BIND, effective=True),
            "refused (EPERM): the file insists on NET_BIND_SERVICE, not in the bounding set",
        ),
        (
            thread(Sets(bounding=BIND), no_new_privileges=True),
            file(BIND, effective=True),
            "permitted and effective empty: uid 1024, granted by the file's capabilities; "
            "no_new_privs takes away what would be gained",
        ),
    ],
)
def test_each_way_has_its_line(before: Credentials, program: Program, line: str):
    """
    The line says what is given, and by which rule.
    """
    assert explained(before, program) == line


def test_a_uid_is_the_one_inside():
    """
    In a user namespace the uid is that which the container knows.
    """
    inside = UserNamespace(1, (Extent(0, 5000, 2000),), (Extent(0, 5000, 2000),))

    assert ": uid 1024, " in explained(thread(Sets(), uid=6024), namespace=inside)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "none"),
        (["chown"], "CHOWN"),
        (["chown", "kill"], "CHOWN and KILL"),
        (["chown", "kill", "41"], "CHOWN, KILL and 41"),
        (["chown", "kill", "mknod", "lease"], "4 capabilities"),
    ],
)
def test_few_are_named_and_many_counted(words: list[str], text: str):
    """
    Up to three capabilities are named.
    """
    assert some(mask_of(words)) == text
