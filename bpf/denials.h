/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The records that denials.c and user space share: tracer/kernel/denials.py mirrors this file.
 */
#ifndef DENIALS_H
#define DENIALS_H

#include "recorder.h"

/* struct denial_key.error, but for error numbers, which are below 0. */
#define TRAPPED 0		/* it got SIGSYS, and its number back */
#define KILLED 1		/* its thread, or whole process, was killed */
#define UNSEEN 2		/* a vsyscall: the filter was asked, and its answer is not to be seen */

/*
 * Where denials happened: a container, by its cgroup's name, or else by the outermost PID namespace
 * that is not the watcher's own. Inode numbers are reused, so the latter has its birth too. Beside
 * the recorder that stays, a place is a recording: its id is there as `born`, and nothing else.
 */
struct place_key {
	__u64 word[8];		/* the container's id, or zeros */
	__u64 born;		/* of the namespace's first process: ns, CLOCK_BOOTTIME */
	__u32 namespace;	/* its inode number; 0 if there is an id */
	__u32 reserved;
};

struct denial_place {
	__u64 id;		/* what keys of denials and programs name it by */
	__u64 denials;		/* kinds of them that are kept */
	__u64 programs;		/* that have their path kept */
	__u64 lost;		/* denials of a kind that there was no room for */
	__u32 keeper;		/* the last one's: see struct end */
	__u32 reserved;
	__u64 launch;		/* key in started_for of what the keeper was started for; 0: not known */
};

/* Where a process was that has ended. */
struct end {
	struct place_key place;
	__u32 keeper;		/* who keeps the namespace's first process; 0: not needed, there is an id */
	__u32 reserved;
	__u64 launch;		/* as in struct denial_place */
};

/* One kind of denial. */
struct denial_key {
	__u64 place;
	__u64 recording;	/* that the task counts for; 0: none */
	__u64 executable;
	__u32 architecture;	/* AUDIT_ARCH_* */
	__u32 number;
	__s32 error;		/* what was answered: an error number, below 0; TRAPPED; KILLED; UNSEEN */
	__u32 reserved;
};

struct denial {
	__u64 count;
	__u64 first;		/* ns, CLOCK_BOOTTIME */
	__u64 last;
	__u64 arguments[6];	/* of the last one */
	__u32 process;		/* the last one's, as the host numbers it */
	__u32 thread;		/* as its innermost PID namespace numbers it */
	char comm[COMM_SIZE];
};

/* Counters of the whole watch, one element. */
struct denial_state {
	__u64 denials;		/* so that user space need not look when there are no new ones */
	__u64 unsure;		/* failed calls of filtered tasks that could not be judged */
	__u64 places_lost;
};

#endif
