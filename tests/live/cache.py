"""
Files that take long to make, kept between test sessions outside the checkout.

A file is named after what it is made from, appears whole or not at all, and is made once even if
several sessions want it at the same time. The directory may be removed whenever no test runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


def cache_directory() -> Path:
    """
    Return the directory, as the XDG rules have it.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "seccomp-trace-tests"


def cached(name: str, recipe: str, make: Callable[[Path, Path], None]) -> Path:
    """
    Return the file that `make(file, work)` once wrote for this recipe; call it if there is none.

    `work` is an empty directory that is removed afterwards.
    """
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    path = directory / f"{digest}-{name}"
    with _locked(directory / f"{name}.lock"):
        if not path.exists():
            for interrupted in directory.glob(f"making-{name}-*"):
                shutil.rmtree(interrupted)
            with tempfile.TemporaryDirectory(prefix=f"making-{name}-", dir=directory) as work:
                unfinished = Path(work) / name
                (Path(work) / "work").mkdir()
                make(unfinished, Path(work) / "work")
                unfinished.rename(path)
    return path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
