"""
What `refine` adds for the kernel's sake, beside what the command asked for.
"""

from __future__ import annotations

from tests.unit.recordings import recording
from tests.unit.session.trials import allowing
from tracer import syscalls
from tracer.profile import model
from tracer.profile.generate import KERNEL_COMMENT
from tracer.session.kernel_additions import kernel_additions
from tracer.session.refinement import Addition, Asker, refined

SYNC = Addition("sync", frozenset({syscalls.X86_64}), (Asker("/bin/app", "app", 1),))


def test_what_the_profile_lacks_of_them_is_added():
    """
    What it allows, what was recorded and what is to be kept out is not among it.
    """
    allowed = allowing("time", "clock_gettime")

    added = kernel_additions([recording("read", "getcpu")], allowed, {"clock_getres"})

    assert added == ("gettimeofday", "restart_syscall")


def test_where_nothing_ran_nothing_is_added():
    """
    Without a recording no architecture is known.
    """
    assert kernel_additions([], allowing("read"), frozenset()) == ()


def test_they_have_a_group_of_their_own():
    """
    A call that the command asked for is not said to be the kernel's.
    """
    kernels = Addition("restart_syscall", frozenset(), ())
    asked = Addition("time", frozenset({syscalls.X86_64}), SYNC.askers)

    *_, added, kernel = refined(allowing("read"), [SYNC, kernels, asked], "an image").profile.rules

    assert (added.names, kernel.names) == (("sync", "time"), ("restart_syscall",))
    assert (kernel.action, kernel.comment) == (model.ALLOW, KERNEL_COMMENT)
