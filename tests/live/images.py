"""
The images of the live tests, made from Debian packages without a registry.

`busybox` is a static busybox, `servers` a small Debian with the servers and tools that the tests
drive. Both have the test programs in /usr/local/bin. Each is the archive of a root directory, which
an engine imports. Only the Debian tree takes long (about a minute), so it alone is cached.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Optional

from tests.live.cache import cached
from tests.live.policy import require_command
from tests.live.programs import compile_programs

CHECKOUT = Path(__file__).parents[2]
BUSYBOX = "localhost/busybox:latest"
SERVERS = "localhost/servers:latest"
PROGRAMS = "usr/local/bin"

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "libcap2-bin",
    "memcached",
    "netcat-openbsd",
    "nginx-light",
    "postgresql",
    "procps",
    "python3",
    "redis-server",
    "strace",
)
# What no test reads, and what an engine mounts over; PostgreSQL compiles what is worth it by LLVM.
LEFT_OUT = (
    "./dev/*",
    "./proc/*",
    "./sys/*",
    "./usr/lib/*/libLLVM-*",
    "./usr/lib/*/libz3.so.*",
    "./usr/lib/postgresql/*/lib/bitcode",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*.log",
)


def busybox_archive(directory: Path) -> Path:
    """
    Make the archive of `busybox` in a directory.
    """
    tree = directory / "busybox"
    subprocess.run([str(CHECKOUT / "scripts/busybox-tree"), str(tree)], check=True)
    compile_programs(tree / PROGRAMS)
    return _archive(tree, directory / "busybox.tar")


def servers_archive(directory: Path) -> Path:
    """
    Make the archive of `servers` in a directory: the cached Debian and the test programs.
    """
    require_command("debootstrap")
    recipe = "\n".join([platform.machine(), SUITE, *PACKAGES, *LEFT_OUT])
    archive = directory / "servers.tar"
    shutil.copyfile(cached("debian.tar", recipe, _make_debian), archive)
    with tarfile.open(archive, "a") as members:
        for program in compile_programs(directory / "programs"):
            members.add(program, f"./{PROGRAMS}/{program.name}", filter=_owned_by_root)
    return archive


def _make_debian(archive: Path, work: Path) -> None:
    tree, log = work / "tree", work / "log"
    # Namespaces of its own: what the packages' scripts start or mount ends with it, and it ends
    # with the test session.
    apart = ["setpriv", "--pdeathsig", "KILL"]
    apart += ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    packages = f"--include={','.join(PACKAGES)}"
    command = ["debootstrap", "--variant=minbase", packages, SUITE, str(tree), MIRROR]
    with log.open("w") as output:
        done = subprocess.run([*apart, *command], stdout=output, stderr=output)
    assert done.returncode == 0, f"debootstrap failed:\n{log.read_text()[-4000:]}"
    _archive(tree, archive)


def _archive(tree: Path, archive: Path) -> Path:
    left_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    options = ["--create", "--numeric-owner", f"--file={archive}", f"--directory={tree}"]
    subprocess.run(["tar", *options, *left_out, "."], check=True)
    return archive


def _owned_by_root(member: tarfile.TarInfo) -> Optional[tarfile.TarInfo]:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
