"""
Tests that Python's view of the records that it shares with the kernel side is what a compiler makes
of `bpf/*.h`.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import subprocess
from collections.abc import Mapping
from types import ModuleType

import pytest

from tracer.kernel import checks, denials, outcomes, securebits, wire
from tracer.kernel.program import RECORDER, Source
from tracer.kernel.sources import bpf_directory


@dataclasses.dataclass(frozen=True)
class Mirror:
    """
    A header and who mirrors it: the format of each of its structures, the constants of both.
    """

    module: ModuleType
    records: Mapping[str, struct.Struct]
    constants: tuple[str, ...] = ()


MIRRORS = {
    "recorder.h": Mirror(
        wire,
        {
            "recording": wire.HEAD,
            "observation_key": wire.OBSERVATION_KEY,
            "observation": wire.OBSERVATION,
            "executable_key": wire.EXECUTABLE_KEY,
            "executable": wire.EXECUTABLE,
            "launch": wire.LAUNCH,
            "request": wire.REQUEST,
            "verdict": wire.VERDICT,
            "thread": wire.THREAD,
            "state": wire.STATE,
            "share": wire.SHARE,
            "switches": wire.SWITCHES,
        },
        (
            "COMMAND",
            "NAMESPACE",
            "CGROUP",
            "ADOPTED",
            "EXECUTABLE_UNKNOWN",
            "EXECUTABLE_RUNTIME",
            "PATH_SIZE",
            "IMPOSSIBLE",
        ),
    ),
    "capabilities.h": Mirror(
        checks,
        {
            "check_key": checks.KEY,
            "check": checks.CHECK,
            "holder": checks.HOLDER,
            "check_state": checks.STATE,
        },
        (
            "FRAMES",
            "EXTENTS",
            "HOSTS",
            "CONTAINERS",
            "INNER",
            "OVERCOMMIT",
            "UNTOLD",
            "AUDITED",
            "UNAUDITED",
        ),
    ),
    "denials.h": Mirror(
        denials,
        {
            "place_key": denials.PLACE_KEY,
            "denial_place": denials.PLACE,
            "end": denials.END,
            "denial_key": denials.KEY,
            "denial": denials.DENIAL,
            "denial_state": denials.STATE,
        },
        ("TRAPPED",),
    ),
    "credentials.h": Mirror(securebits, {"credentials": securebits.THREAD}),
    "outcomes.h": Mirror(
        outcomes,
        {
            "outcome_key": outcomes.KEY,
            "outcome_room": outcomes.ROOM,
            "outcome_state": outcomes.STATE,
        },
    ),
}
STRUCTURES = [(file, name) for file, mirror in MIRRORS.items() for name in mirror.records]
CONSTANTS = [(file, name) for file, mirror in MIRRORS.items() for name in mirror.constants]
# Fields of padding in C: `x` in a format, or a number that is always 0.
PADDING = "reserved"


def header(file: str) -> str:
    return (bpf_directory() / file).read_text()


def members_of(name: str, text: str) -> list[str]:
    """
    The members of a structure in a header, in their order; an embedded one is spelled out.
    """
    body = re.search(rf"struct {name} {{\n(.*?)\n}};", text, re.DOTALL)
    assert body, name
    members = re.findall(r"^\t(?:struct (\w+) )?[\w ]*?(\w+)(?:\[.*\])?;", body[1], re.MULTILINE)
    found = []
    for embedded, member in members:
        whole = text if not embedded or f"struct {embedded} {{" in text else header("recorder.h")
        inner = members_of(embedded, whole) if embedded else []
        found += [f"{member}.{one}" for one in inner] if inner else [member]
    return found


def offset(name: str, member: str) -> str:
    """
    The C expression for where a member begins.
    """
    return f"__builtin_offsetof(struct {name}, {member})"


def size(name: str, member: str) -> str:
    """
    The C expression for how long a member is.
    """
    return f"sizeof(((struct {name} *)0)->{member})"


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """
    What gcc says: sizes, offsets and constants, each by the C expression for it.
    """
    expressions = [name for _, name in CONSTANTS]
    for file, name in STRUCTURES:
        expressions.append(f"sizeof(struct {name})")
        for member in members_of(name, header(file)):
            expressions += [offset(name, member), size(name, member)]
    lines = [f'\tprintf("%lu\\n", (unsigned long)({one}));' for one in expressions]
    includes = [f'#include "{bpf_directory()}/{file}"' for file in MIRRORS]
    source = tmp_path_factory.mktemp("mirrors") / "sizes.c"
    source.write_text(
        "#include <linux/types.h>\n#include <stdio.h>\n"
        + "\n".join(includes)
        + "\nint main(void)\n{\n"
        + "\n".join(lines)
        + "\n}\n"
    )
    program = source.with_suffix("")
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", str(program), str(source)], check=True)
    done = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    return dict(zip(expressions, map(int, done.stdout.split())))


def offsets_of(record: struct.Struct) -> list[int]:
    """
    Where each field of a format begins.
    """
    order, *fields = re.findall(r"=|\d*[a-zA-Z]", record.format)
    offsets, before = [], order
    for field in fields:
        count, kind = re.fullmatch(r"(\d*)([a-zA-Z])", field).groups()  # type: ignore[union-attr]
        one = field if kind == "s" else kind
        for _ in range(1 if kind == "s" else int(count or 1)):
            if kind != "x":
                offsets.append(struct.calcsize(before))
            before += one
    return offsets


@pytest.mark.parametrize("file, name", STRUCTURES)
def test_records_lie_as_the_compiler_has_them(compiler: dict[str, int], file: str, name: str):
    """
    A record is as long as in C, each member of it begins with a field, and no field lies elsewhere
    but further on in a member that is an array.
    """
    record = MIRRORS[file].records[name]
    members = members_of(name, header(file))
    named = [one for one in members if not one.endswith(PADDING)]
    spans = {one: (compiler[offset(name, one)], compiler[size(name, one)]) for one in members}

    found = offsets_of(record)

    assert record.size == compiler[f"sizeof(struct {name})"]
    assert {spans[one][0] for one in named} <= set(found)
    assert all(any(at <= one < at + length for at, length in spans.values()) for one in found)


@pytest.mark.parametrize("file, name", STRUCTURES)
def test_no_two_members_share_a_field(compiler: dict[str, int], file: str, name: str):
    """
    A member that is no array, nor bytes, is one field as long as it is.
    """
    found = offsets_of(MIRRORS[file].records[name])
    ends = [*found[1:], MIRRORS[file].records[name].size]

    for member in members_of(name, header(file)):
        at, length = compiler[offset(name, member)], compiler[size(name, member)]
        if at in found and not member.endswith(PADDING):
            assert ends[found.index(at)] - at >= min(length, 8), member


@pytest.mark.parametrize("file", MIRRORS)
def test_every_structure_is_mirrored(file: str):
    """
    A structure that is added to a header is missed here.
    """
    in_c = re.findall(r"^struct (\w+) {", header(file), re.MULTILINE)

    assert set(in_c) == set(MIRRORS[file].records)


@pytest.mark.parametrize("file, name", CONSTANTS)
def test_constants_are_the_headers(compiler: dict[str, int], file: str, name: str):
    """
    A constant has the same value on both sides.
    """
    assert getattr(MIRRORS[file].module, name) == compiler[name]


def test_a_head_has_the_fields_of_its_structure_in_order():
    """
    Head names its fields as the structure does, in the same order; all of its runtime is one field.
    """
    in_python = [field.name for field in dataclasses.fields(wire.Head)]

    in_c = members_of("recording", header("recorder.h"))

    renamed = {"no_new_privs": "no_new_privileges"}
    of_runtime = {name: "runtime" for name in in_c if name.startswith("runtime")}
    named = [{**renamed, **of_runtime}.get(name, name) for name in in_c]
    assert in_python == list(dict.fromkeys(named))


def test_a_holder_has_the_fields_of_its_structure_in_order():
    """
    Holder, too: it is made of what is unpacked as it stands.
    """
    in_python = [field.name for field in dataclasses.fields(checks.Holder)]

    assert in_python == members_of("holder", header("capabilities.h"))


@pytest.mark.parametrize("source", [checks.RESIDENT, denials.RESIDENT])
def test_what_is_pinned_beside_the_recorder_has_names_of_its_own(source: Source):
    """
    All is pinned in one directory: of the same name is only what is one and the same.
    """
    assert set(source.maps) & set(RECORDER.maps) <= {"threads", "recordings"}
    assert not source.programs.keys() & RECORDER.programs.keys()
