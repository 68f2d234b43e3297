"""
What recording costs a system call and a command, in interleaved rounds: medians and ratios.

The recorder is compared with an empty program on the same tracepoint: the difference between the
two is ours, the rest is the kernel's price for any program there. Beside it, in rounds of their own
since each of them has to be started anew, oci-seccomp-bpf-hook and strace.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Callable, ContextManager, Dict, Iterator, List, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tracer.kernel import bpf, btf, layout, program  # noqa: E402
from tracer.kernel import checks  # noqa: E402
from tracer.kernel.outcomes import Outcomes  # noqa: E402
from tracer.kernel.recorder import own  # noqa: E402

import peer  # noqa: E402
from rounds import Settings, interleaved, milliseconds, print_table  # noqa: E402

TOOL = str(Path(sys.executable).parent / "seccomp-trace")
CALLS, FORKS, TRACED_CALLS = 200_000, 300, 20_000
FINE = 8  # how many short rounds stand for one long one
CPU = max(os.sched_getaffinity(0))
# include/uapi/linux/bpf.h: BPF_PROG_GET_NEXT_ID, _GET_FD_BY_ID, BPF_PROG_TYPE_TRACEPOINT,
# _RAW_TRACEPOINT, _TRACING.
NEXT_PROGRAM, OPEN_PROGRAM, TRACING_TYPES = 11, 13, (5, 17, 26)
# How many containers are being recorded beside what is measured.
COUNTS = (0, 1, 10, 100)
PEER_COUNTS = (1, 10, peer.MOST)


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work, to try it")
    arguments = parser.parse_args()
    scale = 100 if arguments.quick else 1
    rounds = arguments.rounds
    before = strangers()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        workload = build(Path(directory))
        recorders = {count: stack.enter_context(Switched(count)) for count in COUNTS}
        calls = interleaved(rounds * FINE, call_settings(workload, CALLS // scale, recorders))
        forks = interleaved(rounds * FINE, fork_settings(workload, FORKS // scale, recorders))
        unchecked, checked, mapped = (
            interleaved(rounds * FINE, check_settings(workload, work, times // scale, recorders))
            for work, times in (("calls", CALLS), ("checks", CALLS // 4), ("maps", CALLS // 4))
        )
        succeeding, failing = (
            interleaved(rounds * FINE, outcome_settings(workload, work, CALLS // scale, recorders))
            for work in ("calls", "failures")
        )
        others = other_settings(workload, TRACED_CALLS // scale, recorders)
        others.update(peer_settings(workload, TRACED_CALLS // scale, Path(directory)))
        traced = interleaved(rounds, others)
    whole = interleaved(rounds, command_settings())
    print(f"kernel {os.uname().release}, {time.strftime('%Y-%m-%d')}, {rounds} rounds")
    print(f"programs of others on tracepoints: {before} before, {strangers()} now\n")
    print_table("one system call, ns", calls, "bare", "empty program")
    print_table("one system call, ns", traced, "bare", "bare")
    print_table("one call that asks for none, ns", unchecked, "bare", "recorded")
    print_table("one capability check, ns", checked, "bare", "recorded")
    print_table("one mmap and munmap, ns", mapped, "bare", "recorded")
    print_table("one call, and its outcome, ns", succeeding, "bare", "recorded")
    print_table("one call that fails, and its outcome, ns", failing, "bare", "recorded")
    print_table("one fork and exit, us", forks, "bare", "bare")
    print_table("a whole command, ms", whole, "true", "true")
    print(
        f"peak memory of `run -- true`: {peak_memory():.0f} MiB, compiling: {peak_cold():.0f} MiB"
    )


def strangers() -> int:
    """How many BPF programs others have on tracepoints: with one, the bare machine is not bare."""
    count = number = 0
    while True:
        try:
            _, answer = bpf.call(NEXT_PROGRAM, struct.pack("=III", number, 0, 0))
            number = struct.unpack_from("=II", answer)[1]
            descriptor, _ = bpf.call(OPEN_PROGRAM, struct.pack("=III", number, 0, 0))
        except FileNotFoundError:
            return count
        count += struct.unpack_from("=I", bpf._info(descriptor))[0] in TRACING_TYPES
        os.close(descriptor)


def build(directory: Path) -> str:
    """The compiled workload."""
    target = str(directory / "workload")
    source = str(ROOT / "scripts/benchmarks/workload.c")
    subprocess.run(["gcc", "-O2", "-o", target, source], check=True)
    return target


def call_settings(workload: str, times: int, recorders: "Dict[int, Switched]") -> Settings:
    """Bystanders and recorded tasks, beside the empty program."""
    command = [workload, "calls", str(times)]
    settings: Settings = {
        "bare": lambda: value_of(command),
        "empty program": lambda: under(Setting(empty_program), command),
    }
    for count, recorder in recorders.items():
        beside = f", {count} containers" if count else ""
        settings["bystander" + beside] = partial(under, recorder.on(), command)
        settings["recorded" + beside] = partial(under, recorder.recording(), command)
    return settings


def fork_settings(workload: str, times: int, recorders: "Dict[int, Switched]") -> Settings:
    """Fork and exit, of bystanders and of recorded tasks."""
    command = [workload, "forks", str(max(times, 1))]
    return {
        "bare": lambda: value_of(command),
        "empty program": lambda: under(Setting(empty_program), command),
        "bystander": partial(under, recorders[0].on(), command),
        "recorded": partial(under, recorders[0].recording(), command),
    }


def check_settings(
    workload: str, work: str, times: int, recorders: "Dict[int, Switched]"
) -> Settings:
    """Calls that ask for a capability, or for none: recorded without the checks, and with them."""
    command = [workload, work, str(times)]
    recorder = recorders[0]
    return {
        "bare": lambda: value_of(command),
        "recorded": partial(under, recorder.recording(), command),
        "bystander of checks": partial(under, recorder.checking(recorder.on()), command),
        "recorded with checks": partial(under, recorder.checking(recorder.recording()), command),
    }


def outcome_settings(
    workload: str, work: str, times: int, recorders: "Dict[int, Switched]"
) -> Settings:
    """Calls that are recorded without how they end, and with it."""
    command = [workload, work, str(times)]
    recorder = recorders[0]
    return {
        "bare": lambda: value_of(command),
        "bystander": partial(under, recorder.on(), command),
        "recorded": partial(under, recorder.recording(), command),
        "bystander of outcomes": partial(under, recorder.ending(recorder.on()), command),
        "recorded with outcomes": partial(under, recorder.ending(recorder.recording()), command),
    }


def other_settings(workload: str, times: int, recorders: "Dict[int, Switched]") -> Settings:
    """The same calls of bystanders, and what one pays under strace."""
    command = [workload, "calls", str(times)]
    traced = ["strace", "-f", "-o", "/dev/null", *command]
    settings: Settings = {"bare": lambda: value_of(command)}
    for count, recorder in recorders.items():
        if count:
            name = f"bystander, {count} containers"
            settings[name] = partial(under, recorder.on(), command)
    settings["strace -f"] = lambda: value_of(traced)
    return settings


def peer_settings(workload: str, times: int, directory: Path) -> Settings:
    """Bystanders of oci-seccomp-bpf-hook, where it is to be had."""
    command = [workload, "calls", str(times)]
    found = peer.unpacked(directory)
    if found is None:
        print(f"{peer.PACKAGE}: no such package here\n")
        return {}
    return {
        f"peer's bystander, {count}": partial(
            under, Setting(partial(peer.recording, found, count)), command
        )
        for count in PEER_COUNTS
    }


def command_settings() -> Settings:
    """Whole commands, start to end."""
    return {
        "true": lambda: milliseconds(["true"]),
        "run -- true": lambda: milliseconds([TOOL, "run", "-o", "-", "--", "true"]),
        "run -- true, compiling": lambda: without_cache([TOOL, "run", "-o", "-", "--", "true"]),
        "--help": lambda: milliseconds([TOOL, "--help"]),
        "strace -f true": lambda: milliseconds(["strace", "-f", "-o", "/dev/null", "true"]),
    }


def under(setting: "Setting", command: Sequence[str]) -> float:
    """What the workload prints while something is in force."""
    with setting:
        return value_of(command)


def value_of(command: Sequence[str]) -> float:
    """What the workload prints, on one processor."""
    done = subprocess.run(["taskset", "-c", str(CPU), *command], stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


@contextmanager
def empty_program() -> Iterator[None]:
    """A program on sys_enter that does nothing: two instructions, `r0 = 0; exit`."""
    target = layout.tracepoint_type(btf.read(), program.RECORDER.programs["on_sys_enter"])
    code = bytes.fromhex("b700000000000000" "9500000000000000")
    loaded = bpf.load_tracing("empty", code, target)
    link = bpf.attach_tracing(loaded)
    try:
        yield
    finally:
        os.close(link)
        os.close(loaded)


class Switched:
    """
    A recorder that stays loaded and is attached only while it is measured, with so many PID
    namespaces being recorded that have nothing to do with what is measured.
    """

    def __init__(self, containers: int) -> None:
        self._stack = ExitStack()
        self._recorder = self._stack.enter_context(own())
        self._loaded = self._recorder._loaded  # to attach and detach is no business of a session
        namespaces = {self._stack.enter_context(_sleeper()) for _ in range(containers)}
        while not namespaces <= {one.namespace for one in self._recorder.heads().values()}:
            os.sched_yield()
        self._detach()

    def __enter__(self) -> "Switched":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def _attached(self) -> Iterator[None]:
        for name, descriptor in self._loaded.programs.items():
            self._loaded.links[name] = bpf.attach_tracing(descriptor)
        try:
            yield
        finally:
            self._detach()

    def _detach(self) -> None:
        for descriptor in self._loaded.links.values():
            os.close(descriptor)
        self._loaded.links.clear()

    def on(self) -> "Setting":
        """While it is attached; what is measured is a bystander."""
        return Setting(self._attached)

    def checking(self, setting: "Setting") -> "Setting":
        """While capability checks are noted besides."""

        @contextmanager
        def both() -> Iterator[None]:
            with checks.load(self._recorder.threads), setting:
                yield

        return Setting(both)

    def ending(self, setting: "Setting") -> "Setting":
        """While it is noted besides how calls end."""

        @contextmanager
        def both() -> Iterator[None]:
            with setting, Outcomes(self._recorder.threads):
                yield

        return Setting(both)

    def recording(self) -> "Setting":
        """While it is attached and records what is measured."""

        @contextmanager
        def both() -> Iterator[None]:
            with self._attached(), self._recorder.command():
                yield

        return Setting(both)


class Setting:
    """A context that can be entered again and again."""

    def __init__(self, make: Callable[[], ContextManager[None]]) -> None:
        self._make = make

    def __enter__(self) -> None:
        self._current = self._make()
        self._current.__enter__()

    def __exit__(self, *_: object) -> None:
        self._current.__exit__(None, None, None)


@contextmanager
def _sleeper() -> Iterator[int]:
    """The number of a PID namespace whose first process waits."""
    command = ["unshare", "--pid", "--fork", "--kill-child", "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sleeper:
        assert sleeper.stdin and sleeper.stdout
        sleeper.stdin.write(b"\n")
        sleeper.stdin.flush()
        sleeper.stdout.readline()  # so it runs
        yield os.stat(f"/proc/{sleeper.pid}/ns/pid_for_children").st_ino
        sleeper.kill()


def without_cache(command: Sequence[str]) -> float:
    """The same where no compiled recorder has been kept."""
    return milliseconds([*hidden_cache(), *command])


def hidden_cache() -> List[str]:
    """A mount namespace in which the directory of compiled recorders is empty."""
    cache = "/var/cache/seccomp-trace"
    script = f'mkdir -p {cache} && mount -t tmpfs tmpfs {cache}; exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


def peak_memory(prefix: Sequence[str] = ()) -> float:
    """The largest resident set of `run -- true`, MiB."""
    with tempfile.NamedTemporaryFile("r") as report:
        command = [TOOL, "run", "-o", "-", "--", "true"]
        subprocess.run(
            ["/usr/bin/time", "-f", "%M", "-o", report.name, *prefix, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return int(report.read()) / 1024


def peak_cold() -> float:
    """The same, compiling."""
    return peak_memory(hidden_cache())


if __name__ == "__main__":
    main()
