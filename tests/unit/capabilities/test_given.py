"""
Tests of sets of capabilities as people name them.
"""

from __future__ import annotations

import pytest

from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.capabilities.given import named_sets
from tracer.capabilities.names import NAMES
from tracer.errors import InputError


@pytest.mark.parametrize(
    "texts, names",
    [
        (["chown"], {"CAP_CHOWN"}),
        (["CAP_CHOWN, Net_Raw"], {"CAP_CHOWN", "CAP_NET_RAW"}),
        (["401"], {"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}),
        (["0x1,kill"], {"CAP_CHOWN", "CAP_KILL"}),
        (["chown", "kill"], {"CAP_CHOWN", "CAP_KILL"}),
        (["none"], set()),
        (["none,kill"], {"CAP_KILL"}),
        (["all"], set(NAMES)),
        (["docker"], DEFAULT_CAPABILITIES["docker"]),
        (["podman,sys_time"], DEFAULT_CAPABILITIES["podman"] | {"CAP_SYS_TIME"}),
        ([], set()),
    ],
)
def test_names_masks_and_engines_make_a_set(texts: list[str], names: set[str]):
    """
    Whatever the words, and however many options they came in, the set is of full names.
    """
    assert named_sets(texts) == names


@pytest.mark.parametrize(
    "text, problem",
    [
        ("sys_everything", "is no capability"),
        ("chown,", "'' is no capability"),
        ("", "'' is no capability"),
        ("0xfg", "is no hexadecimal mask"),
        ("12z", "is no hexadecimal mask"),
        ("1" * 17, "too long a mask"),
        ("8000000000000000", "bits without a name"),
        ("cap_41", "is no capability"),
    ],
)
def test_what_nobody_knows_is_refused(text: str, problem: str):
    """
    A word that means nothing, and a bit that no engine can be told of.
    """
    with pytest.raises(InputError) as raised:
        named_sets([text])

    assert problem in raised.value.message
