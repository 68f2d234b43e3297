"""
The project as a stranger installs it: built to a wheel, in a virtual environment of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# What a wheel is built from. A copy, since building leaves its traces beside the sources.
SOURCES = ("setup.cfg", "pyproject.toml", "LICENSE", "README.md", "tracer", "bpf")
DISTRIBUTION_PYTHON = "/usr/bin/python3"


def build_wheel(directory: Path) -> Path:
    """
    Build the wheel of this checkout in a directory.
    """
    copy = directory / "sources"
    copy.mkdir()
    for name in SOURCES:
        _copy(CHECKOUT / name, copy / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, f"--wheel-dir={directory}", str(copy)], check=True)
    return next(directory.glob("seccomp_trace-*.whl"))


def install(wheel: Path, environment: Path) -> Path:
    """
    Install a wheel and its dependencies into a new environment; return the directory of commands.
    """
    make = [DISTRIBUTION_PYTHON, "-m", "venv", "--system-site-packages", str(environment)]
    subprocess.run(make, check=True)
    pip = [str(environment / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True)
    return environment / "bin"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    elif source.exists():
        shutil.copy(source, target)
