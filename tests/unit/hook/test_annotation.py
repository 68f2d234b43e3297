"""
Tests of the annotation: the peer's form is understood, and nothing beyond it.
"""

from __future__ import annotations

from typing import Dict

import pytest

from tracer.errors import InputError
from tracer.hook.annotation import KEY, LIMIT, RECORDING_KEY, Request, request_in


def asked(value: str, **others: str) -> object:
    return request_in({KEY: value, **others})


def refused(annotations: Dict[str, str]) -> str:
    with pytest.raises(InputError) as caught:
        request_in(annotations)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "request_"),
    [
        ("of:/tmp/a", Request("/tmp/a")),
        ("of:/tmp/a;if:/tmp/b", Request("/tmp/a", "/tmp/b")),
        ("if:/tmp/b;of:/tmp/a", Request("/tmp/a", "/tmp/b")),
        ("of: /tmp/a ;if: /tmp/b", Request("/tmp/a", "/tmp/b")),
        ("of:/tmp/a b:c", Request("/tmp/a b:c")),
        ("of:/tmp/später", Request("/tmp/später")),
        ("of:/tmp/..a/b..", Request("/tmp/..a/b..")),
    ],
)
def test_what_the_peer_understands_is_understood(value: str, request_: Request):
    """
    Output and baseline in either order, with spaces around a path as the peer allows them.
    """
    assert asked(value) == request_


def test_a_container_without_the_annotation_asks_for_nothing():
    """
    Other annotations are nobody's business, ours without the peer's neither.
    """
    assert request_in({"io.podman.x": "y", RECORDING_KEY: "/tmp/r"}) is None


def test_the_recording_can_be_asked_for_too():
    """
    Our own annotation says where it is kept.
    """
    request = request_in({KEY: "of:/tmp/a", RECORDING_KEY: "/tmp/r"})

    assert request == Request("/tmp/a", recording="/tmp/r")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "neither of: nor if:"),
        ("of:", "is no absolute path"),
        ("of:a", "is no absolute path"),
        ("of:./a", "is no absolute path"),
        ("of:~/a", "is no absolute path"),
        ("of", "neither of: nor if:"),
        ("/tmp/a", "neither of: nor if:"),
        ("OF:/tmp/a", "neither of: nor if:"),
        (" of:/tmp/a", "neither of: nor if:"),
        ("if:/tmp/b; of:/tmp/a", "neither of: nor if:"),
        ("of:/tmp/a;", "neither of: nor if:"),
        ("xf:/tmp/a;of:/tmp/a", "neither of: nor if:"),
        ("if:/tmp/b", "no of:"),
        ("of:/tmp/a;of:/tmp/b", "given twice"),
        ("if:/tmp/a;of:/tmp/b;if:/tmp/c", "given twice"),
        ("of:/tmp/../a", "has a .. in it"),
        ("of:/tmp/a/..", "has a .. in it"),
        ("of:/tmp/a;if:/../b", "has a .. in it"),
        ("of:/", "names no file"),
        ("of:/tmp/", "names no file"),
        ("of:/tmp/.", "names no file"),
        ("of:/tmp/a\n", "control characters"),
        ("of:/tmp/a\0b", "control characters"),
        ("of:/tmp/a\x1b[2J", "control characters"),
        ("of:/tmp/\u202ea", "control characters"),
        ("of:/tmp/\ud800", "control characters"),
        ("of:/" + "a" * LIMIT, f"longer than {LIMIT} bytes"),
        ("of:/" + "ä" * (LIMIT // 2), f"longer than {LIMIT} bytes"),
    ],
)
def test_what_cannot_be_meant_is_refused(value: str, why: str):
    """
    Each fault of the annotation is one harmless line that names it.
    """
    assert why in refused({KEY: value})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("r", "is no absolute path"),
        ("of:/tmp/r", "is no absolute path"),
        ("/tmp/../r", "has a .. in it"),
        ("/tmp/r\n", "control characters"),
        ("/tmp/./a", "the profile's own file"),
    ],
)
def test_the_recordings_place_is_held_to_the_same(value: str, why: str):
    """
    It is a path like the others, and not the profile's.
    """
    assert why in refused({KEY: "of:/tmp/a", RECORDING_KEY: value})
