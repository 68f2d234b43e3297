/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Of each thread on the host its securebits, which the kernel tells to nobody but the thread itself
 * (PR_GET_SECUREBITS, prctl(2)), and in no file of /proc.
 *
 * An iterator (since 5.8): it runs when user space reads, once for each thread, and once more without
 * one at the end. Nothing is attached to anything.
 */
#include "credentials.h"
#include "kernel.h"

int on_task(u64 *ctx)
{
	const void *meta = (const void *)ctx[0];	/* struct bpf_iter_meta: its first member is seq */
	const void *task = (const void *)ctx[1];
	struct credentials told = {};

	if (!task)
		return 0;
	told.thread = DIRECT(u32, task, TASK_PID);
	told.securebits = peek_word(peek(task, TASK_REAL_CRED), CRED_SECUREBITS);
	bpf_seq_write(DIRECT(struct seq_file *, meta, 0), &told, sizeof(told));
	return 0;
}
