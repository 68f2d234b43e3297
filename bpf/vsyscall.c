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
	u64 entry[2] = {0, call_of_vsyscall((s32)ctx[0])};	/* as sys_enter tells it */
	void *task = (void *)bpf_get_current_task_btf();
	struct thread *self = threads.task_storage_get(task, 0, 0);
	u32 zero = 0;
	struct switches *now = switches.lookup(&zero);

	if (!now || entry[1] == NO_VSYSCALL)
		return 0;
	if (!self || !self->verdict.recording || now->strays)
		self = newcomer(task, self);
	if (self && self->verdict.recording)
		consider(self, task, entry);
	return 0;
}
