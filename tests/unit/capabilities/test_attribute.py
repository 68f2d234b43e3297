"""
Tests of the extended attribute that gives a file capabilities.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.capabilities.attribute import FileCapabilities, decode, text_of
from tracer.errors import InputError

words = st.integers(0, (1 << 32) - 1)


def attribute(version: int, *numbers: int, effective: bool = False) -> bytes:
    """
    The bytes of an attribute as linux/capability.h lays them out.
    """
    return struct.pack(f"<{1 + len(numbers)}I", version << 24 | effective, *numbers)


@settings(deadline=None)
@given(words, words, words, words, words, st.booleans())
def test_version_3_has_two_words_a_set_and_an_owner(
    p: int, i: int, high_p: int, high_i: int, root: int, effective: bool
):
    """
    Permitted and inheritable words alternate, low ones first; the root uid comes last.
    """
    value = attribute(3, p, i, high_p, high_i, root, effective=effective)

    assert decode(value) == FileCapabilities(3, high_p << 32 | p, high_i << 32 | i, effective, root)


@settings(deadline=None)
@given(words, words, words, words, st.booleans())
def test_version_2_is_the_hosts_roots(p: int, i: int, high_p: int, high_i: int, effective: bool):
    """
    Without a root uid it is the host's root's.
    """
    value = attribute(2, p, i, high_p, high_i, effective=effective)

    assert decode(value) == FileCapabilities(2, high_p << 32 | p, high_i << 32 | i, effective, 0)


@settings(deadline=None)
@given(words, words, st.booleans())
def test_version_1_has_32_bits(p: int, i: int, effective: bool):
    """
    The first version knows 32 capabilities.
    """
    assert decode(attribute(1, p, i, effective=effective)) == FileCapabilities(1, p, i, effective)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"", "cut short"),
        (b"\0\0\0", "cut short"),
        (attribute(0), "unknown version, 0"),
        (attribute(4, 1, 0, 0, 0), "unknown version, 4"),
        (attribute(2, 1, 0, 0), "16 bytes where version 2 has 20"),
        (attribute(2, 1, 0, 0, 0, 7), "24 bytes where version 2 has 20"),
        (attribute(3, 1, 0, 0, 0), "20 bytes where version 3 has 24"),
    ],
)
def test_what_the_kernel_would_refuse_is_refused(value: bytes, problem: str):
    """
    An attribute that is cut short, too long, or of another version is an error.
    """
    with pytest.raises(InputError, match=problem):
        decode(value)


@pytest.mark.parametrize(
    ("capabilities", "text"),
    [
        (FileCapabilities(2, 1 << 13, 0, True), "cap_net_raw=ep"),
        (FileCapabilities(2, 1 << 13, 1 << 13, True), "cap_net_raw=eip"),
        (FileCapabilities(2, 0, 1 << 13, False), "cap_net_raw=i"),
        (FileCapabilities(2, 0b11, 0, False), "cap_chown,cap_dac_override=p"),
        (FileCapabilities(2, 0b01, 0b10, False), "cap_chown=p cap_dac_override=i"),
        (FileCapabilities(2, 1 << 41, 0, True), "41=ep"),
        (FileCapabilities(2, 0, 0, False), "="),
    ],
)
def test_it_is_said_as_getcap_says_it(capabilities: FileCapabilities, text: str):
    """
    Names, then the sets that they are in.
    """
    assert text_of(capabilities) == text
