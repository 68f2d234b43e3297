/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The records that the kernel side and user space share.
 *
 * tracer/kernel/wire.py mirrors this file and nothing else does; a test compares sizes and offsets.
 * Structures and constants only: bcc rewrites no header, so nothing here may touch a map.
 */
#ifndef RECORDER_H
#define RECORDER_H

#define COMM_SIZE 16
#define CONTAINER_ID_SIZE 64
#define PATH_SIZE 512
#define COMPONENT_SIZE 256
#define ARGUMENTS_SIZE 1024
#define REQUEST_SIZE 192

/* struct recording.kind: what made it begin. */
#define COMMAND 1	/* user space named its first task: a command's process tree */
#define NAMESPACE 2	/* a PID namespace was born */
#define CGROUP 3	/* a task entered the cgroup of a container */
#define ADOPTED 4	/* user space named its tasks, which were running already */

/* Executables that are no path; every other id is a hash of one. */
#define EXECUTABLE_UNKNOWN 0
#define EXECUTABLE_RUNTIME 1	/* inside the window, before the first execve there */

/* What stands for all numbers that no kernel has: a task could make four thousand million. */
#define IMPOSSIBLE 0xffffffff

/* A path as the task's root directory shows it: components, innermost first, each ended by \0. */
struct executable {
	__u64 first;
	__u32 length;		/* bytes of components */
	__u32 cut;		/* 1: outer components did not fit */
	char components[PATH_SIZE];
};

/* One recording: a container, or a command's process tree. Key: its id, a time of CLOCK_MONOTONIC. */
struct recording {
	__u64 outer;		/* the command's recording in whose tree it began; 0: none */
	__u64 launcher;		/* key in launches: the conmon that started it; 0: none known */
	__u64 root;		/* struct dentry of its root directory, if unfiltered */
	__u64 born;		/* ns, CLOCK_BOOTTIME, as every time here */
	__u64 last_exit;	/* when a task of it last ended */
	__u64 newest;		/* when a call was last seen for the first time */
	__s64 alive;		/* tasks now in its scope */
	__u64 observations;
	__u64 executables;
	__u64 lost;		/* observations that no map had room for */
	__u64 unnamed;		/* executables that no map had room for */
	__u64 strays;		/* tasks whose storage could not be allocated when they were born */
	__u64 lost_tasks;	/* tasks that could not be followed at all */
	__u64 namespace_born;	/* when its PID namespace's first process was; 0: unknown */
	__u32 kind;
	__u8 filtered;		/* a window opened because a filter was loaded */
	__u8 unfiltered;	/* a window opened at an execve, without a filter */
	__u8 no_new_privs;	/* set when the runtime executed the container's program */
	__u8 outsider;		/* a program was executed in a filtered scope without its filter */
	__u32 newest_architecture;
	__u32 newest_number;
	__u32 namespace;	/* inode number of its PID namespace; 0: it has none of its own */
	__u32 first_process;	/* the first task, as the host numbers it */
	__u32 user;		/* who made it begin: user id on the host */
	__u32 late;		/* its tasks had run before */
	char maker[COMM_SIZE];	/* comm of the runtime, as near to the container as was seen */
	char container[CONTAINER_ID_SIZE];	/* 64 hexadecimal digits from its cgroup, or zeros */
	__u64 runtime_inode;	/* of the file that its runtime was executed from; 0: unknown */
	struct executable runtime;	/* that file; `first`: when its monitor executed it */
};

struct observation_key {
	__u64 recording;
	__u64 executable;
	__u32 architecture;	/* AUDIT_ARCH_*, include/uapi/linux/audit.h */
	__u32 number;		/* as the task gave it, bit 30 (x32) included; or IMPOSSIBLE */
};

struct observation {
	__u64 first;
	__u32 thread;		/* as its innermost PID namespace numbers it */
	__u32 reserved;
	char comm[COMM_SIZE];
};

struct executable_key {
	__u64 recording;
	__u64 executable;
};

/* The command line of a conmon: it names the container's id, name and runtime. */
struct launch {
	__u32 length;
	__u32 process;
	char arguments[ARGUMENTS_SIZE];
};

/* The beginning of an HTTP request that a task of a command's tree wrote. */
struct request {
	__u64 recording;
	char text[REQUEST_SIZE];
};

/* What a task counts for. */
struct verdict {
	__u64 recording;	/* 0: not ours */
	__u64 outer;		/* what its calls count for until the window opens; 0: nothing */
	__u64 executable;
	__u64 launcher;
	__u64 root;		/* struct dentry of its root directory when its lineage entered */
	__u32 base;		/* seccomp.filter_count when its lineage entered the scope */
	__u8 open;		/* the window is open */
	__u8 command;		/* the recording is a command's tree, not a container's */
	__u8 adopted;		/* put here by user space, and not yet among the recording's `alive` */
	__u8 reserved;
};

/* A thread's task-local storage. */
struct thread {
	struct verdict verdict;
	__u64 seen[2][8];	/* native and 32-bit calls already reported for this executable */
};

/* What recordings that other users than root made begin hold of the maps, one element. */
struct share {
	__u64 recordings;
	__u64 observations;
	__u64 executables;
};

/* Kernel-wide counters, one element. */
struct state {
	__u64 strays;		/* tasks waiting in the strays map, ever */
	__u64 recordings_lost;	/* recordings that could not begin: the map was full */
	__u64 namespaces_lost;
	__u64 requests_lost;	/* of commands to engines: a container may not be known as theirs */
	__u64 dropped;		/* recordings that were over, and gave way to newer ones */
	__u64 queued_recordings;	/* keys in the queue of each map */
	__u64 queued_observations;
	__u64 queued_executables;
};

/*
 * What user space may write at any time, one element. It makes a generation of its own by writing
 * the time, CLOCK_MONOTONIC: the kernel side counts on from there.
 */
struct switches {
	__u64 generation;	/* how often a verdict, or what it made known, has changed */
	__u32 strays;		/* there may be tasks in the strays map */
	__u32 resident;		/* every container is somebody's: what engines start is noted */
};

#endif
