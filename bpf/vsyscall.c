/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of recorder.c: system calls that are made through the vsyscall page, and count as any other.
 *
 * A vsyscall counts as x86-64's call of its name. Whether the filter lets it through is not visible.
 * Not every kernel has the tracepoint, and no arm64 one, so the program is optional.
 */
#include "vsyscall.h"

int on_vsyscall(u64 *ctx)
{
	u32 number = call_of_vsyscall(VSYSCALL(ctx));
	u64 entry[3] = {0, number, number};	/* as sys_enter has it: at 8, or EVENT_NUMBER (8 or 16) */
	void *task = (void *)bpf_get_current_task_btf();
	struct thread *self = threads.task_storage_get(task, 0, 0);
	u32 zero = 0;
	struct switches *now = switches.lookup(&zero);

	if (!now || number == NO_VSYSCALL)
		return PASS;
	if (!self || !self->verdict.recording || now->strays)
		self = newcomer(task, self);
	if (self && self->verdict.recording)
		consider(self, task, entry);
	return PASS;
}
