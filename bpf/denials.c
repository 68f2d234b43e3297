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
 * Neither is a call reported that a tracer emulates (PTRACE_SYSEMU), or one of a task that is killed
 * while it tells its tracer of the call: both are left out.
 *
 * Hot path. No helper is called for what is no denial: the mark of a call that has begun is in an
 * array, at a place that follows from where the task's registers are, which is the top of its kernel
 * stack and so its own. Two stacks may share a place; then the older mark is gone, a failed call of
 * its task cannot be judged, and is counted.
 *
 * A call that had not begun and ends with its registers as they were was answered with SIGSYS (TRAP:
 * syscall_rollback). Who was killed by a filter says so (seccomp.mode) then, or when it ends. Of LOG,
 * and of which kind of KILL it was, user space hears from the audit messages; whose process that was
 * is kept here for those that have ended by then. A filter that answers with the error number 0, or
 * whose supervisor (USER_NOTIF) answers with a success, is not noticed.
 *
 * A vsyscall has neither entry nor exit. That a filter was asked about one is all that is to be seen,
 * and counted as such, whether it was denied or not.
 *
 * Beside the recorder that stays (RESIDENT) there is no such user space: a place is one of its
 * recordings; and the maps drop what has long not been counted, of which user space finds some
 * missing. What is not root's has maps of its own, since anybody can make PID namespaces, and
 * denials, by the thousand.
 *
 * The map `threads` is the recorder's, where there is one. No other map here has a name of one of
 * the recorder's: beside the one that stays they are pinned in one directory.
 */
#include "denials.h"
#include "kernel.h"
#include "vsyscall.h"
#include "event.h"
#include "owner.c"

#define MAX_MARKS 65536		/* a power of two */
#define MAX_DENIALS_EACH 1024	/* so that one container cannot take all the room there is */
#define MAX_ENDED 4096
#define STACK_SHIFT 14		/* stacks are 16 KiB, and aligned to that: THREAD_SIZE */
#define MAX_ERRNO 4095
#define EXISTS -17		/* somebody on another processor was faster */
#define BEGUN 1ULL		/* the lowest bits of a mark; the others tell the task */
#define TOLD 2ULL		/* that the task was killed */
#define NO_CALL ((u32)-1)	/* in place of a number */

#include "places.c"

BPF_TASK_STORAGE(threads, struct thread);
BPF_ARRAY(marks, u64, MAX_MARKS);
#ifdef RESIDENT
BPF_TABLE("lru_hash", struct denial_key, struct denial, denials, MAX_DENIALS);
BPF_TABLE("lru_hash", struct denial_key, struct denial, others_denials, MAX_OTHERS_DENIALS);
#else
BPF_HASH(denials, struct denial_key, struct denial, MAX_DENIALS);
BPF_TABLE("lru_hash", u32, struct end, ended, MAX_ENDED);	/* by process */
#endif
BPF_ARRAY(denial_state, struct denial_state, 1);

/*
 * What tells a task by its registers: how far they are from a fixed place. The verifier allows no
 * arithmetic on an address but to take one from another.
 */
