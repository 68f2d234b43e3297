"""
Where the C of the kernel side is.

Only the path is here: compiling and loading are the business of `tracer.kernel.program`, so this
module needs neither bcc nor root.

`bpf/` lies beside the package in a checkout. `tracer/_bpf` is a symbolic link to it, and what the
link names is package data (setup.cfg): building a wheel follows the link and copies the files, so
an installed package has a directory of the same name in the same place. One path serves both, and
no search can find somebody else's `bpf/`.
"""

from __future__ import annotations

from pathlib import Path

import tracer


def bpf_directory() -> Path:
    """
    Return the absolute path of the directory that holds `recorder.c` and `include/`.

    Absolute and free of links, as the compiler wants it for `-I`.
    """
    return (Path(tracer.__file__).parent / "_bpf").resolve()
