/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Calls that a program makes by executing an address of x86-64's vsyscall page.
 *
 * The kernel emulates them in its page fault handler and asks seccomp about the call that each stands
 * for (emulate_vsyscall, arch/x86/entry/vsyscall/vsyscall_64.c); neither entry nor exit of a call is
 * reported. The tracepoint vsyscall:emulate_vsyscall comes before seccomp is asked. A caller whose
 * stack or pointer is bad gets a signal instead: it is taken for one that asked.
 */
#ifndef VSYSCALL_H
#define VSYSCALL_H

#define NO_VSYSCALL 0	/* an address in the page that is none; read(2) has that number and no vsyscall */

/* The number of the call that a vsyscall stands for: gettimeofday, time, getcpu of x86-64. */
static __always_inline u32 call_of_vsyscall(s32 vsyscall)
{
	if (vsyscall == 0)
		return 96;
	if (vsyscall == 1)
		return 201;
	return vsyscall == 2 ? 309 : NO_VSYSCALL;
}

#endif
