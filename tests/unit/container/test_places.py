"""
Tests of knowing, by a command line, where runs find what earlier ones have left.
"""

from __future__ import annotations

import pytest

from tracer.cli.trials import lasting_lines
from tracer.container.arguments import find_engine
from tracer.container.places import lasting_places

# options of run: the places that outlive the container.
PLACES = [
    ("", ""),
    ("-v data:/data", "data"),
    ("-v/srv:/data", "/srv"),
    ("-v=/srv:/data", "/srv"),
    ("-itv /srv:/data", "/srv"),
    ("--volume=data:/data --volume /srv:/srv:z,U", "data /srv"),
    ("-v data:/data -v data:/other", "data"),
    ("-v /data", ""),
    ("-v /srv:/data:ro", ""),
    ("-v /srv:/data:z,ro", ""),
    ("-v /srv:/data:O", ""),
    ("-v /srv:/data:O,upperdir=/up,workdir=/work", "/srv"),
    ("--mount type=bind,src=/srv,dst=/data", "/srv"),
    ("--mount=type=volume,source=data,target=/data,ro=false", "data"),
    ("--mount source=data,target=/data", "data"),
    ("--mount type=bind,source=/srv,target=/data,readonly", ""),
    ("--mount type=bind,source=/srv,target=/data,ro=true", ""),
    ("--mount type=bind,source=/srv,target=/data,rw=false", ""),
    ("--mount type=volume,target=/data", ""),
    ("--mount type=tmpfs,target=/data --tmpfs /run", ""),
    ("--mount type=image,source=other,target=/data,rw=true", ""),
    ("--workdir -v", ""),
]


def places(line: str) -> "tuple[str, ...]":
    words = line.split()
    call = find_engine(words)
    assert call is not None
    return lasting_places(words, call)


@pytest.mark.parametrize("options, found", PLACES)
def test_what_outlives_a_container_and_can_be_written_is_found(options: str, found: str):
    """
    Directories of the host and volumes with a name; not what is read only, nor what goes with the
    container, nor what the container's own command says.
    """
    assert places(f"podman run {options} image -v other:/other") == tuple(found.split())


def test_the_volumes_of_another_container_are_found():
    """
    They are that container's, unless they can only be read.
    """
    assert places("docker run --volumes-from web image") == ("the volumes of web",)
    assert places("docker run --volumes-from web:ro image") == ()


@pytest.mark.parametrize(
    "options, found",
    [
        ("--rootfs /root", ("/root",)),
        ("--rootfs -- /root", ("/root",)),
        ("--rootfs /root:O", ()),
        ("--rootfs=false image", ()),
        ("--rootfs", ()),
    ],
)
def test_a_directory_in_the_images_place_is_found(options: str, found: "tuple[str, ...]"):
    """
    What is written goes there, but not if it is under an overlay.
    """
    assert places(f"podman run {options}") == found


def test_one_line_says_so_where_there_is_something_to_say():
    """
    All places are in it; of a command without any there is none.
    """
    words = ["podman", "run", "-v", "data:/data", "-v", "/srv:/srv", "image"]
    call = find_engine(words)
    assert call is not None

    (line,) = lasting_lines(words, call)

    assert line.startswith("what an earlier run has left in data, /srv is there in later ones: ")
    assert list(lasting_lines([*words[:2], "image"], call)) == []
