"""
Profiles read and written: nothing lost, everything wrong said at once, nothing hostile followed.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.unit.profile import strategies
from tracer.errors import DocumentError, InputError
from tracer.profile import formats, model
from tracer.profile.model import Circumstances, Condition, Layout, Profile, Rule

SPO = """\
apiVersion: security-profiles-operator.x-k8s.io/v1beta1
kind: SeccompProfile
metadata:
  name: ls
  annotations:
    made: 2026-11-22
spec:
  defaultAction: SCMP_ACT_ERRNO
  architectures:
  - SCMP_ARCH_X86_64
  syscalls:
  - action: SCMP_ACT_ALLOW
    names:
    - read
    - personality
    args:
    - index: 0
      value: 0x20000
      op: SCMP_CMP_EQ
  - action: SCMP_ACT_ERRNO
    errnoRet: "38"
    names: [clone3]
"""
OCI = """\
{
    "ociVersion": "1.0.2",
    "process": {"args": ["sh"]},
    "linux": {"namespaces": [], "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}, "maskedPaths": []}
}
"""


@given(strategies.texts())
@settings(max_examples=50, deadline=None)
def test_what_is_not_changed_is_written_as_it_was_read(text: str):
    """
    A document that was read and written again is equal, in the same order, whatever its spelling.
    """
    written = formats.write(formats.read(text, "p.json"))

    assert json.dumps(json.loads(written)) == json.dumps(json.loads(text))


@given(strategies.profiles())
@settings(max_examples=50, deadline=None)
def test_a_profile_that_was_made_is_read_back(profile: Profile):
    """
    A profile that was never a document is the same after it has been one.
    """
    assert formats.read(formats.write(profile), "p.json") == profile


@given(strategies.profiles())
@settings(max_examples=30, deadline=None)
def test_writing_a_read_profile_changes_nothing_twice(profile: Profile):
    """
    The text of a profile stays the same however often it is read and written.
    """
    once = formats.write(profile)

    assert formats.write(formats.read(once, "p.json")) == once


def test_a_change_leaves_the_rest_as_it_was():
    """
    A changed rule is written in its place; unknown fields, order and other rules stay.
    """
    text = (
        '{"x": 1, "syscalls": [{"name": "read", "y": [], "action": "SCMP_ACT_KILL", "args": null}, '
        '{"names": [], "action": "SCMP_ACT_LOG"}], "defaultAction": "SCMP_ACT_ALLOW"}'
    )
    read = formats.read(text, "p.json")

    first = replace(read.rules[0], names=("read", "write"), errno=5)
    written = formats.write(replace(read, rules=(first, *read.rules[1:])))

    expected = text.replace('"name": "read"', '"names": ["read", "write"]')
    assert written == expected.replace('"args": null', '"args": null, "errnoRet": 5')


@pytest.mark.parametrize("layout", [Layout("  ", ""), Layout("\t", "\n"), Layout(None, "\n")])
def test_the_layout_of_a_text_stays(layout: Layout):
    """
    Indentation and the end of the text are those that were read.
    """
    profile = Profile(model.ALLOW, (Rule(("read",), model.LOG),), layout=layout)
    text = formats.write(profile)

    assert formats.write(formats.read(text, "p.json")) == text


def test_a_resource_of_the_operator_is_read_and_written():
    """
    YAML is read with its numbers as numbers, dates as text, and written as equal data.
    """
    profile = formats.read(SPO, "p.yaml")

    assert profile.dialect == model.SPO
    assert profile.rules == (
        Rule(
            ("read", "personality"),
            model.ALLOW,
            (Condition(0, model.EQUAL, 0x20000),),
        ),
        Rule(("clone3",), model.ERRNO, errno=38),
    )
    respelt = SPO.replace("0x20000", "131072").replace("2026-11-22", "'2026-11-22'")
    respelt = respelt.replace('"38"', "'38'").replace(" [clone3]", "\n    - clone3")
    assert formats.write(profile) == respelt
    assert formats.read(respelt, "p.yaml") == profile


def test_a_config_json_keeps_what_is_around_the_profile():
    """
    The profile of a config.json is changed where it is; process and mounts stay.
    """
    profile = formats.read(OCI, "config.json")

    changed = formats.write(replace(profile, default_action=model.LOG))

    assert profile.dialect == model.OCI
    assert json.loads(changed) == json.loads(OCI.replace("ACT_ALLOW", "ACT_LOG"))


def test_every_field_of_a_rule_is_read():
    """
    Arguments, errnos, circumstances and comments end in the fields of the record.
    """
    text = """{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "syscalls": [{
        "names": ["clone"], "action": "SCMP_ACT_ALLOW", "comment": "why", "errno": "EPERM",
        "args": [{"index": 5, "value": 18446744073709551615, "valueTwo": 2,
                  "op": "SCMP_CMP_MASKED_EQ"}],
        "includes": {"caps": ["CAP_A"], "minKernel": "4.8"}, "excludes": {"arches": ["s390x"]}}]}"""

    profile = formats.read(text, "p.json")

    assert profile.dialect == model.PODMAN
    assert profile.default_errno_name == "ENOSYS"
    assert profile.rules == (
        Rule(
            ("clone",),
            model.ALLOW,
            (Condition(5, model.MASKED_EQUAL, (1 << 64) - 1, 2),),
            errno_name="EPERM",
            includes=Circumstances(("CAP_A",), minimal_kernel=(4, 8)),
            excludes=Circumstances(architectures=("s390x",)),
            comment="why",
        ),
    )


def test_all_errors_of_a_document_are_told_at_once():
    """
    Each error has the file, the path and what was expected there.
    """
    text = """{"defaultAction": "ERRNO", "architectures": ["X86"], "archMap": [{}], "flags": 3,
        "syscalls": [{"names": ["read", 1, ""], "action": "SCMP_ACT_ALLOW", "errnoRet": 70000,
          "args": [{"index": 6, "op": "EQ", "value": -1}, 5],
          "includes": {"caps": "CAP_A", "minKernel": "5"}, "excludes": []},
          {"action": 1}, {"name": "a", "names": ["b"], "action": "SCMP_ACT_LOG"}]}"""

    with pytest.raises(DocumentError) as caught:
        formats.read(text, "p.json")

    assert sorted(caught.value.problems) == sorted(
        f"p.json: $.{place}: expected {expected}"
        for place, expected in {
            "defaultAction": 'an action (SCMP_ACT_...), found "ERRNO"',
            "architectures[0]": 'an architecture (SCMP_ARCH_...), found "X86"',
            "archMap[0].architecture": "a string, found nothing",
            "archMap": "no archMap beside architectures, found an array",
            "flags": "an array, found 3",
            "syscalls[0].names[1]": "a string, found 1",
            "syscalls[0].names[2]": 'the name of a system call, found ""',
            "syscalls[0].errnoRet": "an integer from 0 to 65535, found 70000",
            "syscalls[0].args[0].index": "an integer from 0 to 5, found 6",
            "syscalls[0].args[0].op": 'an operator (SCMP_CMP_...), found "EQ"',
            "syscalls[0].args[0].value": "an integer from 0 to 18446744073709551615, found -1",
            "syscalls[0].args[1]": "an object, found 5",
            "syscalls[0].includes.caps": 'an array, found "CAP_A"',
            "syscalls[0].includes.minKernel": 'a kernel version ("4.8"), found "5"',
            "syscalls[0].excludes": "an object, found an array",
            "syscalls[1].names": "the names of system calls, found nothing",
            "syscalls[1].action": "a string, found 1",
            "syscalls[2].name": 'either name or names, found "a"',
        }.items()
    )
    assert len(caught.value.lines) == len(caught.value.problems)


def test_of_very_many_errors_a_hundred_are_told():
    """
    A person gets a hundred lines, and how many more there are.
    """
    text = json.dumps({"defaultAction": "SCMP_ACT_LOG", "flags": [1] * 1000})

    with pytest.raises(DocumentError) as caught:
        formats.read(text, "p.json")

    assert len(caught.value.lines) == 101
    assert caught.value.lines[-1] == "and 900 more like these"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p: empty"),
        (" \n", "p: empty"),
        ('{"defaultAction": "SCMP', "p: not JSON, or cut short"),
        ("[1]", "p: not a seccomp profile"),
        ("3", "p: not a seccomp profile"),
        ('{"linux": {}}', "p: not a seccomp profile"),
        ('{"linux": {"seccomp": []}}', "p: $.linux.seccomp: expected a seccomp profile"),
        ("[" * 100000, "p: nested deeper than 64 levels"),
        ("- " * 100000, "p: nested deeper than 64 levels"),
        ("a: [1", "p: not YAML, or cut short (line "),
        ("a: &x 1\nb: *x", "p: line 1: found an anchor or alias"),
        ("a: !!python/object/apply:os.system [ls]", "p: line 1: found a tag"),
        ("!x {}", "p: line 1: found a tag"),
        ("a: 1\na: 2", 'p: line 2: found the key "a" twice'),
        ("1: 2", "p: line 1: found a key that is no plain string"),
        ("<<: {a: 1}", "p: line 1: found a key that is no plain string"),
        ("a: 1\n---\nb: 1", "p#1: not a seccomp profile"),
        ("a: 1.0e+999", "p: not YAML that JSON can say"),
        ("# nothing", "p: empty"),
        ("kind: SeccompProfile", "p: $.spec: expected a seccomp profile, found nothing"),
        ("a: \udc80", "p: not UTF-8 text"),
        ("a: \x00", "p: not YAML, or cut short"),
    ],
)
def test_what_is_no_profile_is_told_in_one_line(text: str, message: str):
    """
    Empty, cut short, nested and hostile texts end in one line, and are never replaced.
    """
    with pytest.raises(InputError) as caught:
        formats.read(text, "p")

    assert str(caught.value).startswith(message)
    assert not formats.is_profile(text)


def test_a_text_beyond_the_limit_is_not_read():
    """
    A text that is larger than any profile is refused before it is parsed.
    """
    with pytest.raises(InputError, match="too large; the limit is"):
        formats.read("{" + " " * formats.READ_LIMIT, "p.json")


@pytest.mark.parametrize(
    ("scalar", "value"),
    [("0x10", 16), ("010", 8), ("1_000", 1000), ("0", 0), ("0b11", 3), ("+7", 7)],
)
def test_numbers_in_yaml_are_those_of_kubernetes(scalar: str, value: int):
    """
    Hexadecimal, octal, binary and grouped digits are numbers.
    """
    profile = formats.read(SPO.replace("0x20000", scalar), "p.yaml")

    assert profile.rules[0].conditions[0].value == value
