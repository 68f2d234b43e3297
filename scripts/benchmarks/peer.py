"""
oci-seccomp-bpf-hook made to run on a kernel without headers, to be measured beside ours.

Its package is unpacked, not installed. It compiles C for bcc that includes five kernel headers:
stand-ins for these are generated, with the offsets of the members that it reads taken from the
running kernel's type information. Its own code, and what it makes the kernel do, stay as they are.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

from tracer.kernel import btf
from tracer.kernel.sources import bpf_directory

PACKAGE = "oci-seccomp-bpf-hook"
PROGRAM = "usr/libexec/oci/hooks.d/oci-seccomp-bpf-hook"
ANNOTATION = "^io\\.containers\\.trace-syscall$"
# kernel/trace/bpf_trace.c, BPF_TRACE_MAX_PROGS: the next one at the same tracepoint is refused.
MOST = 64
STARTS_WITHIN = 30
# Where bcc looks for what a tracepoint's arguments are.
TRACEFS = "mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug"

# It says itself what mnt_namespace begins with: `atomic_t count; struct ns_common ns;`.
HEADER = """
#ifndef PEER_KERNEL_H
#define PEER_KERNEL_H
#include <linux/types.h>
#define __NR_prctl {prctl}
typedef struct {{ int counter; }} atomic_t;
struct mnt_namespace;
struct ns_common {{ char before[{inum} - sizeof(atomic_t)]; unsigned int inum; }}
    __attribute__((packed));
struct nsproxy {{ char before[{mnt_ns}]; struct mnt_namespace *mnt_ns; }};
struct task_struct {{ char before[{nsproxy}]; struct nsproxy *nsproxy; }};
#endif
"""
INCLUDED = ("bpf", "nsproxy", "pid_namespace", "ns_common", "sched", "tracepoint")
PRCTL = {"x86_64": 157, "aarch64": 167}


@dataclass(frozen=True)
class Peer:
    """Its program, the headers that it is given, and a directory for what it writes."""

    program: Path
    headers: Path
    directory: Path


def unpacked(directory: Path) -> Optional[Peer]:
    """The hook out of its package, or None where that is not to be had."""
    fetch = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", PACKAGE]
    if not shutil.which("apt-get") or subprocess.run(fetch, cwd=directory, check=False).returncode:
        return None
    package = next(directory.glob(f"{PACKAGE}*.deb"))
    subprocess.run(["dpkg-deb", "--extract", str(package), str(directory)], check=True)
    return Peer(directory / PROGRAM, _headers(directory / "headers"), directory)


def _headers(tree: Path) -> Path:
    """A tree for BCC_KERNEL_SOURCE: our own stand-ins, and those that the hook asks for."""
    types = btf.read()
    shutil.copytree(bpf_directory() / "include", tree)
    text = HEADER.format(
        prctl=PRCTL[os.uname().machine],
        inum=types.offset("mnt_namespace", "ns.inum"),
        mnt_ns=types.offset("nsproxy", "mnt_ns"),
        nsproxy=types.offset("task_struct", "nsproxy"),
    )
    (tree / "include/peer.h").write_text(text)
    for name in INCLUDED:
        (tree / f"include/linux/{name}.h").write_text("#include <peer.h>\n")
    return tree


def install(peer: Peer, place: Path) -> None:
    """Describe the hook in a directory of hook files, as its package does."""
    description = {
        "version": "1.0.0",
        "hook": {
            "path": str(peer.program),
            "args": [PACKAGE, "-s"],
            "env": [f"BCC_KERNEL_SOURCE={peer.headers}"],
        },
        "when": {"annotations": {ANNOTATION: ".*"}},
        "stages": ["prestart"],
    }
    (place / f"{PACKAGE}.json").write_text(json.dumps(description))


@contextmanager
def recording(peer: Peer, count: int) -> Iterator[None]:
    """So many containers are being recorded by it; what is measured is none of them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        with ExitStack() as stack:
            for number in range(count):
                stack.enter_context(_recording_one(peer, peer.directory / f"{number}.json"))
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _recording_one(peer: Peer, output: Path) -> Iterator[None]:
    with _container() as first_process:
        script = f'{TRACEFS}; exec "$@"'
        apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        command = [*apart, str(peer.program), "-r", str(first_process), "-o", str(output)]
        environment = {**os.environ, "BCC_KERNEL_SOURCE": str(peer.headers)}
        tracer = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            # It tells its parent that it has begun.
            assert signal.sigtimedwait([signal.SIGUSR1], STARTS_WITHIN), "it does not begin"
            yield
        finally:
            tracer.kill()
            tracer.wait()


@contextmanager
def _container() -> Iterator[int]:
    """The first process, as the host numbers it, of namespaces as a container has them."""
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin and holder.stdout
        try:
            holder.stdin.write(b"\n")
            holder.stdin.flush()
            holder.stdout.readline()  # so it runs
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text()
            yield int(children.split()[0])
        finally:
            holder.kill()
