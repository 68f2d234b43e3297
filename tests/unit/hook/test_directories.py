"""
Tests of where hook files go: where podman says that it reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

import pytest

from tracer.hook.directories import OVERRIDE, default, hooks_in, read_by_podman

HELP = """
      --help                        Help for podman
      --hooks-dir strings           Set the OCI hooks directory path (default [{}])
      --identity string             path to SSH identity file, (CONTAINER_SSHKEY)
"""


def answering(text: str):
    return lambda command: text


def test_podmans_own_default_is_understood():
    """
    The help of podman 4.3 shows what the configuration says.
    """
    ask = answering(HELP.format("/usr/share/containers/oci/hooks.d,/etc/x/"))

    assert read_by_podman(ask) == ("/usr/share/containers/oci/hooks.d", "/etc/x")


@pytest.mark.parametrize("text", ["", "no such option", "--hooks-dir strings  without a default"])
def test_a_podman_that_says_nothing_is_not_guessed(text: str):
    """
    Not installed, or of another kind.
    """
    assert read_by_podman(answering(text)) is None


@pytest.mark.parametrize(
    ("read", "chosen"),
    [
        (None, OVERRIDE),
        ((), OVERRIDE),
        (("/usr/x",), "/usr/x"),
        (("/usr/x", "/opt/y"), "/opt/y"),
        ((OVERRIDE, "/usr/x"), OVERRIDE),
    ],
)
def test_the_hook_goes_where_it_is_read(read: Optional[Sequence[str]], chosen: str):
    """
    In /etc only if that is read, or if nobody says; a later directory overrides an earlier one.
    """
    assert default(read) == chosen


def test_only_hook_files_are_looked_at(tmp_path: Path):
    """
    Those whose names end in .json, and can be read.
    """
    (tmp_path / "a.json").write_text("A")
    (tmp_path / "b.txt").write_text("B")
    (tmp_path / "c.json").mkdir()

    assert hooks_in(str(tmp_path)) == {str(tmp_path / "a.json"): "A"}
    assert hooks_in(str(tmp_path / "nowhere")) == {}
