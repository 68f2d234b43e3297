"""
The default profiles of docker and podman, as their Debian packages have them.

podman's is installed with it. docker's is only in a package of sources, which is fetched with apt
and unpacked, not installed, into a directory that git ignores; where neither is to be had, a test
is skipped, or fails if SECCOMP_TRACE_LIVE=1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, Optional, Tuple

import pytest

DOCKER, PODMAN = "docker", "podman"
DEFAULTS = (DOCKER, PODMAN)

_PACKAGE = "golang-github-docker-docker-dev"
_INSIDE = "usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"
_KEPT = Path(__file__).parents[3] / ".venv" / "share" / "docker" / "default.json"
_PLACES: Dict[str, Tuple[Path, ...]] = {
    DOCKER: (Path("/") / _INSIDE, _KEPT),
    PODMAN: (Path("/usr/share/containers/seccomp.json"), Path("/etc/containers/seccomp.json")),
}


def default_path(engine: str) -> Path:
    """
    Where the default profile of an engine is; skips the test if it cannot be had.
    """
    place = _found(engine)
    if place is None and engine == DOCKER:
        _fetch()
        place = _found(engine)
    if place is None:
        reason = f"the default profile of {engine} is not to be had here"
        if os.environ.get("SECCOMP_TRACE_LIVE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return place


def default_text(engine: str) -> str:
    """
    The text of an engine's default profile.
    """
    return default_path(engine).read_text(encoding="utf-8")


def _found(engine: str) -> Optional[Path]:
    return next((place for place in _PLACES[engine] if place.is_file()), None)


def _fetch() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # apt downloads as a user of its own
        got = subprocess.run(["apt-get", "-q", "download", _PACKAGE], cwd=directory, check=False)
        packages = list(Path(directory).glob("*.deb"))
        if got.returncode or not packages:
            return
        unpacked = Path(directory, "unpacked")
        subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(unpacked)], check=True)
        _KEPT.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(unpacked / _INSIDE, _KEPT)
