"""
Tests of the hook files: what engines read in them, and how our own are known again.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tracer.hook.annotation import KEY
from tracer.hook.configuration import FILES, Choices, is_ours, render, rivals

PROGRAM = ('/opt/py"thon', "-I", "-m", "tracer.hook")
# As the package oci-seccomp-bpf-hook installs it.
PEERS = {
    "version": "1.0.0",
    "hook": {"path": "/usr/libexec/oci/hooks.d/oci-seccomp-bpf-hook", "args": ["x", "-s"]},
    "when": {"annotations": {r"^io\.containers\.trace-syscall$": ".*"}},
    "stages": ["prestart"],
}


def rendered(verb: str, choices: Choices = Choices(PROGRAM)) -> Any:
    (stage,) = (stage for stage in FILES.values() if stage.verb == verb)
    return json.loads(render(stage, choices))


@pytest.mark.parametrize(("verb", "stage"), [("begin", "prestart"), ("end", "poststop")])
def test_a_file_has_what_the_schema_asks_for(verb: str, stage: str):
    """
    Version, program, arguments, when and at which stage; any value is quoted as JSON.
    """
    hook = rendered(verb)

    assert (hook["version"], hook["stages"]) == ("1.0.0", [stage])
    assert hook["hook"]["path"] == PROGRAM[0]
    assert hook["hook"]["args"] == [*PROGRAM, verb]
    assert hook["hook"]["timeout"] > 0
    assert all("=" in variable for variable in hook["hook"]["env"])


def test_the_annotation_is_matched_and_no_other():
    """
    The pattern is the peer's.
    """
    (pattern,) = rendered("begin")["when"]["annotations"]

    assert pattern == list(PEERS["when"]["annotations"])[0]  # type: ignore[index]
    assert re.search(pattern, KEY)
    assert not re.search(pattern, f"{KEY}s")


def test_both_stages_are_told_what_was_chosen():
    """
    Where outputs are confined to, and what happens to what cannot be recorded.
    """
    choices = Choices(PROGRAM, "/srv/a b", best_effort=True)

    for verb in ("begin", "end"):
        options = rendered(verb, choices)["hook"]["args"][len(PROGRAM) :]
        assert options == [verb, "--output-dir", "/srv/a b", "--best-effort"]


def test_our_own_files_are_known():
    """
    By a mark that nobody else's has; what is no JSON is not ours.
    """
    assert all(is_ours(render(stage, Choices(PROGRAM))) for stage in FILES.values())
    assert not any(map(is_ours, ["", "{}", "[]", "x", json.dumps(PEERS), "[" * 100_000]))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^io\.containers\.trace-syscall$",
        "io.containers.*",
        ".*",
        r"(?P<bad io\.containers\.trace-syscall",
    ],
)
def test_whoever_acts_on_the_same_annotation_is_a_rival(pattern: str):
    """
    By whatever pattern, whatever the file's name.
    """
    other = {**PEERS, "when": {"annotations": {pattern: ".*"}}}

    assert rivals({"/d/x.json": json.dumps(other)}) == ["/d/x.json"]


@pytest.mark.parametrize(
    "when", [{"always": True}, {"annotations": {"^other$": ".*"}}, {"annotations": []}, None, []]
)
def test_others_are_no_rivals(when: object):
    """
    Hooks for something else, ours, and files that are none.
    """
    texts = {
        "a": json.dumps({**PEERS, "when": when}),
        "b": "no JSON",
        "c": render(next(iter(FILES.values())), Choices(PROGRAM)),
    }

    assert rivals(texts) == []
