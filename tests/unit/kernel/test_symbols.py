"""
Tests of the kernel's symbols: which function an address lies in, and what is remembered of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tracer.kernel import symbols

LIST = """\
ffffffff81000100 T first
ffffffff81000200 t second.constprop.0
ffffffff81000200 D no_function
ffffffff81000300 T third
ffffffffc0000000 t of_module\t[loop]
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "kallsyms"
    path.write_text(LIST)
    return path


def test_an_address_is_named_by_the_function_that_it_lies_in(listed: Path, tmp_path: Path):
    """
    The nearest function before it; a return address at a function's very end is still inside.
    """
    addresses = {0xFFFFFFFF81000150, 0xFFFFFFFF81000200, 0xFFFFFFFF81000201, 0xFFFFFFFFC0000010}

    names = symbols.names_of(addresses, listed, tmp_path / "cache")

    assert [names[address] for address in sorted(addresses)] == [
        *("first", "first", "second", "of_module")
    ]


def test_what_is_the_kernels_own_is_remembered(listed: Path, tmp_path: Path):
    """
    Until the next boot the list is not read again for it; modules may have been exchanged.
    """
    kernel, module = 0xFFFFFFFF81000150, 0xFFFFFFFFC0000010
    symbols.names_of({kernel, module}, listed, tmp_path / "cache")
    listed.unlink()

    names = symbols.names_of({kernel, module}, listed, tmp_path / "cache")

    assert names == {kernel: "first", module: ""}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": "y"}'])
def test_a_damaged_memory_is_made_anew(listed: Path, tmp_path: Path, text: str):
    """
    Whatever lies where names are remembered, they are right.
    """
    cache = tmp_path / "cache"
    symbols.names_of({0xFFFFFFFF81000150}, listed, cache)
    (kept,) = cache.iterdir()
    kept.write_text(text)

    assert list(symbols.names_of({0xFFFFFFFF81000150}, listed, cache).values()) == ["first"]


def test_hidden_addresses_have_no_names(tmp_path: Path):
    """
    With kernel.kptr_restrict=2 every address in the list is zero.
    """
    hidden = tmp_path / "kallsyms"
    hidden.write_text("0000000000000000 T first\n0000000000000000 T second\n")

    assert symbols.names_of({0xFFFFFFFF81000150}, hidden, tmp_path / "cache") == {
        0xFFFFFFFF81000150: ""
    }
    assert not symbols.are_shown(hidden)


def test_addresses_that_are_shown_are_known_to_be(listed: Path, tmp_path: Path):
    """
    One that is not zero is enough; a list that is not there shows none.
    """
    assert symbols.are_shown(listed)
    assert not symbols.are_shown(tmp_path / "missing")


@pytest.mark.parametrize("name", ["do_it", "do_it.cold", "do_it.isra.0", "do_it.part.0.cold"])
def test_what_the_compiler_adds_to_a_name_is_left_out(name: str):
    """
    A function is called what its source calls it.
    """
    assert symbols.bare(name) == "do_it"
