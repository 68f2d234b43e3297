"""
Tests of finding bcc: the right one, none, or somebody else's of the same name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.errors import HostError
from tracer.kernel import program


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    A directory that is the only one in which packages are found.
    """
    before = {name: sys.modules.pop(name) for name in loaded()}
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    yield tmp_path
    for name in loaded():
        del sys.modules[name]
    sys.modules.update(before)


def loaded() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == "bcc"]


def put(packages: Path, **files: str) -> Path:
    package = packages / "bcc"
    package.mkdir()
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    return package


def test_the_right_one_says_its_version(packages: Path):
    """
    The BPF compiler collection is known by its library's binding, and imported.
    """
    package = put(packages, __init__="__version__ = '0.26.0'\n", libbcc="")

    assert program.version() == ("0.26.0", f"{package}/__init__.py")


@pytest.mark.parametrize("text", ["", "import numpy_or_so", "raise SystemExit(1)", "syntax error"])
def test_somebody_elses_is_named_without_being_imported(packages: Path, text: str):
    """
    PyPI's package is named by its path whatever its code would do, and how to remove it.
    """
    package = put(packages, __init__=text)

    with pytest.raises(HostError, match="pip uninstall bcc") as caught:
        program.version()

    assert str(package) in str(caught.value)
    assert "PyPI" in str(caught.value)


def test_a_directory_of_that_name_is_somebody_elses(packages: Path):
    """
    A directory `bcc` without anything in it is no compiler collection either.
    """
    package = put(packages)

    with pytest.raises(HostError) as caught:
        program.version()

    assert str(package) in str(caught.value)


def test_none_at_all_says_what_to_install(packages: Path):
    """
    Without any bcc the error names the distributions' packages.
    """
    with pytest.raises(HostError, match="python3-bpfcc.*python3-bcc"):
        program.version()


def test_a_broken_one_is_an_expected_error(packages: Path):
    """
    A compiler collection whose library is missing is an error that says why.
    """
    put(packages, __init__="from . import libbcc", libbcc="raise OSError('libbcc.so.0: missing')")

    with pytest.raises(HostError, match="libbcc.so.0: missing"):
        program.version()
