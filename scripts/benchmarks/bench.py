"""
What recording costs, in interleaved rounds: medians, and ratios to the bare machine.

Each round measures every setting once, one after the other, so that a machine whose speed drifts
drifts for all of them. The recorder is compared with an empty program on the same tracepoint:
the difference between the two is ours, the rest is the kernel's price for any program there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Callable, ContextManager, Dict, Iterator, List, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tracer.kernel import bpf, btf, layout, program  # noqa: E402
from tracer.kernel.recorder import Recorder  # noqa: E402

TOOL = str(Path(sys.executable).parent / "seccomp-trace")
CALLS, FORKS, TRACED_CALLS = 2_000_000, 3_000, 20_000
CPU = max(os.sched_getaffinity(0))

Samples = Dict[str, List[float]]


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work, to try it")
    arguments = parser.parse_args()
    scale = 100 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as directory:
        workload = build(Path(directory))
        per_call = interleaved(arguments.rounds, call_settings(workload, CALLS // scale))
        per_fork = interleaved(arguments.rounds, fork_settings(workload, FORKS // scale or 1))
        traced = interleaved(arguments.rounds, strace_settings(workload, TRACED_CALLS // scale))
    whole = interleaved(arguments.rounds, command_settings())
    print(f"kernel {os.uname().release}, {time.strftime('%Y-%m-%d')}, {arguments.rounds} rounds\n")
    print_table("one system call, ns", per_call, "bare")
    print_table("one system call under strace -f, ns", traced, "bare")
    print_table(
        "one fork and exit, us", {k: [v / 1e3 for v in s] for k, s in per_fork.items()}, "bare"
    )
    print_table("a whole command, ms", whole, "true")
    print(
        f"peak memory of `run -- true`: {peak_memory():.0f} MiB, compiling: {peak_cold():.0f} MiB"
    )


def build(directory: Path) -> str:
    """The compiled workload."""
    target = str(directory / "workload")
    source = str(ROOT / "scripts/benchmarks/workload.c")
    subprocess.run(["gcc", "-O2", "-o", target, source], check=True)
    return target


def interleaved(rounds: int, settings: Dict[str, Callable[[], float]]) -> Samples:
    """Every setting once a round; the first round warms up and does not count."""
    samples: Samples = defaultdict(list)
    for number in range(rounds + 1):
        for name, measure in settings.items():
            value = measure()
            if number:
                samples[name].append(value)
    return samples


def call_settings(workload: str, times: int) -> Dict[str, Callable[[], float]]:
    """Bystanders and recorded tasks, beside the empty program."""
    command = [workload, "calls", str(times)]
    return {
        "bare": lambda: under(nullcontext(), command),
        "empty program": lambda: under(empty_program(), command),
        "bystander": lambda: under(recorder_of_others(0), command),
        "bystander, 1 container": lambda: under(recorder_of_others(1), command),
        "bystander, 50 containers": lambda: under(recorder_of_others(50), command),
        "recorded": lambda: recorded(0, command),
        "recorded, 1 container": lambda: recorded(1, command),
        "recorded, 50 containers": lambda: recorded(50, command),
    }


def fork_settings(workload: str, times: int) -> Dict[str, Callable[[], float]]:
    """Fork and exit, of bystanders and of recorded tasks."""
    command = [workload, "forks", str(times)]
    return {
        "bare": lambda: under(nullcontext(), command),
        "empty program": lambda: under(empty_program(), command),
        "bystander": lambda: under(recorder_of_others(0), command),
        "recorded": lambda: recorded(0, command),
    }


def strace_settings(workload: str, times: int) -> Dict[str, Callable[[], float]]:
    """The same calls under strace."""
    command = [workload, "calls", str(times)]
    traced = ["strace", "-f", "-o", "/dev/null", *command]
    return {
        "bare": lambda: under(nullcontext(), command),
        "strace -f": lambda: under(nullcontext(), traced),
    }


def command_settings() -> Dict[str, Callable[[], float]]:
    """Whole commands, start to end."""
    return {
        "true": lambda: milliseconds(["true"]),
        "run -- true": lambda: milliseconds([TOOL, "run", "-o", "-", "--", "true"]),
        "run -- true, compiling": lambda: without_cache([TOOL, "run", "-o", "-", "--", "true"]),
        "--help": lambda: milliseconds([TOOL, "--help"]),
        "strace -f true": lambda: milliseconds(["strace", "-f", "-o", "/dev/null", "true"]),
    }


def under(setting: ContextManager[object], command: Sequence[str]) -> float:
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
    target = layout.tracepoint_type(btf.read(), program.PROGRAMS["on_sys_enter"])
    code = bytes.fromhex("b700000000000000" "9500000000000000")
    loaded = bpf.load_tracing("empty", code, target)
    link = bpf.attach_tracing(loaded)
    try:
        yield
    finally:
        os.close(link)
        os.close(loaded)


@contextmanager
def recorder_of_others(containers: int) -> Iterator[Recorder]:
    """The recorder, with so many PID namespaces being recorded beside what is measured."""
    with ExitStack() as stack:
        recorder = stack.enter_context(Recorder())
        for _ in range(containers):
            sleeper = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "cat"], stdin=subprocess.PIPE
            )
            stack.callback(sleeper.wait)
            assert sleeper.stdin is not None
            stack.callback(sleeper.stdin.close)
        while sum(head.namespace > 0 for head in recorder.heads().values()) < containers:
            os.sched_yield()
        yield recorder


def recorded(containers: int, command: Sequence[str]) -> float:
    """What the workload prints when it is recorded itself."""
    with recorder_of_others(containers) as recorder, recorder.command():
        return value_of(command)


def milliseconds(command: Sequence[str]) -> float:
    """A whole command's time."""
    start = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.monotonic() - start) * 1e3


def without_cache(command: Sequence[str]) -> float:
    """The same where no compiled recorder has been kept."""
    return milliseconds([*hidden_cache(), *command])


def hidden_cache() -> List[str]:
    """A mount namespace in which the directory of compiled recorders is empty."""
    script = 'mkdir -p /var/cache/seccomp-trace && mount -t tmpfs tmpfs /var/cache/seccomp-trace; exec "$@"'
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


def print_table(title: str, samples: Samples, base: str) -> None:
    """Medians, what they are above the base, and their ratio to it."""
    bare = statistics.median(samples[base])
    print(f"{title:40} {'median':>10} {'added':>10} {'ratio':>8}")
    for name, values in samples.items():
        median = statistics.median(values)
        print(f"  {name:38} {median:10.1f} {median - bare:10.1f} {median / bare:8.3f}")
    print()


if __name__ == "__main__":
    main()
