"""
Tests of the recorder's records: what is read of their bytes, and what is written.
"""

from __future__ import annotations

import dataclasses

import pytest

from tracer.kernel import wire


def test_a_head_is_read_field_by_field():
    """
    Each value of a packed head comes out under its own name.
    """
    numbers = list(range(1, 15))
    runtime = (201, 202, 14, 0, b"runc\0sbin\0usr\0")
    value = wire.HEAD.pack(
        *numbers,
        *(wire.CGROUP, 1, 0, 1, 0, 101, 102, 103, 104, 105, 1, b"runc:[2:INIT]", b"ab" * 32),
        *runtime,
    )

    head = wire.head(value)

    assert (head.outer, head.launcher, head.alive, head.lost_tasks) == (1, 2, 7, 13)
    assert head.namespace_born == 14
    assert head.kind == wire.CGROUP
    assert (head.filtered, head.unfiltered) == (True, False)
    assert (head.no_new_privileges, head.outsider) == (True, False)
    assert (head.newest_architecture, head.newest_number) == (101, 102)
    assert (head.namespace, head.first_process, head.user, head.late) == (103, 104, 105, True)
    assert (head.maker, head.container) == ("runc:[2:INIT]", "ab" * 32)
    assert head.runtime == wire.RuntimeExecuted(201, 202, "/usr/sbin/runc")


def test_a_commands_head_and_thread_are_what_the_kernel_side_expects():
    """
    What user space writes for a command reads back as a command that counts from its birth.
    """
    head = wire.head(wire.command_head(7, 42))
    thread = wire.VERDICT.unpack(wire.command_thread(99, 3)[: wire.VERDICT.size])

    assert (head.kind, head.born, head.first_process) == (wire.COMMAND, 7, 42)
    assert (head.outer, head.alive, head.filtered, head.observations) == (0, 0, False, 0)
    assert head.runtime == wire.RuntimeExecuted()
    assert thread == (99, 0, 0, 0, 0, 3, 0, 1, 0)


SCOPE = wire.Adopted(
    process=42,
    container="ab" * 32,
    namespace=4026532222,
    maker="runc",
    filters=2,
    no_new_privileges=True,
    open=True,
    runtime=wire.RuntimeExecuted(1234, 5, "/opt/x/runc"),
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
    assert head.runtime == SCOPE.runtime
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
