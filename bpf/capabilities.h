/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The records that capabilities.c and user space share: tracer/kernel/checks.py mirrors this file.
 */
#ifndef CAPABILITIES_H
#define CAPABILITIES_H

#include "recorder.h"

#define FRAMES 6
#define EXTENTS 5		/* UID_GID_MAP_MAX_BASE_EXTENTS: more of them are elsewhere */

/* struct check_key.namespace: whose user namespace was asked about. */
#define HOSTS 0			/* the initial one */
#define CONTAINERS 1		/* that of the recording's first program, which is not the initial one */
#define INNER 2			/* another one: made inside, or seen from outside of the container's */

/* struct check_key.audit: whether the kernel means it. */
#define UNTOLD 0		/* the function on the stack tells, if it has a name */
#define AUDITED 1
#define UNAUDITED 2		/* CAP_OPT_NOAUDIT */

/* struct check_key.site of memory accounting (security_vm_enough_memory_mm), told without a stack. */
#define OVERCOMMIT 1

/* One kind of check. */
struct check_key {
	__u64 recording;
	__u64 executable;
	__u64 site;		/* a hash of the frames: who asked */
	__u32 architecture;	/* AUDIT_ARCH_* */
	__u32 number;		/* IMPOSSIBLE: outside of a system call, too */
	__u8 capability;
	__u8 namespace;
	__u8 granted;
	__u8 idle;		/* the call's own arguments say that the answer makes no difference */
	__u32 audit;
};

struct check {
	__u64 count;
	__u64 first;		/* ns, CLOCK_BOOTTIME */
	__u64 frames[FRAMES];	/* return addresses, innermost first, of the first one; 0: no more */
	__u32 thread;		/* as its innermost PID namespace numbers it */
	__u32 reserved;
	char comm[COMM_SIZE];
};

/* What a recording's first program held, from its first execve inside the window. */
struct holder {
	__u64 inheritable;
	__u64 permitted;
	__u64 effective;
	__u64 bounding;
	__u64 ambient;
	__u64 namespace;	/* its struct user_namespace */
	__u64 checks;		/* kinds of them that are kept */
	__u64 lost;		/* checks of a kind that there was no room for */
	__u64 since;		/* the first of all: ns, CLOCK_BOOTTIME */
	__u64 executable;	/* whose execve gave it this; EXECUTABLE_UNKNOWN: nobody saw that */
	__u32 user;		/* effective uid, as the host numbers it */
	__u32 level;		/* user namespaces above its own: 0 for the host's */
	__u32 real_user;
	__u32 securebits;
	__u32 uid_map[3 * EXTENTS];	/* struct uid_gid_extent: inside, outside, count */
	__u32 extents;		/* how many there are */
};

/* One element. */
struct check_state {
	__u64 lost;		/* checks of recordings that there was no room for */
};

#endif
