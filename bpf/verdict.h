/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What all programs read of a task's verdict, which the recorder writes.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "recorder.h"

/* The recording that what a task does counts for now; 0: none. */
static __always_inline u64 target(const struct verdict *self)
{
	return self->open ? self->recording : self->outer;
}

#endif
