/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The records that outcomes.c and user space share: tracer/kernel/outcomes.py mirrors this file.
 */
#ifndef OUTCOMES_H
#define OUTCOMES_H

#include "recorder.h"

#define BEGUN 0xffffffff

/* One way in which calls of an observation ended, or that they began. */
struct outcome_key {
	__u64 recording;
	__u64 executable;	/* that made the call: execve ends in another one */
	__u32 architecture;	/* AUDIT_ARCH_* */
	__u32 number;
	__u32 error;		/* 0: it succeeded; 512 to 516: it was interrupted; or BEGUN */
	__u32 reserved;
};

/* How much of the room a recording has. */
struct outcome_room {
	__u64 kinds;		/* of calls that began and of ways in which they ended */
	__u64 lost;		/* that there was no room for */
};

/* One element. */
struct outcome_state {
	__u64 lost;		/* of recordings that there was no room for */
};

#endif
