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
    What runs where cap_capable returns compiles on every kernel, and is not what runs at the
    tracepoint: the arguments are others.
    """
    at_return, at_tracepoint = code_of(checks.AT_RETURN), code_of(checks.SOURCE)

    assert at_return and at_tracepoint
    assert at_return != at_tracepoint
