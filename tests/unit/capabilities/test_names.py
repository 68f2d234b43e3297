"""
Tests of capabilities by number, by name and in masks.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.capabilities import names
from tracer.errors import InputError

masks = st.integers(0, (1 << names.MOST) - 1)
lasts = st.integers(0, names.MOST - 1)


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "CAP_CHOWN"), (10, "CAP_NET_BIND_SERVICE"), (21, "CAP_SYS_ADMIN"), (31, "CAP_SETFCAP")]
    + [(37, "CAP_AUDIT_READ"), (38, "CAP_PERFMON"), (40, "CAP_CHECKPOINT_RESTORE")],
)
def test_a_number_has_its_name_from_the_header(number: int, name: str):
    """
    Numbers and names are those of linux/capability.h.
    """
    assert names.name_of(number) == name
    assert names.number_of(name) == number


def test_dockers_default_mask_is_decoded_as_people_know_it():
    """
    A mask is written with its names, as `capsh --decode` does it.
    """
    assert names.decoded(names.mask_in("00000000800405fb")) == (
        "0x00000000800405fb=cap_chown,cap_dac_override,cap_fowner,cap_fsetid,cap_kill,cap_setgid,"
        "cap_setuid,cap_setpcap,cap_net_bind_service,cap_sys_chroot,cap_setfcap"
    )


def test_no_capability_is_an_empty_list():
    """
    The mask of nothing names nothing.
    """
    assert names.decoded(0) == "0x0000000000000000="


@settings(deadline=None)
@given(masks, lasts)
def test_what_a_mask_names_is_that_mask_again(mask: int, last: int):
    """
    Names, and numbers for bits without one, lead back to the mask, whatever the kernel's last is.
    """
    assert names.mask_of(names.names_in(mask, last)) == mask


@settings(deadline=None)
@given(masks)
def test_a_mask_is_read_as_it_is_written(mask: int):
    """
    The sixteen digits of a mask, with or without 0x, are that mask.
    """
    text = names.mask_text(mask)

    assert names.mask_in(text) == names.mask_in(text[2:]) == names.mask_in(text[2:].upper()) == mask


@pytest.mark.parametrize("last", [36, 40, 42])
def test_a_bit_beyond_the_kernels_last_is_a_number(last: int):
    """
    What the running kernel has not, and what has no name yet, is shown by its number.
    """
    known = min(last, names.LAST_NAMED)

    shown = names.names_in(names.all_until(50), last)

    assert shown == (*names.NAMES[: known + 1], *map(str, range(known + 1, 51)))


@pytest.mark.parametrize("word", ["cap_chown", "CAP_CHOWN", "chown", "Chown", "0", "cap_0"])
def test_a_capability_is_named_in_many_ways(word: str):
    """
    Case and CAP_ are optional; a number is a name too.
    """
    assert names.number_of(word) == 0


@pytest.mark.parametrize(
    "word",
    ["", "cap_", "chowned", "cap_cap_chown", "64", "-1", "c\x1b", "\u0663", "\u017fyslog"],
)
def test_what_nobody_knows_is_refused(word: str):
    """
    A word that is no capability is an error in a harmless line.
    """
    with pytest.raises(InputError, match="is no capability") as raised:
        names.number_of(word)

    assert "\x1b" not in str(raised.value)


def test_a_capability_that_the_kernel_has_not_is_refused():
    """
    A name beyond the kernel's last is an error that says which is the last.
    """
    with pytest.raises(InputError, match="last capability is CAP_AUDIT_READ"):
        names.number_of("bpf", last=37)


@pytest.mark.parametrize(("last", "count"), [(37, 38), (40, 41)])
def test_all_is_every_capability_of_the_kernel(last: int, count: int):
    """
    `all` stands for those up to the kernel's last.
    """
    assert names.mask_of(["all"], last) == (1 << count) - 1


@pytest.mark.parametrize("word", ["", "0x", "chown", "0xg", "-1", "1_0", "٣", " 1"])
def test_what_is_no_number_is_no_mask(word: str):
    """
    Only hexadecimal digits make a mask.
    """
    assert not names.is_mask(word)
    with pytest.raises(InputError, match="is no hexadecimal mask"):
        names.mask_in(word)


def test_a_mask_has_64_bits():
    """
    A longer mask is refused, zeros in front are not.
    """
    assert names.mask_in("0000" + "f" * 16) == (1 << 64) - 1
    with pytest.raises(InputError, match="too long"):
        names.mask_in("1" + "0" * 16)


def test_no_name_can_be_taken_for_a_mask():
    """
    With or without CAP_, no capability's name is a hexadecimal number.
    """
    assert not any(names.is_mask(name) or names.is_mask(name[4:]) for name in names.NAMES)


@pytest.mark.parametrize("word", ["7", "cap_7", "sys_everything"])
def test_an_option_takes_names_alone(word: str):
    """
    Where engines would take a name, numbers and unknown words are refused.
    """
    with pytest.raises(InputError, match="is no capability"):
        names.known_names(["chown", word])


def test_an_option_that_says_all_means_every_name():
    """
    `all` among an option's names is every one with a name.
    """
    assert names.known_names(["chown", "ALL"]) == set(names.NAMES)


def test_engines_are_told_names_without_cap_and_no_numbers():
    """
    No engine has an option for a capability that has no name.
    """
    assert names.flags(["CAP_CHOWN", "CAP_KILL", "63"]) == (
        "--cap-drop=all",
        "--cap-add=CHOWN",
        "--cap-add=KILL",
    )
    assert names.flags([]) == ("--cap-drop=all",)
