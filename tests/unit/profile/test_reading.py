"""
Reading somebody's profile.
"""

from __future__ import annotations

import pytest

from tracer.errors import InputError
from tracer.profile.reading import (
    architectures_of,
    is_conditional,
    is_profile,
    names_of,
    read_profile,
    rules_of,
)

SOUND = """
{
    "defaultAction": "SCMP_ACT_ERRNO",
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [{"name": "read", "action": "SCMP_ACT_ALLOW", "args": null}],
    "unknown": {"kept": true}
}
"""


def test_a_profile_is_kept_as_it_is():
    """
    Unknown fields, and both of Docker's spellings, survive and are understood.
    """
    profile = read_profile(SOUND, "p.json")

    assert profile["unknown"] == {"kept": True}
    assert architectures_of(profile) == {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}
    assert [names_of(rule) for rule in rules_of(profile)] == [["read"]]
    assert not is_conditional(rules_of(profile)[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a seccomp profile"),
        ("{}", "not a seccomp profile"),
        ('{"format": "seccomp-trace recording"}', "not a seccomp profile"),
        ('{"defaultAction": 1}', "$.defaultAction: expected a string, found 1"),
        ('{"defaultAction": "ERRNO"}', "$.defaultAction: expected an action"),
        ('{"defaultAction": "SCMP_ACT_KILL", "syscalls": {}}', "$.syscalls: expected an array"),
        ('{"defaultAction": "SCMP_ACT_KILL", "syscalls": [1]}', "$.syscalls[0]: expected an obj"),
        ('{"defaultAction": "SCMP_ACT_KILL", "syscalls": [{}]}', "$.syscalls[0].names: expected"),
        (
            '{"defaultAction": "SCMP_ACT_KILL", "syscalls": [{"names": ["read"]}]}',
            "$.syscalls[0].action: expected a string, found nothing",
        ),
        (
            '{"defaultAction": "SCMP_ACT_KILL", "syscalls": [{"names": [1]}]}',
            "$.syscalls[0].names[0]: expected a string, found 1",
        ),
        ('{"defaultAction": "SCMP_ACT_KILL", "architectures": [1]}', "$.architectures[0]"),
        ('{"defaultAction": "SCMP_ACT_KILL", "archMap": [{}]}', "$.archMap[0].architecture"),
    ],
)
def test_what_is_no_profile_says_where_it_is_wrong(text: str, message: str):
    """
    The error names the file, the place and what was expected; such a file is not replaced.
    """
    with pytest.raises(InputError) as caught:
        read_profile(text, "p.json")

    assert str(caught.value).startswith("p.json: ")
    assert message in str(caught.value)
    assert not is_profile(text)
