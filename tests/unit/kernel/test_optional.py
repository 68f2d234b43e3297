"""
Programs for tracepoints that not every kernel has.
"""

from __future__ import annotations

from types import MappingProxyType

import pytest

from tests.unit.kernel.btf_blob import kernel_of
from tracer.errors import HostError
from tracer.kernel import denials, layout, program
from tracer.kernel.btf import TypeInformation

TYPES = TypeInformation(kernel_of("x86_64"))  # its only tracepoint is sys_enter


def source(**optional: str) -> program.Source:
    programs = MappingProxyType({"on_enter": "sys_enter", **optional})
    return program.Source("some.c", programs, (), optional=frozenset(optional))


def test_a_tracepoint_is_there_or_not():
    """
    That a kernel lacks a tracepoint can be asked without an error.
    """
    assert layout.has_tracepoint(TYPES, "sys_enter")
    assert not layout.has_tracepoint(TYPES, "emulate_vsyscall")


def test_an_optional_program_is_left_out_where_it_has_no_place():
    """
    A kernel without vsyscalls, as arm64's, loads all the others.
    """
    assert program.present(TYPES, source(on_vsyscall="emulate_vsyscall")) == ["on_enter"]
    assert program.present(TYPES, source(also="sys_enter")) == ["on_enter", "also"]


def test_any_other_program_without_a_place_is_an_error():
    """
    What is not optional is attached or named as missing.
    """
    needs = program.Source("some.c", MappingProxyType({"on_leave": "sys_exit"}), ())

    assert program.present(TYPES, needs) == ["on_leave"]
    with pytest.raises(HostError, match="tracepoint sys_exit"):
        layout.tracepoint_type(TYPES, needs.programs["on_leave"])


@pytest.mark.parametrize("loaded", [program.RECORDER, denials.SOURCE])
def test_only_what_watches_vsyscalls_is_optional(loaded: program.Source):
    """
    The recorder and `watch` miss nothing else that a kernel may lack.
    """
    assert [loaded.programs[name] for name in loaded.optional] == ["emulate_vsyscall"]