static __always_inline u64 distance(const void *registers, const struct denial_state *fixed)
{
	return (u64)registers - (u64)fixed;
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
		return PASS;
	self = distance(REGISTERS(ctx), fixed);
	mark = mark_at(self);
	if (mark)
		*mark = self | BEGUN;
	return PASS;
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

static __always_inline struct denial *known_denial(const struct denial_key *key, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_denials.lookup(key);
#endif
	return denials.lookup(key);
}

static __always_inline long add_denial(struct denial_key *key, struct denial *fresh, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_denials.insert(key, fresh);
#endif
	return denials.insert(key, fresh);
}

static __always_inline bool count_known(const struct denial_key *key, const void *task,
					const void *registers, u8 owner)
{
	struct denial *known = known_denial(key, owner);

	if (!known)
		return false;
	describe(known, task, registers);
	__sync_fetch_and_add(&known->count, 1);
	return true;
}

/* One more denial of a kind. */
static __always_inline void count(struct denial_place *place, struct denial_key *key,
				  const void *task, const void *registers, u8 owner)
{
	struct denial fresh = {.count = 1};
	long refused = -1;

	if (count_known(key, task, registers, owner))
		return;
	describe(&fresh, task, registers);
	fresh.first = fresh.last;
	if (place->denials < MAX_DENIALS_EACH)
		refused = add_denial(key, &fresh, owner);
	if (!refused)
		__sync_fetch_and_add(&place->denials, 1);
	else if (refused != EXISTS || !count_known(key, task, registers, owner))
		__sync_fetch_and_add(&place->lost, 1);
}

/* The recording that a task's denials count for; 0: none. */
static __always_inline u64 recording_of(void *task)
{
	struct thread *self = threads.task_storage_get(task, 0, 0);

	return self && self->verdict.open ? self->verdict.recording : 0;
}

static __always_inline void denied(void *task, const void *registers, u32 number, s32 answer,
				   struct denial_state *state)
{
	struct denial_place *place;
	struct denial_key key = {
		.recording = recording_of(task),
		.architecture = is_compat(task) ? COMPAT : NATIVE,
		.number = number,
		.error = answer,
	};
	u8 owner = owner_of(key.recording);

	if (owner == NOBODY)
		return;
	place = place_of_task(task, key.recording, owner);
	if (!place) {
		__sync_fetch_and_add(&state->places_lost, 1);
		return;
	}
	key.place = place->id;
	key.executable = program_of(place, task, owner);
	count(place, &key, task, registers, owner);
	__sync_fetch_and_add(&state->denials, 1);
}

/* Whether a call may have ended in what a filter answers. */
static __always_inline bool is_answer(const void *registers, s64 result)
{
	return (result < 0 && result >= -MAX_ERRNO) || (u64)result == left_by_trap(registers);
}

/* Whether no filter answered: the call is a tracer's business, or its task is as good as dead. */
static __always_inline bool is_void(const void *task)
{
	return is_emulated(task) || is_being_killed(task);
}

static __always_inline s32 answer_of(const void *task, const void *registers, u64 result)
{
	if (is_killed_by_filter(task))
		return KILLED;
	return result == left_by_trap(registers) ? TRAPPED : (s32)result;
}

int on_leave(u64 *ctx)
{
	u32 zero = 0;
	struct denial_state *state = denial_state.lookup(&zero);
	const void *registers = REGISTERS(ctx);
	u64 self, before, *mark;
	s32 answer;
	void *task;

	if (!state)
		return PASS;
	self = distance(registers, state);
	mark = mark_at(self);
	if (!mark)
		return PASS;
	before = *mark;
	*mark = self;
	if (before == (self | BEGUN) || !is_answer(registers, (s64)RESULT(ctx)))
		return PASS;
	task = (void *)bpf_get_current_task_btf();
	if (!filter_count(task))
		return PASS;
	answer = answer_of(task, registers, RESULT(ctx));
	if (answer == KILLED) {
		*mark = self | TOLD;
	} else if (!before || is_void(task)) {
		return PASS;
	} else if (before != self) {
		__sync_fetch_and_add(&state->unsure, 1);
		return PASS;
	}
	denied(task, registers, call_number(registers), answer, state);
	return PASS;
}

/*
 * A thread that is killed for itself, and not with its whole process, never leaves its last call. If
 * that was a vsyscall its number is gone (emulate_vsyscall), and it has been counted as unseen.
 */
static __always_inline void note_kill(void)
{
	void *task = (void *)bpf_get_current_task_btf();
	const void *registers;
	u32 zero = 0;
	struct denial_state *state = denial_state.lookup(&zero);
	u64 self, *mark;

	if (!state || !is_killed_by_filter(task) || !filter_count(task))
		return;
	registers = (const void *)bpf_task_pt_regs(task);
	if (call_number(registers) == NO_CALL)
		return;
	self = distance(registers, state);
	mark = mark_at(self);
	if (mark && *mark != (self | TOLD))
		denied(task, registers, call_number(registers), KILLED, state);
}

#ifdef RESIDENT
int on_end(u64 *ctx)
{
	note_kill();
	return PASS;
}
#else
int on_unseen(u64 *ctx)
{
	u32 zero = 0, number = call_of_vsyscall(VSYSCALL(ctx));
	void *task = (void *)bpf_get_current_task_btf();
	struct denial_state *state = denial_state.lookup(&zero);

	if (state && number != NO_VSYSCALL && filter_count(task))
		denied(task, (const void *)bpf_task_pt_regs(task), number, UNSEEN, state);
	return PASS;
}

int on_end(u64 *ctx)
{
	void *task = SELF(ctx);
	u32 process = process_of(task);
	struct end end = {};

	note_kill();
	if (is_last_thread(task))
		monitors.delete(&process);	/* another one may have that number next */
	if (!filter_count(task))	/* each thread has its own: the last one may have none */
		return PASS;
	end.keeper = name_place(&end.place, task);
	end.launch = launch_of(end.keeper);
	ended.update(&process, &end);
	return PASS;
}
#endif
