"""
Tests of the state on standard input: what runtimes say is understood, what is malformed is not.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tracer.errors import InputError
from tracer.hook.state import LIMIT, State, parse, read

ID = "8ccfedb9d7ae94128e97d9840a2b80993312815359bdb64a791842ae31a05c14"


def state(**fields: Any) -> bytes:
    usual = {"ociVersion": "1.0.2-dev", "id": ID, "status": "creating", "bundle": "/b"}
    return json.dumps({**usual, **fields}).encode()


def refused(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(io.BytesIO(data))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_runtime_names_the_first_process():
    """
    What runc says of a container that is about to begin.
    """
    data = state(pid=9946, annotations={"a": "b"})

    assert read(io.BytesIO(data)) == State(ID, 9946, "creating", {"a": "b"})


@pytest.mark.parametrize("fields", [{}, {"pid": 0}])
def test_after_the_end_there_is_no_process(fields: Any):
    """
    podman leaves the process out, crun says 0.
    """
    assert parse(state(**fields).decode()).process is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b'{"id":', "cut short"),
        (b"[]", "expected an object"),
        (b"{}", "expected a string"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested deeper"),
        (state(id=""), "expected the container's id"),
        (state(id=7), "expected a string"),
        (state(pid=-1), "an integer from 0"),
        (state(pid="9946"), "expected an integer"),
        (state(pid=True), "expected an integer"),
        (state(pid=2**40), "an integer from 0"),
        (state(annotations=[]), "expected an object"),
        (state(annotations={"a": 1}), "expected a string"),
        (state(annotations={"a": None}), "expected a string"),
        (b'{"id": "x", "id": "y"}', "appears twice"),
    ],
)
def test_what_is_malformed_is_refused(data: bytes, why: str):
    """
    Each fault is one line.
    """
    assert why in refused(data)


def test_a_state_that_is_too_large_is_read_to_its_end():
    """
    It is refused only when whoever writes it has been able to write all of it.
    """
    stream = io.BytesIO(state(annotations={"a": "x" * 10 * LIMIT}))

    with pytest.raises(InputError, match="shorten the container's annotations"):
        read(stream)
    assert stream.read() == b""
