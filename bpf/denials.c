/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which system calls a seccomp filter answers with an error.
 *
 * The sign. The kernel asks the filters before it reports the entry of a call (syscall_trace_enter,
 * kernel/entry/common.c), so a call that they answer is reported when it ends, and was not when it
 * began. Only calls that end in an error are looked at, and only of tasks that have a filter: fork
 * and execve end without one in the new task or program, and a signal's return, which may end in
 * any number, is reported when it begins like every other call. What was under way when this was
 * attached is not known to have begun either, so a task is judged from the end of its next call.
 *
 * Hot path. No helper is called for what is no denial: the mark of a call that has begun is in an
 * array, at a place that follows from where the task's registers are, which is the top of its kernel
 * stack and so its own. Two stacks may share a place; then the older mark is gone, a failed call of
 * its task cannot be judged, and is counted.
 *
 * A call that ends in its own number, and had not begun, was answered with SIGSYS (TRAP). Of LOG and
 * KILL user space hears from the audit messages; whose process that was is kept here for those that
 * have ended by then. A filter that answers with the error number 0 is not noticed.
 *
 * The map `threads` is the recorder's, where there is one.
 */
#include "denials.h"
#include "kernel.h"
#include "cgroup.h"
#include "path.h"

#define MAX_MARKS 65536		/* a power of two */
#define MAX_PLACES 1024
#define MAX_DENIALS 16384
#define MAX_DENIALS_EACH 1024	/* so that one container cannot take all the room there is */
#define MAX_PROGRAMS 4096
#define MAX_ENDED 4096
#define STACK_SHIFT 14		/* stacks are 16 KiB, and aligned to that: THREAD_SIZE */
#define MAX_ERRNO 4095
#define BEGUN 1ULL		/* the lowest bit of a mark; the others tell the task */

BPF_TASK_STORAGE(threads, struct thread);
BPF_ARRAY(marks, u64, MAX_MARKS);
BPF_HASH(places, struct place_key, struct denial_place, MAX_PLACES);
BPF_HASH(denials, struct denial_key, struct denial, MAX_DENIALS);
BPF_HASH(programs, struct executable_key, struct executable, MAX_PROGRAMS);
BPF_TABLE("lru_hash", u32, u64, ended, MAX_ENDED);	/* process: its place's id */
BPF_ARRAY(denial_state, struct denial_state, 1);
BPF_PERCPU_ARRAY(blank_path, struct executable, 1);
BPF_PERCPU_ARRAY(blank_cgroup, struct cgroup_name, 1);

/*
 * What tells a task by its registers: how far they are from a fixed place. The verifier allows no
 * arithmetic on an address but to take one from another.
 */
static __always_inline u64 distance(const u64 *ctx, const struct denial_state *fixed)
{
	return ctx[0] - (u64)fixed;
}

static __always_inline u64 *mark_at(u64 distance)
{
	u32 index = (distance >> STACK_SHIFT) & (MAX_MARKS - 1);

	return marks.lookup(&index);
}

int on_enter(u64 *ctx)
{
	u32 zero = 0;
	struct denial_state *fixed = denial_state.lookup(&zero);
	u64 self, *mark;

	if (!fixed)
		return 0;
	self = distance(ctx, fixed);
	mark = mark_at(self);
	if (mark)
		*mark = self | BEGUN;
	return 0;
}

/* Where the current task is; NULL: there is no room for one place more. */
static __always_inline struct denial_place *place_of_task(const void *task)
{
	u32 zero = 0;
	struct place_key key = {};
	struct denial_place fresh = {.id = bpf_ktime_get_ns()};
	struct cgroup_name *name = blank_cgroup.lookup(&zero);
	struct denial_place *found;

	if (name && is_containers(cgroup2_of(task), name))
		__builtin_memcpy(key.word, name->key.word, sizeof(key.word));
	key.namespace = namespace_at(task, level_of(task));
	found = places.lookup(&key);
	if (found)
		return found;
	places.insert(&key, &fresh);
	return places.lookup(&key);
}

