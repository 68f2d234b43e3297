"""
Live test of noting capability checks where the kernel has no tracepoint for them.

That it notes what it should is what test_caps_required.py shows on such a kernel: see
scripts/old-kernel.
"""

from __future__ import annotations

from tracer.kernel import btf, checks, layout, program


def code_of(source: program.Source) -> bytes:
    """
    The instructions of what runs at each check, for the running kernel's layout.
    """
    values = {**layout.constants(btf.read()), **checks.constants_of(source)}
    image = program.compiled(source, [f"-D{name}={value}" for name, value in values.items()])
    return image.programs["on_check"].code


def test_what_runs_at_the_functions_return_compiles():
    """
    What runs where cap_capable returns, or begins, compiles on every kernel, and is not what runs
    at the tracepoint: the arguments are others.
    """
    ways = [code_of(way) for way in (checks.AT_RETURN, checks.AT_ENTRY, checks.SOURCE)]

    assert all(ways)
    assert len(set(ways)) == len(ways)
