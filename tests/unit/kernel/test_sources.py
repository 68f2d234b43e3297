"""
Tests of where the C of the kernel side is found. That a wheel has it: tests/live/test_wheel.py.
"""

from __future__ import annotations

from pathlib import Path

from tracer.kernel.sources import bpf_directory

CHECKOUT = Path(__file__).parents[3]


def test_a_checkout_uses_its_own_sources():
    """
    In a checkout the sources are those in `bpf/`, by a path without links.
    """
    assert bpf_directory() == CHECKOUT.resolve() / "bpf"
    assert (bpf_directory() / "include").is_dir()