static __always_inline u64 program_of(u64 place, const void *task)
{
	u32 zero = 0;
	struct executable *path = blank_path.lookup(&zero);
	struct executable_key key = {.recording = place};

	if (!path)
		return EXECUTABLE_UNKNOWN;
	key.executable = read_path(path, task, program_file(task));
	path->first = bpf_ktime_get_boot_ns();
	if (!programs.lookup(&key) && programs.insert(&key, path))
		return EXECUTABLE_UNKNOWN;
	return key.executable;
}

static __always_inline void describe(struct denial *denial, const void *task,
				     const void *registers)
{
	denial->arguments[0] = argument(registers, REGISTERS_FIRST);
	denial->arguments[1] = argument(registers, REGISTERS_SECOND);
	denial->arguments[2] = argument(registers, REGISTERS_THIRD);
	denial->arguments[3] = argument(registers, REGISTERS_FOURTH);
	denial->arguments[4] = argument(registers, REGISTERS_FIFTH);
	denial->arguments[5] = argument(registers, REGISTERS_SIXTH);
	denial->last = bpf_ktime_get_boot_ns();
	denial->process = process_of(task);
	denial->thread = number_at(task, level_of(task));
	bpf_get_current_comm(denial->comm, sizeof(denial->comm));
}

/* One more denial of a kind. */
static __always_inline void count(struct denial_place *place, struct denial_key *key,
				  const void *task, const void *registers)
{
	struct denial *known = denials.lookup(key), fresh = {.count = 1};

	if (known) {
		describe(known, task, registers);
		__sync_fetch_and_add(&known->count, 1);
		return;
	}
	describe(&fresh, task, registers);
	fresh.first = fresh.last;
	if (place->denials >= MAX_DENIALS_EACH || denials.insert(key, &fresh))
		__sync_fetch_and_add(&place->lost, 1);
	else
		__sync_fetch_and_add(&place->denials, 1);
}

static __always_inline void denied(void *task, const u64 *ctx)
{
	u32 zero = 0;
	const void *registers = (const void *)ctx[0];
	struct denial_state *state = denial_state.lookup(&zero);
	struct denial_place *place = place_of_task(task);
	struct thread *self = threads.task_storage_get(task, 0, 0);
	struct denial_key key = {
		.architecture = is_compat(task) ? COMPAT : NATIVE,
		.number = (u32)DIRECT(u64, registers, REGISTERS_NUMBER),
		.error = (s64)ctx[1] < 0 ? (s32)ctx[1] : TRAPPED,
	};

	if (!place) {
		if (state)
			__sync_fetch_and_add(&state->places_lost, 1);
		return;
	}
	key.place = place->id;
	key.executable = program_of(place->id, task);
	if (self)
		key.recording = self->verdict.open ? self->verdict.recording : 0;
	count(place, &key, task, registers);
}

/* Whether a call may have ended in what a filter answers: an error, or its own number. */
static __always_inline bool is_answer(const void *registers, s64 result)
{
	if (result < 0)
		return result >= -MAX_ERRNO;
	return result == (s64)DIRECT(u64, registers, REGISTERS_NUMBER);
}

int on_leave(u64 *ctx)
{
	u32 zero = 0;
	struct denial_state *state = denial_state.lookup(&zero);
	u64 self, before, *mark;
	void *task;

	if (!state)
		return 0;
	self = distance(ctx, state);
	mark = mark_at(self);
	if (!mark)
		return 0;
	before = *mark;
	*mark = self;
	if (before == (self | BEGUN) || !is_answer((const void *)ctx[0], (s64)ctx[1]))
		return 0;
	task = (void *)bpf_get_current_task_btf();
	if (!filter_count(task) || is_killed_by_filter(task))
		return 0;
	if (before == self)
		denied(task, ctx);
	else if (before)
		__sync_fetch_and_add(&state->unsure, 1);
	return 0;
}

int on_end(u64 *ctx)
{
	void *task = (void *)ctx[0];
	u32 process = process_of(task);
	struct denial_place *place = filter_count(task) ? place_of_task(task) : NULL;

	if (place)
		ended.update(&process, &place->id);
	return 0;
}
