"""
What lint finds; each code is shown in tests/cases too, as a person meets it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import List, Tuple

import pytest
from hypothesis import given, settings

from tests.unit.profile import strategies
from tests.unit.profile.defaults import DEFAULTS, default_text
from tests.unit.recordings import recording
from tracer import syscalls
from tracer.profile import formats, model, sarif
from tracer.profile.fallbacks import fallbacks_of
from tracer.profile.floors import permitted, shipped
from tracer.profile.generate import generate, render
from tracer.profile.lint import CHECKS, lint
from tracer.profile.lint_keys import CODES
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.profile.releases import RELEASE_OF
from tracer.profile.remarks import ERROR, NOTE, SEVERITIES, WARNING, Needs, Remark
from tracer.profile.risks import RISKS, risk_of
from tracer.recording import Run

CASES = Path(__file__).parents[2] / "cases"
BOTH = (syscalls.X86_64, syscalls.X86)
NEWEST = (2, 6, 1)


def allow(*names: str, **fields: object) -> Rule:
    return Rule(names, model.ALLOW, **fields)  # type: ignore[arg-type]


def remarks(*rules: Rule, default: str = model.ERRNO, **fields: object) -> List[Tuple[str, str]]:
    profile = Profile(default, rules, architectures=BOTH, **fields)  # type: ignore[arg-type]
    return [(one.code, one.place) for one in lint(profile, NEWEST)]


def if_first(operator: str, value: int, two: int = 0) -> Tuple[Condition, ...]:
    return (Condition(0, operator, value, two),)


@pytest.mark.parametrize(
    ("rules", "code", "place"),
    [
        ([allow("opneat")], "unknown-call", "$.syscalls[0].names[0]"),
        ([allow("read", conditions=if_first(model.LESS, 0))], "never-matches", "$.syscalls[0]"),
        (
            [allow("read", conditions=if_first(model.MASKED_EQUAL, 1, 2))],
            "never-matches",
            "$.syscalls[0]",
        ),
        ([Rule((), model.ALLOW)], "never-matches", "$.syscalls[0]"),
        (
            [allow("read", includes=Circumstances(architectures=("x68",)))],
            "never-matches",
            "$.syscalls[0]",
        ),
        (
            [
                allow(
                    "read",
                    includes=Circumstances(minimal_kernel=(5, 0)),
                    excludes=Circumstances(minimal_kernel=(4, 8)),
                )
            ],
            "never-matches",
            "$.syscalls[0]",
        ),
        ([allow("read"), Rule(("read",), model.KILL)], "shadowed", "$.syscalls[1].names[0]"),
        ([allow("read"), allow("read")], "duplicate", "$.syscalls[1].names[0]"),
        ([allow("read", "read")], "duplicate", "$.syscalls[0]"),
        (
            [allow("read", conditions=if_first(model.EQUAL, 1) + if_first(model.EQUAL, 2))],
            "alternative-conditions",
            "$.syscalls[0].args",
        ),
        (
            [allow("socketcall"), allow("socket", conditions=if_first(model.EQUAL, 1))],
            "socketcall-open",
            "$.syscalls[0].names[0]",
        ),
        ([allow("mount")], "dangerous-call", "$.syscalls[0].names[0]"),
        ([allow("s390_pci_mmio_read")], "foreign-call", "$.syscalls[0].names[0]"),
        ([allow("read")], "eperm-for-probed", "$.defaultAction"),
    ],
)
def test_each_fault_is_found_where_it_is(rules: List[Rule], code: str, place: str):
    """
    A fault has its code and the JSON path of what is at fault.
    """
    assert (code, place) in remarks(*rules)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (allow("mount", includes=Circumstances(capabilities=("CAP_SYS_ADMIN",))), "dangerous-call"),
        (allow("ptrace", conditions=if_first(model.EQUAL, 0)), "dangerous-call"),
        (Rule(("mount",), model.ERRNO), "dangerous-call"),
        (allow("socketcall"), "socketcall-open"),
        (allow("openat"), "unknown-call"),
        (allow("read", conditions=if_first(model.LESS, 1)), "never-matches"),
    ],
)
def test_what_is_in_order_is_passed_over(rule: Rule, code: str):
    """
    A condition, a capability or a denial makes a risky call unsuspicious; so do right spellings.
    """
    assert code not in [found for found, _ in remarks(rule)]


@pytest.mark.parametrize(
    ("action", "rules", "severity"),
    [
        (model.ALLOW, [allow("read")], ERROR),
        (model.LOG, [], ERROR),
        (model.TRACE, [allow("read")], ERROR),
        (model.ALLOW, [Rule(("mount",), model.ERRNO)], WARNING),
    ],
)
def test_a_default_that_lets_through_is_graver_without_denials(
    action: str, rules: List[Rule], severity: str
):
    """
    A list of allowed calls under such a default forbids nothing at all.
    """
    found = lint(Profile(action, tuple(rules), architectures=BOTH))

    assert [one.severity for one in found if one.code == "permissive-default"] == [severity]


def test_a_call_that_an_old_libseccomp_does_not_know_is_noted_for_such():
    """
    Which libseccomp a profile is for decides.
    """
    profile = Profile(model.ERRNO, (allow("futex_waitv"),), architectures=BOTH)

    old, new = (
        [one.code for one in lint(profile, release) if "futex_waitv" in one.message]
        for release in ((2, 5, 3), (2, 5, 4))
    )

    assert (old, new) == (["needs-libseccomp"], [])


def test_places_are_those_of_the_whole_document():
    """
    In a config.json a place starts where the profile does.
    """
    profile = Profile(model.ERRNO, (allow("mount"),), architectures=BOTH, dialect=model.OCI)

    assert "$.linux.seccomp.syscalls[0].names[0]" in [one.place for one in lint(profile)]


def test_what_we_generate_ourselves_is_no_cause_for_a_warning():
    """
    The profile of a recording, with its floor, lints clean but for notes.
    """
    run = Run("run", runtime="runc", architecture=syscalls.X86_64)
    made = generate(recording("read", "clone3", run=run), permitted(shipped()))

    found = lint(formats.read(render(made), "p.json"))

    assert {one.severity for one in found} <= {NOTE}


@pytest.mark.parametrize("engine", DEFAULTS)
def test_the_default_profiles_have_no_errors(engine: str):
    """
    What engines ship is suspicious here and there, but works.
    """
    found = lint(formats.read(default_text(engine), engine))

    assert [one for one in found if one.severity == ERROR] == []


@given(strategies.profiles())
@settings(max_examples=50, deadline=None)
def test_any_profile_can_be_linted(profile: Profile):
    """
    Whatever a profile says, remarks come with a known code, severity, place and remedy, in order.
    """
    found = lint(profile)

    known = {*CHECKS, "ipc-open"}
    assert all(one.code in known and one.place.startswith("$") for one in found)
    assert all(one.message and one.remedy for one in found)
    assert [one.severity for one in found] == sorted(
        (one.severity for one in found), key=SEVERITIES.index
    )


def test_a_sarif_log_has_what_code_hosts_ask_for():
    """
    Each result has a rule of the driver, a level, a text and a place.
    """
    remark = Remark("duplicate", NOTE, "$.syscalls[0]", "read has this very rule already", "go on")

    log = json.loads(json.dumps(sarif.document({"my profile.json": [remark]})))

    (run,) = log["runs"]
    (result,) = run["results"]
    assert (log["version"], result["level"]) == ("2.1.0", "note")
    assert result["ruleId"] in [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "my%20profile.json"
    assert place["logicalLocations"] == [{"fullyQualifiedName": "$.syscalls[0]"}]


def test_every_risky_call_exists_and_is_in_one_class():
    """
    The table of risks has no misspelt call and none twice.
    """
    everything = frozenset().union(*map(syscalls.names, syscalls.architectures()))
    elsewhere = {"umount", "pciconfig_iobase", "pciconfig_read", "pciconfig_write"}
    elsewhere |= {"s390_pci_mmio_read", "s390_pci_mmio_write"}
    listed = [name for risk in RISKS for name in risk.calls]

    assert set(listed) - elsewhere - set(RELEASE_OF) <= everything
    assert len(listed) == len(set(listed))
    assert all(risk.source and set(risk.usual) <= set(risk.calls) for risk in RISKS)
    assert risk_of("read") is None


def test_our_fallbacks_are_what_lint_asks_for():
    """
    Answering our own fallbacks with ENOSYS satisfies the check for probed calls.
    """
    group = Rule(tuple(fallbacks_of(BOTH)), model.ERRNO, errno=38)

    assert "eperm-for-probed" not in [code for code, _ in remarks(group)]


ADMIN = Circumstances(capabilities=("CAP_SYS_ADMIN",))
NO_CLONE3 = Rule(("clone3",), model.ERRNO, errno=38)


@pytest.mark.parametrize(
    ("rules", "is_good"),
    [
        ([allow("clone3", includes=ADMIN)], False),
        ([allow("clone3", conditions=if_first(model.EQUAL, 1))], False),
        ([allow("clone3", includes=ADMIN), replace(NO_CLONE3, excludes=ADMIN)], True),
        ([allow("clone3", includes=ADMIN), NO_CLONE3], True),
        ([allow("clone3", excludes=ADMIN), replace(NO_CLONE3, excludes=ADMIN)], False),
        ([allow("clone3", includes=Circumstances(minimal_kernel=(5, 3)))], True),
        ([allow("clone3")], True),
    ],
)
def test_a_probed_call_is_answered_well_if_every_container_hears_enosys(
    rules: List[Rule], is_good: bool
):
    """
    A permission for some containers or arguments only is no answer to the others.
    """
    others = [name for name in fallbacks_of(BOTH) if name != "clone3"]

    found = remarks(allow(*others), *rules)

    expected = [] if is_good else ["$.syscalls[1].names[0]"]
    assert [place for code, place in found if code == "eperm-for-probed"] == expected


def test_a_probed_call_is_judged_by_the_capabilities_of_the_container():
    """
    A container with CAP_SYS_ADMIN gets the call; `lint --caps` says that it has it.
    """
    others = [name for name in fallbacks_of(BOTH) if name != "clone3"]
    rules = (allow(*others), allow("clone3", includes=ADMIN))
    profile = Profile(model.ERRNO, rules, architectures=BOTH)

    for capabilities, found in (((), 1), (ADMIN.capabilities, 0)):
        codes = [remark.code for remark in lint(profile, NEWEST, Needs(frozenset(capabilities)))]
        assert codes.count("eperm-for-probed") == found


@pytest.mark.parametrize(
    ("architectures", "place"), [((), "$"), (("SCMP_ARCH_NATIVE",), "$.architectures")]
)
def test_a_profile_that_names_no_architecture_is_judged_as_hosts_load_it(
    architectures: Tuple[str, ...], place: str
):
    """
    No call is foreign to it, and 32-bit programs are killed since the host's own is filtered alone.
    """
    rules = (allow("read", "socketcall", "arch_prctl", "no_such_call"),)

    found = lint(Profile(model.ERRNO, rules, architectures=architectures), NEWEST)

    by_code = {remark.code: remark for remark in found}
    assert "foreign-call" not in by_code
    assert by_code["missing-32-bit"].place == place
    assert "names no other" in by_code["missing-32-bit"].message


def test_the_native_architecture_is_one_that_runtimes_refuse():
    """
    Neither runc nor crun takes SCMP_ARCH_NATIVE from a profile.
    """
    profile = Profile(model.ERRNO, architectures=(syscalls.X86_64, "SCMP_ARCH_NATIVE"))

    (remark,) = [remark for remark in lint(profile, NEWEST) if remark.code == "unloadable"]

    assert remark.place == "$.architectures[1]"
    assert remark.message == (
        "runc and crun refuse the profile: the architecture SCMP_ARCH_NATIVE is unknown"
    )


def test_every_code_has_a_case():
    """
    tests/cases shows each code once as a person meets it, but for those that need odd profiles.
    """
    shown = "".join(path.read_text() for path in CASES.glob("lint-*/expected.out"))

    odd = {"foreign-call", "floor-missing"}
    codes = (*CHECKS, *CODES)
    assert [code for code in codes if f"[{code}]" not in shown and code not in odd] == []
