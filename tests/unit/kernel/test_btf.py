"""
Tests of reading BTF: against blobs made by hand, and against bpftool and gcc for this kernel.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.kernel.btf_blob import Blob
from tracer.errors import HostError
from tracer.kernel import btf
from tracer.kernel.btf import TypeInformation, read
from tracer.kernel.layout import MACHINES, MEMBERS


def small() -> Blob:
    """
    struct outer { int first; const struct inner_t nested; union { int in_union; };
    struct { int pad; struct { int deep; } named; }; };
    """
    blob = Blob()
    number = blob.integer("int", 4)
    inner = blob.structure("inner", 8, [("skipped", number, 0), ("wanted", number, 4)])
    alias = blob.named(btf.TYPEDEF, "inner_t", inner)
    constant = blob.named(btf.CONST, "", alias)
    union = blob.structure("", 4, [("in_union", number, 0)], kind=btf.UNION)
    deepest = blob.structure("", 4, [("deep", number, 0)])
    unnamed = blob.structure("", 8, [("pad", number, 0), ("named", deepest, 4)])
    blob.structure(
        "outer",
        64,
        [("first", number, 0), ("nested", constant, 8), ("", union, 16), ("", unnamed, 24)],
    )
    return blob


@pytest.mark.parametrize(
    "path, offset",
    [
        ("first", 0),
        ("nested", 8),
        ("nested.wanted", 12),
        ("in_union", 16),
        ("pad", 24),
        ("named.deep", 28),
    ],
)
def test_offsets_are_what_c_makes_of_them(path: str, offset: int):
    """
    Members are found through embedded structures, typedefs, qualifiers and unnamed members.
    """
    assert TypeInformation(small().whole()).offset("outer", path) == offset


@pytest.mark.parametrize(
    "structure, path",
    [
        ("outer", "missing"),
        ("outer", "nested.missing"),
        ("outer", "first.missing"),
        ("inner_t", "wanted"),
        ("missing", "first"),
        ("", "deep"),
        ("oute", "first"),
    ],
)
def test_what_is_not_there_is_none(structure: str, path: str):
    """
    A structure or member that the blob lacks is None; a typedef is no structure.
    """
    assert TypeInformation(small().whole()).offset(structure, path) is None


def test_sizes_and_type_ids():
    """
    A structure's size and the id of a typedef are found by name.
    """
    types = TypeInformation(small().whole())

    assert (types.size("outer"), types.size("missing")) == (64, None)
    assert types.type_id(btf.TYPEDEF, "inner_t") == 3
    assert types.type_id(btf.TYPEDEF, "outer") is None


def test_bit_fields_do_not_shift_an_offset():
    """
    Where a structure has bit fields, the width in a member's offset is left out of it.
    """
    blob = Blob()
    number = blob.integer("int", 4)
    blob.with_bit_fields("flags", 16, [("first", number, 0), ("second", number, 12)])

    assert TypeInformation(blob.whole()).offset("flags", "second") == 12


@pytest.mark.parametrize(
    "kind, entries, words",
    [
        (btf.ARRAY, 0, 3),
        (btf.ENUM, 5, 10),
        (btf.FORWARD, 0, 0),
        (btf.FUNCTION, 1, 0),
        (btf.PROTOTYPE, 4, 8),
        (btf.VARIABLE, 0, 1),
        (btf.DATASEC, 3, 9),
        (btf.FLOAT, 0, 0),
        (btf.DECL_TAG, 0, 1),
        (btf.TYPE_TAG, 0, 0),
        (btf.ENUM64, 2, 6),
    ],
)
def test_every_kind_is_stepped_over(kind: int, entries: int, words: int):
    """
    A type of any kind takes its own length, so that the one after it is found.
    """
    blob = Blob()
    blob.other(kind, entries, words)
    number = blob.integer("int", 4)
    blob.structure("after", 8, [("member", number, 4)])

    assert TypeInformation(blob.whole()).offset("after", "member") == 4


def test_a_kind_from_the_future_is_an_expected_error():
    """
    A kind that this reader does not know is named in a HostError, not misread.
    """
    blob = Blob()
    blob.other(29, 0, 0)

    with pytest.raises(HostError, match="kind 29"):
        TypeInformation(blob.whole())


@pytest.mark.parametrize("blob", [b"", b"\x9f", bytes(64), b"\x7fELF" + bytes(60)])
def test_what_is_no_btf_is_an_expected_error(blob: bytes):
    """
    A blob that is cut short or something else is a HostError.
    """
    with pytest.raises(HostError, match="cannot be read"):
        TypeInformation(blob)


def test_a_blob_that_is_cut_short_is_an_expected_error():
    """
    A blob cut off anywhere is a HostError.
    """
    whole = small().whole()

    for end in range(len(whole)):
        with pytest.raises(HostError, match="cannot be read"):
            TypeInformation(whole[:end])


def test_a_kernel_without_btf_is_an_expected_error(tmp_path: Path):
    """
    Without the file the error names it, and says what the kernel must be built with.
    """
    with pytest.raises(HostError, match="CONFIG_DEBUG_INFO_BTF") as caught:
        read(tmp_path / "vmlinux")

    assert str(tmp_path) in str(caught.value)


def test_the_running_kernels_offsets_are_those_that_a_compiler_finds(tmp_path: Path):
    """
    Every offset that the recorder uses is what gcc computes from bpftool's view of this kernel.
    """
    bpftool = shutil.which("bpftool", path="/usr/sbin:/sbin:/usr/bin")
    if bpftool is None or not btf.VMLINUX.exists():
        pytest.skip("needs bpftool and a kernel with BTF")
    members = [*MEMBERS.values(), *MACHINES[platform.machine()].values()]
    ours = read()

    expected = offsets_by_compiler(bpftool, tmp_path, members)

    assert [ours.offset(structure, path) for structure, path in members] == expected
    assert None not in expected


def offsets_by_compiler(bpftool: str, directory: Path, members: list[tuple[str, str]]) -> list[int]:
    dump = [bpftool, "btf", "dump", "file", str(btf.VMLINUX), "format", "c"]
    header = subprocess.run(dump, check=True, capture_output=True).stdout
    (directory / "vmlinux.h").write_bytes(header)
    lines = [f"__builtin_offsetof(struct {one}, {path})," for one, path in members]
    source = '#include "vmlinux.h"\nunsigned long offsets[] = {\n' + "\n".join(lines) + "\n};\n"
    (directory / "offsets.c").write_text(source)
    program = directory / "offsets.s"
    gcc = ["gcc", "-std=gnu11", "-w", "-S", "-O0", "-o", str(program), str(directory / "offsets.c")]
    subprocess.run(gcc, check=True)
    text = program.read_text().split("offsets:\n")[1]
    return numbers_of(text, len(members))


def numbers_of(assembly: str, count: int) -> list[int]:
    """
    The first so many quadwords of gcc's assembly; `.zero 8` is one too.
    """
    found: list[int] = []
    for line in assembly.splitlines():
        words = line.split()
        if words[:1] in ([".quad"], [".xword"]):
            found.append(int(words[1]))
        elif words[:1] == [".zero"]:
            found += [0] * (int(words[1]) // 8)
        if len(found) >= count:
            break
    return found[:count]
