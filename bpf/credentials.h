/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The record that credentials.c tells user space: tracer/kernel/securebits.py mirrors this file.
 */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

struct credentials {
	__u32 thread;		/* as the host numbers it */
	__u32 securebits;
};

#endif
