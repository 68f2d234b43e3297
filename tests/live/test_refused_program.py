"""
Live test of what is said of a program that the kernel's verifier refuses.
"""

from __future__ import annotations

import struct

import pytest

from tracer.kernel import bpf, btf, layout

MOVE, ADD, JUMP_UNLESS_ABOVE, EXIT = 0xB7, 0x07, 0xB5, 0x95  # include/uapi/linux/bpf_common.h


def instruction(code: int, offset: int = 0, value: int = 0) -> bytes:
    """
    An instruction on register 0: struct bpf_insn.
    """
    return struct.pack("=BBhi", code, 0, offset, value)


ENDLESS = (
    instruction(MOVE)
    + instruction(ADD, value=1)
    + instruction(JUMP_UNLESS_ABOVE, offset=-2, value=0x7FFFFFFF)
    + instruction(EXIT)
)


def test_the_verifiers_reason_is_told_though_its_log_has_no_room(monkeypatch: pytest.MonkeyPatch):
    """
    Of a program with a million steps, each of which is in the verifier's log, the end is told: why
    it is refused.
    """
    monkeypatch.setattr(bpf, "LOG_SIZE", 4096)
    target = layout.tracepoint_type(btf.read(), "sched_process_exit")

    with pytest.raises(bpf.VerifierError) as caught:
        bpf.load_tracing("endless", ENDLESS, target)

    assert "too large" in caught.value.log.splitlines()[-1]
