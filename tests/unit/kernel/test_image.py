"""
Tests of compiled images: independent of descriptors, kept whole, and trusted only from root's own.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tracer.kernel import image
from tracer.kernel.image import Image, Program, Shape

LOAD_FIVE = struct.pack("<BBhi", 0x18, 1 | 1 << 4, 0, 5) + bytes(8)
LOAD_SIX = struct.pack("<BBhi", 0x18, 2 | 1 << 4, 0, 6) + bytes(8)
# A constant of 64 bits that looks like a descriptor but is none: its source register is 0.
CONSTANT = struct.pack("<BBhi", 0x18, 1, 0, 5) + bytes(8)
EXIT = struct.pack("<BBhi", 0x95, 0, 0, 0)
CODE = LOAD_FIVE + CONSTANT + LOAD_SIX + EXIT

SOME = Image({"state": Shape(2, 4, 24, 1, 0)}, {"on_exit": Program(EXIT, ((0, "state"),))})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_program_is_linked_anew():
    """
    What named maps by descriptor names them by name, and gets other descriptors.
    """
    program = image.unlinked(CODE, {5: "first", 6: "second"})

    linked = program.linked({"first": 11, "second": 12})

    assert program.maps == ((0, "first"), (4, "second"))
    assert linked == CODE[:4] + b"\x0b" + CODE[5:36] + b"\x0c" + CODE[37:]


def test_what_is_kept_comes_back(cache: Path):
    """
    A kept image is the same one, and only under its own key.
    """
    image.keep("key", SOME, cache)

    assert image.kept("key", cache) == SOME
    assert image.kept("other", cache) is None


def test_a_newer_image_takes_the_place_of_the_older(cache: Path):
    """
    Only the newest image of each source is kept, and nothing else is left beside them.
    """
    image.keep("other-old", SOME, cache)
    (cache / "tmpkilled").touch()
    image.keep("source-old", SOME, cache)
    image.keep("source-new", SOME, cache)

    assert {one.name for one in cache.iterdir()} == {"source-new.json", "other-old.json"}


DAMAGED = ["", "{}", "[]", "null", '{"maps": {}, "programs": {"a": 1}}', "[" * 10**5]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_image_is_none(cache: Path, text: str):
    """
    An image that does not read as one is made anew, not an error.
    """
    image.keep("key", SOME, cache)
    (cache / "key.json").write_text(text)

    assert image.kept("key", cache) is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_that_others_could_write_is_not_used(cache: Path, mode: int):
    """
    An image where somebody else could have put it is neither read nor written.
    """
    image.keep("key", SOME, cache)
    cache.chmod(mode)

    image.keep("second", SOME, cache)

    assert image.kept("key", cache) is None
    assert [one.name for one in cache.iterdir()] == ["key.json"]


def test_a_link_is_not_followed(cache: Path, tmp_path: Path):
    """
    Neither the directory nor an image in it may be a symbolic link.
    """
    image.keep("key", SOME, cache)
    (tmp_path / "link").symlink_to(cache)
    (cache / "linked.json").symlink_to(cache / "key.json")

    assert image.kept("key", tmp_path / "link") is None
    assert image.kept("linked", cache) is None


def test_a_key_depends_on_sources_and_constants(tmp_path: Path):
    """
    Another source text, or another constant, is another image.
    """
    source = tmp_path / "source.c"
    source.write_text("one")
    first = image.key_of([source], {"A": 1})

    assert first == image.key_of([source], {"A": 1})
    assert first != image.key_of([source], {"A": 2})
    source.write_text("two")
    assert first != image.key_of([source], {"A": 1})
