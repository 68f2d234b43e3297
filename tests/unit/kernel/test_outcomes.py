"""
Tests of how calls end as the kernel side notes it: its bytes, and what is not known of a call.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.unit.kernel.test_wire import members_of, offsets_of
from tracer.kernel import outcomes
from tracer.kernel.outcomes import SUCCESS, Ended
from tracer.kernel.sources import bpf_directory

RECORDS = {
    "outcome_key": outcomes.KEY,
    "outcome_room": outcomes.ROOM,
    "outcome_state": outcomes.STATE,
}
EPERM, ENOSYS = 1, 38


@pytest.fixture(scope="module")
def header() -> str:
    return (bpf_directory() / "outcomes.h").read_text()


@pytest.fixture(scope="module")
def compiler(header: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """
    What gcc says: sizes and offsets, each by the C expression for it.
    """
    expressions = []
    for name in RECORDS:
        expressions.append(f"sizeof(struct {name})")
        members = members_of(name, header)
        expressions += [f"__builtin_offsetof(struct {name}, {member})" for member in members]
    lines = [f'\tprintf("%lu\\n", (unsigned long)({one}));' for one in expressions]
    source = tmp_path_factory.mktemp("outcomes") / "sizes.c"
    source.write_text(
        "#include <linux/types.h>\n#include <stdio.h>\n"
        f'#include "{bpf_directory()}/outcomes.h"\n'
        "int main(void)\n{\n" + "\n".join(lines) + "\n}\n"
    )
    program = source.with_suffix("")
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", str(program), str(source)], check=True)
    done = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    return dict(zip(expressions, map(int, done.stdout.split())))


@pytest.mark.parametrize("name", RECORDS)
def test_records_lie_as_the_compiler_has_them(compiler: dict[str, int], header: str, name: str):
    """
    A record has the size that it has in C, and so has each field its place; none is missing.
    """
    members = members_of(name, header)
    places = [compiler[f"__builtin_offsetof(struct {name}, {member})"] for member in members]
    found = offsets_of(RECORDS[name])
    if name == "outcome_key":
        del found[-1]  # `reserved`, which is a number here

    assert RECORDS[name].size == compiler[f"sizeof(struct {name})"]
    assert found == places


def test_every_structure_is_mirrored(header: str):
    """
    A structure that is added to the header is missed here.
    """
    assert set(re.findall(r"^struct (\w+) {", header, re.MULTILINE)) == set(RECORDS)


@pytest.mark.parametrize(
    "ended, is_unfinished",
    [
        (Ended(3, {ENOSYS: 3}), False),
        (Ended(3, {ENOSYS: 2, EPERM: 1}), False),
        (Ended(3, {ENOSYS: 2}), True),
        (Ended(1, {}), True),
        (Ended(2, {ENOSYS: 3}), True),
        (Ended(1, {SUCCESS: 1, ENOSYS: 5}), False),
    ],
)
def test_a_call_is_finished_if_each_one_that_began_has_ended(ended: Ended, is_unfinished: bool):
    """
    What began and has not ended may end in anything, unless it has succeeded before, from when on
    beginnings are not counted.
    """
    assert ended.is_unfinished is is_unfinished
