"""
Tests of what the containers of trials had, and what a profile's rules mean for them.
"""

from __future__ import annotations

from typing import Optional

import pytest

from tests.unit.recordings import recording
from tests.unit.session.trials import PLAN, allowing, refusal, trial
from tracer.capabilities.names import mask_of
from tracer.profile import model
from tracer.profile.model import Circumstances, Rule
from tracer.recording import HOST, Capabilities, Run
from tracer.session.checking import NOT_RECORDED
from tracer.session.held import held_by_any, held_in, unknown
from tracer.session.refinement import probed
from tracer.session.trial import Trial
from tracer.session.verification import BY_RULE, DENIED, Asked, judge, verdict_on

ADMIN = Circumstances(capabilities=("CAP_SYS_ADMIN",))
FOR_OTHERS = Rule(("keyctl",), model.ERRNO, errno=1, excludes=ADMIN)
FOR_ADMINS = Rule(("mount",), model.ALLOW, includes=ADMIN)
PROFILE = allowing("read", rules=(FOR_OTHERS, FOR_ADMINS))


def run(name: str, *words: str) -> Run:
    mask = mask_of(words)
    held = Capabilities(0, HOST, 0, mask, mask, mask, 0)
    return Run(name, container_id=name * 12, container_name=name, capabilities=held)


def tried(*runs: Run, calls: tuple[str, ...] = ("read",), container: str = "web") -> Trial:
    refusals = (refusal("keyctl", container=container),)
    recordings = tuple(recording(*calls, run=one) for one in runs)
    return trial(recordings=recordings, refusals=refusals)


@pytest.mark.parametrize(
    "one, verdict",
    [(run("web", "chown"), BY_RULE), (run("web", "sys_admin"), DENIED), (Run("web"), BY_RULE)],
    ids=["without", "with", "unknown"],
)
def test_a_rule_for_other_containers_denies_nothing_to_this_one(one: Run, verdict: str):
    """
    What a rule excludes containers with a capability from is answered to them by the default; one
    of which nothing is known has what it would have without options.
    """
    (judged,) = judge([tried(one)], PROFILE, "podman")

    assert judged.verdict == verdict


@pytest.mark.parametrize(
    "runs, container, held",
    [
        ([run("web", "chown"), run("db", "kill")], "db", {"CAP_KILL"}),
        ([run("web", "chown"), run("db", "kill")], "web", {"CAP_CHOWN"}),
        ([run("web", "chown")], "c0ffee", {"CAP_CHOWN"}),
        ([run("web", "chown"), run("db", "kill")], "c0ffee", None),
        ([Run("web")], "web", None),
    ],
)
def test_each_container_of_a_trial_has_its_own(
    runs: list[Run], container: str, held: Optional[set[str]]
):
    """
    By its title; one that is not found has what all have, if they have the same.
    """
    assert held_in(tried(*runs), container) == held


@pytest.mark.parametrize(
    "one, unused",
    [(run("web", "chown"), ()), (run("web", "sys_admin"), ("mount",)), (Run("web"), ("mount",))],
)
def test_what_is_not_allowed_to_a_container_is_not_unused(one: Run, unused: tuple[str, ...]):
    """
    A rule for containers with a capability lets nothing through to one without.
    """
    verdict = verdict_on([tried(one)], [()], Asked(PROFILE, ""), PLAN.call.engine)

    assert verdict.unused == unused


@pytest.mark.parametrize(
    "one, names", [(run("web"), ["mount"]), (run("web", "sys_admin"), []), (Run("web"), [])]
)
def test_what_was_recorded_is_lacking_where_the_container_had_no_such_rule(
    one: Run, names: list[str]
):
    """
    Under the loosened profile a call was made that the profile allows to other containers only.
    """
    found = probed(trial(recordings=(recording("mount", run=one),), refusals=()), PROFILE)

    assert [addition.name for addition in found] == names


def test_one_container_of_which_nothing_is_known_makes_all_unknown():
    """
    What a profile allows is then what it allows to anybody.
    """
    assert held_by_any([tried(run("web", "kill")), tried(Run("web"))]) == frozenset()


def test_why_nothing_is_known_is_told_once():
    """
    A kernel that does not tell of checks leaves a note in every recording.
    """
    one = Run("web", notes=(f"{NOT_RECORDED}: no tracepoint", "another note"))

    assert unknown([tried(one), tried(one)]) == (f"{NOT_RECORDED}: no tracepoint",)
