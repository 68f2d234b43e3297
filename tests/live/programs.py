"""
The test programs: programs/*.c, each compiled to one static executable of its name.

Static, so that they run in an image without a C library and make few calls of its start-up.
"""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "programs"
FLAGS = ("-static", "-pthread", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
FLAGS_OF = {"hello32": ("-m32",)}
# More names of the same program: to the kernel each is an executable of its own.
NEEDS = (
    "chown dac_override fowner fsetid kill mknod net_admin net_bind_service net_raw nothing "
    "setfcap setgid setpcap setuid sys_admin sys_chroot sys_nice"
).split()
LINKS = {
    "exec5": ("exec5-2", "exec5-3", "exec5-4", "exec5-5"),
    "needs": tuple(f"needs-{name}" for name in NEEDS),
}
ONLY_ON_X86_64 = ("asks", "ends", "hello32", "mixed", "vsyscalls")


def compile_programs(directory: Path, *names: str) -> list[Path]:
    """
    Compile every program for this machine, or these, into a directory; return the executables.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for source in sorted(SOURCES.glob("*.c")):
        if names and source.stem not in names:
            continue
        if platform.machine() == "x86_64" or source.stem not in ONLY_ON_X86_64:
            _compile(source, directory / source.stem)
    return sorted(directory.iterdir())


def _compile(source: Path, executable: Path) -> None:
    flags = (*FLAGS, *FLAGS_OF.get(source.stem, ()))
    subprocess.run(["gcc", *flags, "-o", str(executable), str(source)], check=True)
    for name in LINKS.get(source.stem, ()):
        os.link(executable, executable.with_name(name))
