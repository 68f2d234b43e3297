"""
How long each command about profiles takes for files of up to a megabyte that are made to be slow.

Seconds of the processor, children included, and the exit code; needs neither root nor a kernel.
With a name, that file alone. Exits with 1 if a command takes longer than --most, or ends in a
traceback.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.unit.profile.large_files import MOST, texts  # noqa: E402

TOOL = str(Path(sys.executable).parent / "seccomp-trace")
RECORDING = str(ROOT / "tests/cases/check-denied/given-app.rec")
SMALL = str(ROOT / "tests/cases/diff-argument-region/given-old.json")


def commands(path: str) -> Dict[str, List[str]]:
    """What is measured, by the head of its column."""
    return {
        "diff": ["diff", SMALL, path],
        "diff2": ["diff", path, f"{path}.json"],
        "lint": ["lint", path],
        "check": ["check", path, RECORDING],
        "merge": ["merge", path, SMALL],
        "base": ["generate", "--baseline", path, RECORDING],
        "oci": ["convert", "--to", "oci", path],
        "bpf": ["convert", "--to", "bpf", path],
        "spo": ["convert", "--to", "spo", "--lossy", path],
        "systemd": ["convert", "--to", "systemd", "--lossy", path],
    }


def main() -> int:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=float, default=10.0, help="seconds that each may take")
    parser.add_argument("names", nargs="*", help="which files; all by default")
    arguments = parser.parse_args()
    print(f"{'':22}" + "".join(f"{head:>9}" for head in commands("")))
    slow = False
    with tempfile.TemporaryDirectory() as directory:
        for name, text in texts().items():
            if arguments.names and name not in arguments.names:
                continue
            path = Path(directory) / name
            path.write_text(text)
            assert path.stat().st_size <= MOST * 1.3, (name, path.stat().st_size)
            # Another file that says nearly the same: nothing is equal at first sight.
            Path(f"{path}.json").write_text(text.replace("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", 1))
            found = [measured(command) for command in commands(str(path)).values()]
            print(f"{name:22}" + "".join(f"{seconds:7.1f}{mark:2}" for seconds, mark in found))
            slow |= any(seconds > arguments.most or mark == "!" for seconds, mark in found)
    return 1 if slow else 0


def measured(command: List[str]) -> Tuple[float, str]:
    """How long a command took, and "!" for a traceback or something like it."""
    before = used()
    done = subprocess.run(
        [TOOL, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wrong = done.returncode not in (0, 1, 2, 125) or b"Traceback" in done.stderr
    return used() - before, "!" if wrong else ""


def used() -> float:
    """Processor time of the children that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
