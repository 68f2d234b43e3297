"""
Tests of the rules of execve: each row of capabilities(7), and what holds whatever the sets are.

That they are the kernel's is what tests/live/test_caps_rules.py shows by executing programs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.capabilities.attribute import FileCapabilities
from tracer.capabilities.execution import AMBIENT, FILE, REFUSED, ROOT, Program, execute
from tracer.capabilities.namespace import Extent, UserNamespace
from tracer.capabilities.sets import SECURE_KEEP_CAPS, SECURE_NOROOT, Credentials, Ids, Sets

A, B, C = 1, 2, 4
USER = 1024


def ids(*numbers: int) -> Ids:
    real, effective = (numbers * 2)[:2]
    return Ids(real, effective, effective, effective)


def thread(
    sets: Sets,
    uid: int = USER,
    no_new_privileges: bool = False,
    securebits: Optional[int] = 0,
) -> Credentials:
    return Credentials(ids(uid), ids(uid), sets, (), no_new_privileges, securebits)


def file(permitted: int = 0, inheritable: int = 0, *, effective: bool, root: int = 0) -> Program:
    granted = FileCapabilities(3 if root else 2, permitted, inheritable, effective, root)
    return Program(capabilities=granted)


masks = st.integers(0, 0xFF)
uids = st.sampled_from([0, USER])


@st.composite
def threads(draw: st.DrawFn) -> Credentials:
    """
    A thread as the kernel lets it be: ambient within permitted and inheritable, effective within
    permitted.
    """
    permitted, inheritable = draw(masks), draw(masks)
    sets = Sets(
        inheritable,
        permitted,
        draw(masks) & permitted,
        draw(masks),
        draw(masks) & permitted & inheritable,
    )
    securebits = draw(st.sampled_from([None, 0, SECURE_NOROOT]))
    found = thread(sets, draw(uids), draw(st.booleans()), securebits)
    return replace(found, uids=Ids(draw(uids), draw(uids), draw(uids), draw(uids)))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    granted = st.builds(
        FileCapabilities, st.just(2), masks, masks, st.booleans(), st.sampled_from([0, 7])
    )
    return Program(
        draw(st.sampled_from([0o755, 0o4755, 0o2755])),
        draw(uids),
        draw(uids),
        draw(st.none() | granted),
        draw(st.booleans()),
    )


def test_a_user_without_ambient_capabilities_loses_all():
    """
    Neither permitted nor inheritable capabilities survive by themselves.
    """
    outcome = execute(thread(Sets(A, A | B, A, A | B)), Program())

    assert outcome.rule == AMBIENT
    assert outcome.credentials.sets == Sets(inheritable=A, bounding=A | B)


def test_ambient_capabilities_stay():
    """
    What is ambient is permitted, effective and ambient afterwards.
    """
    outcome = execute(thread(Sets(A, A | B, A, B, A)), Program())

    assert outcome.credentials.sets == Sets(A, A, A, B, A)


def test_root_gets_the_bounding_and_inheritable_sets():
    """
    To the kernel every file grants root everything.
    """
    outcome = execute(thread(Sets(inheritable=A, bounding=B), uid=0), Program())

    assert outcome.rule == ROOT
    assert outcome.credentials.sets == Sets(A, A | B, A | B, B)


def test_real_root_alone_gets_no_effective_capabilities():
    """
    With a real uid of 0 but another effective one, the permitted set is filled, not the effective.
    """
    credentials = replace(thread(Sets(bounding=B)), uids=ids(0, USER))

    assert execute(credentials, Program()).credentials.sets == Sets(permitted=B, bounding=B)


def test_noroot_makes_root_a_user():
    """
    Under SECBIT_NOROOT uid 0 gets what any other uid gets.
    """
    outcome = execute(thread(Sets(bounding=B), uid=0, securebits=SECURE_NOROOT), Program())

    assert outcome.rule == AMBIENT
    assert outcome.credentials.sets == Sets(bounding=B)


def test_keep_caps_does_not_outlive_an_execve():
    """
    SECBIT_KEEP_CAPS is cleared, other securebits stay.
    """
    bits = SECURE_KEEP_CAPS | SECURE_NOROOT

    assert execute(thread(Sets(), securebits=bits), Program()).credentials.securebits == (
        SECURE_NOROOT
    )


@pytest.mark.parametrize("effective", [True, False])
def test_a_file_grants_within_bounding_and_inheritable(effective: bool):
    """
    P'(permitted) is (P(inheritable) & F(inheritable)) | (F(permitted) & P(bounding)); the file's
    bit decides whether that is effective too.
    """
    program = file(A, B | C, effective=effective)

    outcome = execute(thread(Sets(inheritable=B, bounding=A)), program)

    assert outcome.rule == FILE
    assert outcome.credentials.sets == Sets(B, A | B, (A | B) * effective, A)


def test_a_file_that_does_not_get_what_it_insists_on_is_not_executed():
    """
    With the effective bit, permitted capabilities outside the bounding set refuse the execve.
    """
    outcome = execute(thread(Sets(bounding=B)), file(A | B, effective=True))

    assert outcome.rule == REFUSED


def test_a_file_that_can_do_without_is_executed_with_less():
    """
    Without the effective bit it gets what there is.
    """
    outcome = execute(thread(Sets(bounding=B)), file(A | B, effective=False))

    assert outcome.credentials.sets == Sets(permitted=B, bounding=B)


@pytest.mark.parametrize("permitted", [0, A])
def test_file_capabilities_clear_the_ambient_set(permitted: int):
    """
    A file with the attribute, even with an empty one, drops what was ambient.
    """
    before = thread(Sets(B, B, B, A | B, B))

    outcome = execute(before, file(permitted, effective=True))

    assert outcome.credentials.sets == Sets(B, permitted, permitted, A | B, 0)


def test_a_set_user_id_root_program_gets_the_bounding_set():
    """
    A set-user-ID bit of root's makes it root, and clears the ambient set.
    """
    outcome = execute(thread(Sets(A, A, A, B, A)), Program(mode=0o4755))

    assert outcome.credentials.uids == Ids(USER, 0, 0, 0)
    assert outcome.credentials.sets == Sets(A, A | B, A | B, B, 0)


def test_a_set_user_id_root_program_with_file_capabilities_gets_only_those():
    """
    The attribute says what it needs, so that it is not given everything.
    """
    program = replace(file(A, effective=True), mode=0o4755)

    outcome = execute(thread(Sets(bounding=A | B)), program)

    assert outcome.credentials.uids.effective == 0
    assert outcome.credentials.sets == Sets(0, A, A, A | B)


def test_a_set_group_id_program_of_a_group_that_one_is_in_keeps_ambient_capabilities():
    """
    Only a group that is new to the thread counts as a change of ids.
    """
    before = replace(thread(Sets(A, A, A, A, A)), groups=(50,))

    kept = execute(before, Program(mode=0o2755, group=50))
    lost = execute(before, Program(mode=0o2755, group=51))

    assert kept.credentials.sets.ambient == A
    assert lost.credentials.sets.ambient == 0


@pytest.mark.parametrize(
    "program",
    [Program(mode=0o4755, nosuid=True), replace(file(A, effective=True), nosuid=True)],
    ids=["set-user-ID", "file capabilities"],
)
def test_a_nosuid_mount_takes_bits_and_attribute_away(program: Program):
    """
    Where nosuid is set, both count for nothing.
    """
    before = thread(Sets(B, B, B, A | B, B))

    assert execute(before, program) == execute(before, Program())


@pytest.mark.parametrize(
    "program", [Program(mode=0o4755), file(A, effective=True)], ids=["set-user-ID", "file"]
)
def test_no_new_privs_grants_nothing(program: Program):
    """
    Under no_new_privs nobody gains an id or a capability.
    """
    outcome = execute(thread(Sets(bounding=A | B), no_new_privileges=True), program)

    assert outcome.credentials.uids == ids(USER)
    assert outcome.credentials.sets == Sets(bounding=A | B)


def test_no_new_privs_keeps_root_from_regaining_what_it_gave_up():
    """
    Root under no_new_privs keeps what it has permitted, and no more.
    """
    before = thread(Sets(permitted=A, bounding=A | B), uid=0, no_new_privileges=True)

    outcome = execute(before, Program())

    assert outcome.limited
    assert outcome.credentials.sets == Sets(0, A, A, A | B)


def test_a_namespaces_own_root_is_root_in_it():
    """
    In a user namespace the uid that is mapped to 0 is root, and the host's 0 is not.
    """
    inside = UserNamespace(1, (Extent(0, 5000, 10),), (Extent(0, 5000, 10),))

    assert execute(thread(Sets(bounding=A), uid=5000), Program(), inside).rule == ROOT
    assert execute(thread(Sets(bounding=A), uid=0), Program(), inside).rule == AMBIENT


def test_a_set_user_id_bit_of_an_owner_without_a_number_here_is_nothing():
    """
    In a user namespace where the file's owner is not mapped the bit is ignored.
    """
    inside = UserNamespace(1, (Extent(0, 5000, 10),), (Extent(0, 5000, 10),))
    before = thread(Sets(bounding=A), uid=5001)

    assert execute(before, Program(mode=0o4755), inside) == execute(before, Program(), inside)


@pytest.mark.parametrize(("root", "rule"), [(5000, FILE), (0, FILE), (6000, AMBIENT)])
def test_file_capabilities_hold_where_their_root_is_root(root: int, rule: str):
    """
    They hold in the namespace whose root they are of, and if they are the host's root's.
    """
    inside = UserNamespace(1, (Extent(0, 5000, 10),), (Extent(0, 5000, 10),))
    program = file(A, effective=True, root=root)

    assert execute(thread(Sets(bounding=A), uid=5001), program, inside).rule == rule


def test_bits_of_a_file_beyond_the_kernels_last_count_for_nothing():
    """
    A file that insists on a capability of a newer kernel is executed all the same.
    """
    outcome = execute(thread(Sets(bounding=A)), file(A | 1 << 41, effective=True), last=40)

    assert outcome.credentials.sets.effective == A


@settings(deadline=None)
@given(threads(), programs())
def test_no_execve_leaves_bounding_and_inheritable_sets(before: Credentials, program: Program):
    """
    P'(permitted) comes from the bounding, inheritable and ambient sets alone; the first two stay.
    """
    sets, after = before.sets, execute(before, program).credentials.sets

    assert (after.bounding, after.inheritable) == (sets.bounding, sets.inheritable)
    if execute(before, program).rule != REFUSED:
        assert after.permitted & ~(sets.bounding | sets.inheritable | sets.ambient) == 0
        assert after.effective & ~after.permitted == 0
        assert after.ambient & ~(sets.ambient & after.permitted & after.inheritable) == 0


@settings(deadline=None)
@given(threads(), programs())
def test_nothing_is_gained_under_no_new_privs(before: Credentials, program: Program):
    """
    Whatever the program, under no_new_privs permitted only shrinks, and ids do not change to its.
    """
    before = replace(before, no_new_privileges=True)
    outcome = execute(before, program)

    assert outcome.credentials.sets.permitted & ~before.sets.permitted == 0
    assert outcome.credentials.uids.effective in (before.uids.real, before.uids.effective)


@settings(deadline=None)
@given(threads())
def test_a_plain_program_executed_twice_is_as_executed_once(before: Credentials):
    """
    Of a thread with one uid, an execve of a program without bits and attribute gives what a second
    one gives again.
    """
    before = replace(before, uids=ids(before.uids.real))

    once = execute(before, Program()).credentials

    assert execute(once, Program()).credentials == once
