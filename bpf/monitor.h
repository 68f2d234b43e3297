/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Container monitors: conmon, whose command line names the container, its id and its runtime.
 *
 * Anybody may call a program so: user space decides whom it believes.
 */
#ifndef MONITOR_H
#define MONITOR_H

#include "recorder.h"

/* Whether the current task is one. */
static __always_inline bool is_conmon(void)
{
	char comm[COMM_SIZE];

	bpf_get_current_comm(comm, sizeof(comm));
	return comm[0] == 'c' && comm[1] == 'o' && comm[2] == 'n' && comm[3] == 'm' &&
	       comm[4] == 'o' && comm[5] == 'n' && !comm[6];
}

/* The command line of the current task, which is `task`. */
static __always_inline void read_launch(struct launch *launch, const void *task)
{
	const void *arguments;
	u64 length = argument_bytes(task, &arguments);

	launch->length = 0;
	launch->process = process_of(task);
	if (length >= ARGUMENTS_SIZE)
		length = ARGUMENTS_SIZE - 1;
	if (!bpf_probe_read_user(launch->arguments, length & (ARGUMENTS_SIZE - 1), arguments))
		launch->length = length;
}

#endif
