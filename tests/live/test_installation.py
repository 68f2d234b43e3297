"""
Tests of the project installed from a wheel: it has what it has in a checkout.
"""

from __future__ import annotations

import filecmp
import json
import subprocess
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.installation import CHECKOUT, build_wheel, install


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    return install(build_wheel(directory), directory / "environment")


def test_a_wheel_holds_the_kernel_side(commands: Path, tmp_path: Path):
    """
    The sources that an installed package finds are its own, and those of the checkout.
    """
    show = "from tracer.kernel.sources import bpf_directory; print(bpf_directory())"

    found = Path(_python(commands, show, tmp_path))

    assert commands.parent in found.parents
    assert _files(found) == _files(CHECKOUT / "bpf")
    assert all(
        filecmp.cmp(found / name, CHECKOUT / "bpf" / name, shallow=False) for name in _files(found)
    )


def test_a_wheel_holds_the_package_data(commands: Path, tmp_path: Path):
    """
    Every file of the package in the checkout is in the installed package too.
    """
    package = Path(_python(commands, "import tracer; print(tracer.__path__[0])", tmp_path))

    assert _files(CHECKOUT / "tracer") <= _files(package)


def test_an_installed_tool_records(
    commands: Path, podman: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    The command from the wheel records a container, away from any checkout.
    """
    seccomp_trace = SeccompTrace(tmp_path, program=commands / "seccomp-trace")
    command = podman.command("run", "--rm", busybox(podman), "ls", "/")

    done = seccomp_trace("run", "-o", "ls.json", "--", *command, env=podman.environment)

    assert done.returncode == 0, done.stderr
    assert "execve" in json.loads((tmp_path / "ls.json").read_text())["syscalls"][0]["names"]


def _python(commands: Path, program: str, directory: Path) -> str:
    python = [str(commands / "python"), "-c", program]
    return subprocess.check_output(python, cwd=directory, text=True).strip()


def _files(directory: Path) -> set[str]:
    """The files of a directory tree, but for what Python makes of them."""
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
