"""
What watching adds to a system call, beside an empty pair of programs on its beginning and its end.

Both loads stay in the kernel and are attached in turn, so that a round is short: medians of what
each round shows above the empty pair.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Dict, Iterator, List

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tracer.kernel import bpf, btf, denials, layout, program  # noqa: E402

from bench import Setting, build, under, value_of  # noqa: E402
from rounds import Settings, interleaved, print_table  # noqa: E402

CALLS = 200_000
EMPTY = bytes.fromhex("b700000000000000" "9500000000000000")  # r0 = 0; exit
PAIR = ("sys_enter", "sys_exit")


def main() -> None:
    """Measure, print a table for a bystander and one for a task that has a filter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="a tenth of how often each is done")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work, to try it")
    arguments = parser.parse_args()
    times = str(CALLS // (100 if arguments.quick else 1))
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        workload = build(Path(directory))
        filtered = compiled(Path(directory), "filtered")
        empty, watch = stack.enter_context(empty_pair()), stack.enter_context(watching())
        for title, command in {
            "a bystander's call, ns": [workload, "calls", times],
            "a filtered task's call, ns": [filtered, workload, "calls", times],
        }.items():
            settings = settings_of(command, empty, watch)
            print_table(title, interleaved(arguments.rounds * 10, settings), "bare", "empty pair")


def settings_of(command: List[str], empty: "Attached", watch: "Attached") -> Settings:
    """Nothing, the empty pair, and the watch; and nothing again, after a watch."""
    return {
        "bare": lambda: value_of(command),
        "empty pair": lambda: under(Setting(empty.attached), command),
        "watch": lambda: under(Setting(watch.attached), command),
        "bare, after a watch": lambda: value_of(command),
    }


class Attached:
    """Loaded programs that are attached only while something is measured."""

    def __init__(self, programs: Dict[str, int]) -> None:
        self._programs = programs

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While they are."""
        links = [bpf.attach_tracing(one) for one in self._programs.values()]
        try:
            yield
        finally:
            for link in links:
                os.close(link)


@contextmanager
def empty_pair() -> Iterator[Attached]:
    """A program that does nothing on each of the two tracepoints."""
    types = btf.read()
    programs = {
        name: bpf.load_tracing("empty", EMPTY, layout.tracepoint_type(types, name)) for name in PAIR
    }
    try:
        yield Attached(programs)
    finally:
        for one in programs.values():
            os.close(one)


@contextmanager
def watching() -> Iterator[Attached]:
    """The programs of `watch`, and of them those on the two tracepoints: on_enter and on_leave."""
    loaded = program.load(denials.CAPACITY, denials.SOURCE)
    for link in loaded.links.values():
        os.close(link)
    loaded.links.clear()
    try:
        yield Attached(
            {
                name: loaded.programs[name]
                for name, at in denials.SOURCE.programs.items()
                if at in PAIR
            }
        )
    finally:
        loaded.close()


def compiled(directory: Path, name: str) -> str:
    """A test program: `filtered` executes another under a filter that lets everything through."""
    source = ROOT / "tests/live/programs" / f"{name}.c"
    target = str(directory / name)
    subprocess.run(["gcc", "-O2", "-o", target, str(source)], check=True)
    return target


if __name__ == "__main__":
    main()
