"""
Tests of which capabilities a recording is said to need, and what is not its need.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest

from tests.unit.recordings import check
from tracer.capabilities.names import mask_of
from tracer.capabilities.required import ALTERNATIVES, Demand, Use, required
from tracer.recording import CONTAINER, HOST, INNER, RUNTIME, Capabilities, Check, Recording, Run
from tracer.recording import Circumstances, merge

GIVEN = mask_of(["chown", "kill", "setuid"])


def run(id: str = "run", *, namespace: str = HOST, user: int = 0, bounding: int = GIVEN) -> Run:
    held = Capabilities(user, namespace, 0, bounding, bounding, bounding, 0)
    return Run(id, capabilities=held)


def recorded(*checks: Check, of: Optional[Run] = None) -> Recording:
    one = of or run()
    return Recording({one.id: one}, checks=checks)


def names(demands: tuple[Demand, ...]) -> list[str]:
    return [demand.capability for demand in demands]


def test_what_was_granted_is_needed_with_who_asked_for_it():
    """
    Each capability has the programs and calls that asked, the most frequent first.
    """
    found = required(
        recorded(
            check("CAP_CHOWN", "chown", executable="/bin/a", caller="setattr_prepare"),
            check("CAP_CHOWN", "fchown", executable="/bin/b", caller="setattr_prepare", count=3),
            check("CAP_CHOWN", "fchown", executable="/bin/b", caller="another"),
        )
    )

    assert found.needed == (
        Demand(
            "CAP_CHOWN",
            (
                Use("/bin/b", "fchown", 4, ("another", "setattr_prepare")),
                Use("/bin/a", "chown", 1, ("setattr_prepare",)),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("effective", "executable", "user", "needed"),
    [
        (1, "/bin/ping", 1024, ["CAP_CHOWN"]),
        (0, "/bin/ping", 1024, []),
        (1, "", 1024, []),
        (1, "/bin/ping", 0, []),
    ],
)
def test_what_a_first_programs_file_insists_on_is_needed(
    effective: int, executable: str, user: int, needed: list[str]
):
    """
    Though nobody asked: with the effective bit in its file it would not be executed without. Of
    root, and of what was not seen to be executed, that is not known.
    """
    bounding = 1 if user == 0 else GIVEN
    held = Capabilities(user, HOST, 0, 1, effective, bounding, 0)
    known = Circumstances(executable, user, 0)

    found = required(recorded(of=Run("run", capabilities=replace(held, circumstances=known))))

    assert names(found.needed) == needed
    assert [use for one in found.needed for use in one.uses] == [
        Use("/bin/ping", "execve", 1, ()) for _ in needed
    ]


def test_trials_decide_what_a_file_insists_on():
    """
    A run that did without what its program was given is no proof of need.
    """
    held = Capabilities(1024, HOST, 0, 1, 1, GIVEN, 0, confirmed=0)
    known = Circumstances("/bin/ping", 1024, 0)

    found = required(recorded(of=Run("run", capabilities=replace(held, circumstances=known))))

    assert (names(found.needed), names(found.unmissed)) == ([], ["CAP_CHOWN"])


def test_capabilities_are_named_in_the_order_of_their_numbers():
    """
    One without a name comes where its number is.
    """
    found = required(recorded(check("41"), check("CAP_SYS_TIME"), check("CAP_CHOWN")))

    assert found.capabilities == ("CAP_CHOWN", "CAP_SYS_TIME", "41")


def test_what_was_refused_is_not_needed():
    """
    A program that went on without got along; it is said what it asked for.
    """
    found = required(recorded(check("CAP_SYS_TIME", "settimeofday", granted=False)))

    assert found.needed == ()
    assert names(found.refused) == ["CAP_SYS_TIME"]


@pytest.mark.parametrize("first", ALTERNATIVES)
def test_a_refusal_that_another_capability_settles_is_none(first: str):
    """
    The kernel asks for the narrower capability first; the wider one served.
    """
    (second,) = ALTERNATIVES[first]
    refused, granted = check(first, granted=False, caller="x"), check(second, caller="x")

    settled = required(recorded(refused, granted))
    elsewhere = required(recorded(refused, check(second, "mkdir", caller="x")))

    assert (names(settled.needed), settled.refused) == ([second], ())
    assert names(elsewhere.refused) == [first]


def test_unused_is_what_all_runs_had_and_none_needed():
    """
    A capability that one of two runs was not given was not spare there.
    """
    two = (run("one"), run("two", bounding=mask_of(["chown", "kill"])))

    found = required(
        Recording({one.id: one for one in two}, checks=(check("CAP_CHOWN", run="two"),))
    )

    assert found.unused == ("CAP_KILL",)


def test_what_the_runtime_does_is_not_the_containers():
    """
    Setting a container up takes capabilities; executing its program is the program's own need.
    """
    found = required(
        recorded(
            check("CAP_SETUID", "setresuid", executable=RUNTIME),
            check("CAP_DAC_OVERRIDE", "execve", executable=RUNTIME),
        )
    )

    assert found.capabilities == ("CAP_DAC_OVERRIDE",)


def test_what_is_not_meant_is_in_no_answer():
    """
    Memory accounting asks every program for SYS_ADMIN.
    """
    caller = "security_vm_enough_memory_mm"
    checks = (
        check("CAP_SYS_ADMIN", "mmap", granted=granted, audited=False, caller=caller)
        for granted in (True, False)
    )

    found = required(recorded(*checks))

    assert (found.needed, found.refused) == ((), ())


def test_a_namespace_of_its_own_is_where_a_container_has_capabilities():
    """
    What is asked there is needed; the host's is out of reach, and no reason to ask for more.
    """
    found = required(
        recorded(
            check("CAP_CHOWN", namespace=CONTAINER),
            check("CAP_KILL", namespace=CONTAINER, granted=False),
            check("CAP_MKNOD", namespace=HOST, granted=False),
            of=run(namespace=CONTAINER, user=100000),
        )
    )

    assert found.capabilities == ("CAP_CHOWN",)
    assert (names(found.refused), names(found.out_of_reach)) == (["CAP_KILL"], ["CAP_MKNOD"])


def test_a_namespace_that_was_made_inside_takes_nothing_of_the_containers():
    """
    Who makes a user namespace has every capability there.
    """
    found = required(recorded(check("CAP_SYS_ADMIN", "mount", namespace=INNER)))

    assert (found.needed, names(found.inner)) == ((), ["CAP_SYS_ADMIN"])


def test_runs_in_different_namespaces_are_judged_each_by_its_own():
    """
    Merged, the host's namespace is one run's own and out of the other's reach.
    """
    runs = {"plain": run("plain"), "mapped": run("mapped", namespace=CONTAINER)}
    checks = (
        check("CAP_MKNOD", namespace=HOST, granted=False, run="mapped"),
        check("CAP_MKNOD", namespace=HOST, granted=True, run="plain"),
    )

    found = required(Recording(runs, checks=checks))

    assert (found.capabilities, names(found.out_of_reach)) == (("CAP_MKNOD",), ["CAP_MKNOD"])


@pytest.mark.parametrize("user, namespace, ambient", [(0, HOST, False), (1024, HOST, True)])
def test_another_user_than_root_needs_them_ambient(user: int, namespace: str, ambient: bool):
    """
    An execve by another user keeps only what is ambient.
    """
    found = required(recorded(check("CAP_CHOWN"), of=run(user=user, namespace=namespace)))

    assert found.ambient is ambient


def test_runs_without_checks_are_named():
    """
    A run of an older version, or of a kernel that cannot tell, is not said to need nothing.
    """
    assert required(Recording({"old": Run("old")})).unknown == ("old",)
    assert required(recorded()).unknown == ()


def confirmed(names: list[str], id: str = "run") -> Run:
    held = run(id).capabilities
    assert held is not None
    return Run(id, capabilities=replace(held, confirmed=mask_of(names)))


def test_what_trials_missed_is_needed_and_nothing_else_of_that_run():
    """
    A capability that was asked for and not missed is not needed; one that was missed is, even if
    nothing was seen to ask for it.
    """
    found = required(
        recorded(check("CAP_CHOWN"), check("CAP_SETUID"), of=confirmed(["kill", "setuid"]))
    )

    assert names(found.needed) == ["CAP_KILL", "CAP_SETUID"] and not found.needed[0].uses
    assert found.confirmed == found.capabilities
    assert names(found.unmissed) == ["CAP_CHOWN"]
    assert "CAP_CHOWN" not in found.unused


def test_trials_of_one_run_say_nothing_of_another():
    """
    What a run that nobody tried was seen to need stays needed beside one that was tried.
    """
    tried = recorded(check("CAP_CHOWN"), check("CAP_SETUID"), of=confirmed(["setuid"]))
    other = recorded(check("CAP_CHOWN", run="other"), of=run("other"))

    found = required(merge(tried, other))

    assert names(found.needed) == ["CAP_CHOWN", "CAP_SETUID"]
    assert (found.confirmed, found.unmissed) == (("CAP_SETUID",), ())
