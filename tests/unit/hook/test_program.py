"""
Tests of the program that runs as root: only root may be able to change it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tracer.errors import HostError
from tracer.hook.program import program, refuse_changeable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it is about root's files")

NOBODY = 65534


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """
    A directory of root's with a program in it.
    """
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "program").touch(0o755)
    return tmp_path / "bin" / "program"


def test_this_checkouts_program_is_found():
    """
    An absolute path of Python's, told to take nothing from where it is called.
    """
    words = program()

    assert os.path.isabs(words[0]) and os.access(words[0], os.X_OK)
    assert words[1:4] == ("-I", "-S", "-c") and len(words) == 5


def test_the_program_finds_its_packages_wherever_it_is_called(tmp_path: Path):
    """
    Started as a runtime does, it refuses a state that is none, in a line and without a traceback.
    """
    done = subprocess.run(
        [*program(), "begin"],
        cwd=tmp_path,
        env={},
        input="no state",
        text=True,
        capture_output=True,
    )

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_what_is_roots_is_taken(tree: Path):
    """
    A link of root's too, and what lies below the sticky /tmp.
    """
    (tree.parent / "link").symlink_to("program")

    refuse_changeable(str(tree), str(tree.parent / "link"))


@pytest.mark.parametrize("what", ["program", "."])
@pytest.mark.parametrize("mode", [0o757, 0o775])
def test_what_others_may_write_to_is_refused(tree: Path, what: str, mode: int):
    """
    The program, or a directory above it.
    """
    path = tree.parent / what
    os.chown(path, 0, 50)
    path.chmod(mode)

    with pytest.raises(HostError, match="somebody else than root may change it"):
        refuse_changeable(str(tree))


@pytest.mark.parametrize("what", ["program", "."])
def test_what_belongs_to_somebody_else_is_refused(tree: Path, what: str):
    """
    Its owner could change it.
    """
    os.chown(tree.parent / what, NOBODY, NOBODY)

    with pytest.raises(HostError, match="somebody else than root may change it"):
        refuse_changeable(str(tree))


def test_where_a_link_leads_is_looked_at(tree: Path, tmp_path: Path):
    """
    A link of root's to a program of somebody else's.
    """
    (tmp_path / "link").symlink_to(tree)
    os.chown(tree, NOBODY, NOBODY)

    with pytest.raises(HostError, match="program: somebody else"):
        refuse_changeable(str(tmp_path / "link"))
