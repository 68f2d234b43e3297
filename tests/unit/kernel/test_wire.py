"""
Tests that Python's view of the shared records is what a compiler makes of `bpf/recorder.h`.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import subprocess

import pytest

from tracer.kernel import wire
from tracer.kernel.sources import bpf_directory

# struct: its Python format.
RECORDS = {
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
}
CONSTANTS = (
    "COMMAND",
    "NAMESPACE",
    "CGROUP",
    "ADOPTED",
    "EXECUTABLE_UNKNOWN",
    "EXECUTABLE_RUNTIME",
    "PATH_SIZE",
    "IMPOSSIBLE",
)
# Fields of padding in C, `x` in the format.
UNNAMED = ("reserved",)


def members_of(name: str, header: str) -> list[str]:
    """
    The members of a structure in the header, in their order; an embedded one is spelled out.
    """
    body = re.search(rf"struct {name} {{\n(.*?)\n}};", header, re.DOTALL)
    assert body, name
    members = re.findall(r"^\t(?:struct (\w+) )?[\w ]*?(\w+)(?:\[.*\])?;", body[1], re.MULTILINE)
    found = []
    for embedded, member in members:
        inner = members_of(embedded, header) if embedded else []
        found += [f"{member}.{one}" for one in inner] if inner else [member]
    return [one for one in found if one.split(".")[-1] not in UNNAMED]


@pytest.fixture(scope="module")
def header() -> str:
    return (bpf_directory() / "recorder.h").read_text()


@pytest.fixture(scope="module")
def compiler(header: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """
    What gcc says: sizes, offsets and constants, each by the C expression for it.
    """
    expressions = [*CONSTANTS]
    for name in RECORDS:
        expressions.append(f"sizeof(struct {name})")
        expressions += [
            f"__builtin_offsetof(struct {name}, {member})" for member in members_of(name, header)
        ]
    lines = [f'\tprintf("%lu\\n", (unsigned long)({one}));' for one in expressions]
    source = tmp_path_factory.mktemp("wire") / "sizes.c"
    source.write_text(
        "#include <linux/types.h>\n#include <stdio.h>\n"
        f'#include "{bpf_directory()}/recorder.h"\n'
        "int main(void)\n{\n" + "\n".join(lines) + "\n}\n"
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


@pytest.mark.parametrize("name", RECORDS)
def test_sizes_are_the_compilers(compiler: dict[str, int], name: str):
    """
    A record has as many bytes in Python as in C.
    """
    assert RECORDS[name].size == compiler[f"sizeof(struct {name})"]


@pytest.mark.parametrize("name", RECORDS)
def test_offsets_are_the_compilers(compiler: dict[str, int], header: str, name: str):
    """
    Every field of a record lies where C has it, and none is missing.
    """
    expected = [
        compiler[f"__builtin_offsetof(struct {name}, {member})"]
        for member in members_of(name, header)
    ]

    assert offsets_of(RECORDS[name]) == expected


def test_every_structure_is_mirrored(header: str):
    """
    A structure that is added to the header is missed here.
    """
    assert set(re.findall(r"^struct (\w+) {", header, re.MULTILINE)) == set(RECORDS)


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_the_headers(compiler: dict[str, int], name: str):
    """
    A constant has the same value on both sides.
    """
    assert getattr(wire, name) == compiler[name]


def test_a_head_has_the_fields_of_its_structure_in_order(header: str):
    """
    Head names its fields as the structure does, in the same order.
    """
    in_python = [field.name for field in dataclasses.fields(wire.Head)]

    in_c = members_of("recording", header)

    renamed = {"no_new_privs": "no_new_privileges"}
    assert in_python == [renamed.get(name, name) for name in in_c]


def test_a_head_is_read_field_by_field():
    """
    Each value of a packed head comes out under its own name.
    """
    numbers = list(range(1, 14))
    value = wire.HEAD.pack(
        *numbers, wire.CGROUP, 1, 0, 1, 0, 101, 102, 103, 104, 105, 1, b"runc:[2:INIT]", b"ab" * 32
    )

    head = wire.head(value)

    assert (head.outer, head.launcher, head.alive, head.lost_tasks) == (1, 2, 7, 13)
    assert head.kind == wire.CGROUP
    assert (head.filtered, head.unfiltered) == (True, False)
    assert (head.no_new_privileges, head.outsider) == (True, False)
    assert (head.newest_architecture, head.newest_number) == (101, 102)
    assert (head.namespace, head.first_process, head.user, head.late) == (103, 104, 105, True)
    assert (head.maker, head.container) == ("runc:[2:INIT]", "ab" * 32)


def test_a_commands_head_and_thread_are_what_the_kernel_side_expects():
    """
    What user space writes for a command reads back as a command that counts from its birth.
    """
    head = wire.head(wire.command_head(7, 42))
    thread = wire.VERDICT.unpack(wire.command_thread(99, 3)[: wire.VERDICT.size])

    assert (head.kind, head.born, head.first_process) == (wire.COMMAND, 7, 42)
    assert (head.outer, head.alive, head.filtered, head.observations) == (0, 0, False, 0)
    assert thread == (99, 0, 0, 0, 0, 3, 0, 1, 0)


SCOPE = wire.Adopted(
    process=42,
    container="ab" * 32,
    namespace=4026532222,
    maker="runc",
    filters=2,
    no_new_privileges=True,
    open=True,
)


def test_what_is_adopted_reads_back_as_open_and_not_yet_counted():
    """
    What user space writes for tasks that run already says whose they are, and since when.
    """
    head = wire.head(wire.adopted_head(SCOPE, 7))
    thread = wire.VERDICT.unpack(wire.adopted_thread(99, SCOPE, 5)[: wire.VERDICT.size])

    assert (head.kind, head.born, head.first_process) == (wire.ADOPTED, 7, 42)
    assert (head.container, head.namespace, head.maker) == ("ab" * 32, 4026532222, "runc")
    assert (head.filtered, head.unfiltered, head.no_new_privileges) == (True, False, True)
    assert (head.alive, head.observations, head.user, head.late) == (0, 0, 0, True)
    assert thread == (99, 0, 5, 0, 0, 2, 1, 0, 1)


def test_what_is_adopted_before_its_window_opens_has_no_filter_of_its_own_yet():
    """
    Filters that were there before count as the runtime's.
    """
    scope = dataclasses.replace(SCOPE, open=False)

    head = wire.head(wire.adopted_head(scope, 7))

    assert (head.filtered, head.unfiltered, head.late) == (False, False, False)


@pytest.mark.parametrize("path", ["/usr/sbin/nginx", "/a", "/" + "/".join(["x" * 99] * 5)])
def test_a_path_that_is_written_reads_back(path: str):
    """
    User space names executables as the kernel side does.
    """
    number, value = wire.path(path, 7)

    assert wire.executable(wire.EXECUTABLE_KEY.pack(99, number), value) == (99, number, path)


def test_a_path_that_has_no_room_loses_its_beginning():
    """
    Whole components go, the outermost first, and it can be seen.
    """
    number, value = wire.path("/outermost/" + "/".join(["x" * 99] * 5) + "/inner", 7)

    _, _, path = wire.executable(wire.EXECUTABLE_KEY.pack(99, number), value)

    assert path == "[...]/" + "/".join(["x" * 99] * 5) + "/inner"


def test_a_call_is_read_with_its_key():
    """
    An observation's key and value make one call; its comm ends at the first NUL.
    """
    key = wire.OBSERVATION_KEY.pack(5, 1, wire.AUDIT_ARCH_I386, 4)
    value = wire.OBSERVATION.pack(77, 12, b"ls\0garbage")

    assert wire.call(key, value) == wire.Call(5, 1, wire.AUDIT_ARCH_I386, 4, 77, 12, "ls")


@pytest.mark.parametrize(
    "components, cut, path",
    [
        (b"ls\0bin\0usr\0", 0, "/usr/bin/ls"),
        (b"init\0", 0, "/init"),
        (b"leaf\0deep\0", 1, "[...]/deep/leaf"),
        (b"\xff\x1b\n\0tmp\0", 0, "/tmp/\udcff\x1b\n"),
        (b"", 0, "/"),
    ],
)
def test_a_path_is_read_from_its_end(components: bytes, cut: int, path: str):
    """
    Components, the innermost first, become the path; bytes that are not UTF-8 survive.
    """
    key = wire.EXECUTABLE_KEY.pack(5, 9)
    value = wire.EXECUTABLE.pack(1, len(components), cut, components + b"left over\0")

    assert wire.executable(key, value) == (5, 9, path)


def test_a_launch_is_its_arguments():
    """
    A command line ends where its length says; what is left in the buffer is not part of it.
    """
    value = wire.LAUNCH.pack(10, 3, b"conmon\0-c\0rest")

    assert wire.launch(value) == ("conmon", "-c")


@pytest.mark.parametrize(
    "content, line",
    [
        (b"POST /containers/x/start HTTP/1.1\r\nHost: d\r\n", "POST /containers/x/start HTTP/1.1"),
        (b"POST /cut off", "POST /cut off"),
        (b"POST /\xff\xfe", "POST /\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_a_request_is_its_first_line(content: bytes, line: str):
    """
    Of what was written to a socket only the first line is read.
    """
    assert wire.request(wire.REQUEST.pack(8, content)) == (8, line)
