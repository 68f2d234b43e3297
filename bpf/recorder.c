/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The kernel side of seccomp-trace: which system calls the tasks of a scope make inside the window.
 *
 * Truth is in the maps, never in a stream. What could not be kept is counted where it was lost.
 *
 * Written in bcc's dialect, compiled by bcc, loaded by tracer/kernel/program.py as BTF raw
 * tracepoints: their arguments may be read directly and may own task storage. bcc rewrites only
 * this file and the parts of it (*.c) that are included, which the loader puts in their places; so
 * whatever dereferences a kernel pointer is in kernel.h, and whatever looks into a map is not.
 *
 * The caller defines MAX_RECORDINGS, MAX_OBSERVATIONS and MAX_EXECUTABLES, and for one recording
 * MAX_OBSERVATIONS_EACH and MAX_EXECUTABLES_EACH, so that one cannot take all the room there is:
 * past the latter its executables have no names, past the former its calls are lost, and counted.
 */
#include "recorder.h"
#include "kernel.h"
#include "event.h"
#include "verdict.h"
#include "monitor.h"
#include "cgroup.h"
#include "path.h"

#define MAX_STRAYS 8192
#define MAX_LAUNCHES 2048
#define MAX_REQUESTS 4096
#define SHARE(entries) ((entries) / 4)	/* of what other users than root make begin */

BPF_TASK_STORAGE(threads, struct thread);
BPF_HASH(strays, u32, struct thread, MAX_STRAYS);
BPF_HASH(recordings, u64, struct recording, MAX_RECORDINGS);
BPF_HASH(observations, struct observation_key, struct observation, MAX_OBSERVATIONS);
BPF_HASH(executables, struct executable_key, struct executable, MAX_EXECUTABLES);
BPF_HASH(namespaces, u32, u64, MAX_RECORDINGS);
BPF_HASH(containers, struct container_key, u64, MAX_RECORDINGS);
BPF_TABLE("lru_hash", u64, struct launch, launches, MAX_LAUNCHES);
BPF_TABLE("lru_hash", u64, struct launch, others_launches, MAX_LAUNCHES);	/* by others than root */
BPF_HASH(requests, struct request, u64, MAX_REQUESTS);
BPF_HASH(claims, u64, u64, MAX_RECORDINGS);
BPF_ARRAY(others, struct share, 1);
BPF_ARRAY(state, struct state, 1);
BPF_ARRAY(switches, struct switches, 1);

/* The keys of three maps, the oldest first. */
BPF_QUEUE(oldest_recordings, u64, MAX_RECORDINGS);
BPF_QUEUE(oldest_observations, struct observation_key, MAX_OBSERVATIONS);
BPF_QUEUE(oldest_executables, struct executable_key, MAX_EXECUTABLES);

/*
 * Room for what is too large for the stack. Two programs use some of it, and have an element each:
 * with PREEMPT_RT a new task may be born while another one is preempted that enters a cgroup.
 */
#define BY_FORK 0
#define BY_ATTACH 1
BPF_PERCPU_ARRAY(blank_recording, struct recording, 2);
BPF_PERCPU_ARRAY(blank_executable, struct executable, 1);
BPF_PERCPU_ARRAY(blank_launch, struct launch, 1);
BPF_PERCPU_ARRAY(blank_request, struct request, 1);
BPF_PERCPU_ARRAY(blank_thread, struct thread, 2);
BPF_PERCPU_ARRAY(blank_name, struct cgroup_name, 2);

/* What processors know of tasks is out of date: a verdict has changed, or a task was born. */
static __always_inline void estrange(void)
{
	u32 zero = 0;
	struct switches *now = switches.lookup(&zero);

	if (now)
		__sync_fetch_and_add(&now->generation, 1);
}

static __always_inline void forget_calls(struct thread *self)
{
	__builtin_memset(self->seen, 0, sizeof(self->seen));
	estrange();
}

/* The task now counts for another recording, whose window is not yet open for it. */
static __always_inline void join(struct verdict *self, u64 recording, const void *task)
{
	if (self->command)
		self->outer = self->open ? self->recording : 0;
	self->recording = recording;
	self->command = 0;
	self->open = 0;
	self->base = filter_count(task);
	self->root = root_directory(task);
}

#include "room.c"
#include "runtime.c"
#include "scope.c"
#include "window.c"
#include "calls.c"
#include "vsyscall.c"
