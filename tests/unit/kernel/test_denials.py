"""
Tests that Python's view of the shared records is what a compiler makes of `bpf/denials.h`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tracer.kernel import denials
from tracer.kernel.sources import bpf_directory

# struct: its Python format, and the offset at which C has its last named member.
RECORDS = {
    "place_key": (denials.PLACE_KEY, "namespace", 72),
    "denial_place": (denials.PLACE, "keeper", 32),
    "end": (denials.END, "keeper", 80),
    "denial_key": (denials.KEY, "error", 32),
    "denial": (denials.DENIAL, "comm", 80),
    "denial_state": (denials.STATE, "places_lost", 16),
}


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """
    What gcc says: of each record its size and where its last member begins.
    """
    lines = [
        f'\tprintf("%zu %zu\\n", sizeof(struct {name}), __builtin_offsetof(struct {name}, {last}));'
        for name, (_, last, _) in RECORDS.items()
    ]
    directory: Path = tmp_path_factory.mktemp("denials")
    (directory / "sizes.c").write_text(
        "#include <linux/types.h>\n#include <stdio.h>\n"
        f'#include "{bpf_directory()}/denials.h"\n'
        "int main(void)\n{\n" + "\n".join(lines) + "\n}\n"
    )
    program = str(directory / "sizes")
    subprocess.run(["gcc", "-Wall", "-o", program, f"{program}.c"], check=True)
    done = subprocess.run([program], check=True, capture_output=True, text=True)
    pairs = [line.split() for line in done.stdout.splitlines()]
    return {name: (int(size), int(at)) for name, (size, at) in zip(RECORDS, pairs)}


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_the_compilers(compiler: dict[str, tuple[int, int]], name: str):
    """
    A record has as many bytes in Python as in C, and its last member lies where C has it.
    """
    record, _, last = RECORDS[name]

    assert compiler[name] == (record.size, last)
