"""
Profiles mean to us what they mean to the engines' own readers (tests/readers).
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Dict, Iterator

import pytest

from tests.readers import compare, hostile
from tracer.errors import InputError
from tracer.profile import formats, model

COUNT = 2000
CASES = Path(__file__).parents[2] / "cases"


@pytest.fixture(scope="module", autouse=True)
def _readers() -> Iterator[None]:
    reason = compare.why_not()
    if reason and os.environ.get("SECCOMP_TRACE_LIVE") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    yield


def test_engines_understand_what_we_understand_or_we_refuse_it():
    """
    Of thousands of profiles each is refused, or is the same to moby, containers-common, containerd
    and runc as to us.
    """
    random = Random(COUNT)
    texts = [hostile.text(random) for _ in range(COUNT)]

    accepted, disagreements = compare.compare(texts)

    assert disagreements == []
    assert accepted > COUNT / 4


@pytest.mark.parametrize(
    ("text", "engine", "understood"),
    [
        ('{"defaultAction": "A", "DEFAULTACTION": "B"}', "docker", {"defaultAction": "B"}),
        ('{"defaultAction": "A", "DEFAULTACTION": "B"}', "podman", {"defaultAction": "B"}),
        ('{"defaultAction": "A", "DEFAULTACTION": "B"}', "containerd", {"defaultAction": "B"}),
        ('{"\u017fy\u017fcall\u017f": [], "defaultAction": "A"}', "docker", {"defaultAction": "A"}),
        ('{"Linux": {"\u017feccomp": {"defaultAction": "A"}}}', "oci", {"defaultAction": "A"}),
        ('{"defaultAction": "\\ud800"}', "podman", {"defaultAction": "\ufffd"}),
    ],
)
def test_engines_read_keys_and_strings_in_their_own_way(
    text: str, engine: str, understood: Dict[str, str]
):
    """
    What is refused is what readers take otherwise: engines fold keys, and replace lone surrogates.
    """
    (answers,) = compare.understood([text.encode()])

    assert {key: value for key, value in answers[engine]["profile"].items() if value} == understood
    with pytest.raises(InputError):
        formats.read(text, "profile")


def test_a_conditional_rule_is_unconditional_to_containerd():
    """
    containerd drops includes, excludes and archMap, as its own library does.
    """
    path = CASES / "convert-unread-by-containerd" / "given-profile.json"
    (answers,) = compare.understood([path.read_bytes()])

    calls = {
        engine: [rule["names"] for rule in answers[engine]["profile"]["syscalls"]]
        for engine in model.ENGINES
    }

    assert calls["docker"] == calls["podman"] == [["read", "write"]]
    assert calls["containerd"] == [["read", "write"], ["mount"]]
    assert "architectures" not in answers["containerd"]["profile"]
