/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * How the calls of the tasks that are recorded end: in success, or in which errors.
 *
 * What a call counts for is the recorder's verdict in the map `threads`, when the call begins: it is
 * kept with the task until the call ends, since a successful execve ends in another program. So a
 * call that ends without having begun is nobody's: one that a filter answers, the first return of a
 * new task, and what was under way when this was attached or the task was not yet ours.
 *
 * Nothing follows from what has not ended: exit never does, and what was under way when the maps
 * were read may end in anything. So beginnings are counted, and user space compares. Once a thread
 * has seen a call succeed that is settled, and not counted any more: then two look-ups in task
 * storage are all that the call costs.
 *
 * The return from a signal handler ends in what the interrupted program had in that register, and
 * tells so: no number is left in its registers (arch/x86/kernel/signal.c, arch/arm64/kernel/signal.c).
 *
 * The caller defines MAX_KINDS, MAX_ROOMS, and for one recording MAX_KINDS_EACH, so that one cannot
 * take all the room there is. What has none is counted: then nothing is known of that recording.
 */
#include "outcomes.h"
#include "kernel.h"
#include "event.h"
#include "verdict.h"

#define MAX_ERRNO 4095
#define MAX_SETTLED 512		/* numbers below have a bit */
#define NO_NUMBER 0xffffffff
#define EXISTS -17		/* somebody on another processor was faster */

/* A thread's call, from when it begins. */
struct flight {
	struct outcome_key call;	/* its beginning */
	__u64 settled[2][8];	/* native and 32-bit calls of this executable that have succeeded */
	__u64 under_way;
};

BPF_TASK_STORAGE(threads, struct thread);
BPF_TASK_STORAGE(flights, struct flight);
BPF_F_TABLE("hash", struct outcome_key, u64, counts, MAX_KINDS, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", u64, struct outcome_room, rooms, MAX_ROOMS, BPF_F_NO_PREALLOC);
BPF_ARRAY(outcome_state, struct outcome_state, 1);

/* ---- Room ---- */

static __always_inline struct outcome_room *room_of(u64 recording)
{
	struct outcome_room *known = rooms.lookup(&recording), fresh = {};

	if (known)
		return known;
	rooms.insert(&recording, &fresh);
	return rooms.lookup(&recording);
}

static __always_inline void lose(struct outcome_room *room)
{
	u32 zero = 0;
	struct outcome_state *state = outcome_state.lookup(&zero);

	if (room)
		__sync_fetch_and_add(&room->lost, 1);
	else if (state)
		__sync_fetch_and_add(&state->lost, 1);
}

static __always_inline bool is_full(const struct outcome_room *room)
{
	return !room || room->kinds >= MAX_KINDS_EACH;
}

static __always_inline void count(struct outcome_key *outcome)
{
	u64 *known = counts.lookup(outcome), once = 1;
	struct outcome_room *room;
	long refused = -1;

	if (known) {
		__sync_fetch_and_add(known, 1);
		return;
	}
	room = room_of(outcome->recording);
	if (!is_full(room))
		refused = counts.insert(outcome, &once);
	known = refused == EXISTS ? counts.lookup(outcome) : NULL;
	if (!refused)
		__sync_fetch_and_add(&room->kinds, 1);
	else if (known)
		__sync_fetch_and_add(known, 1);
	else
		lose(room);
}

/* ---- Calls ---- */

/* What a call is recorded as; see report and consider in calls.c. */
static __always_inline void describe(struct outcome_key *call, const struct verdict *verdict,
				     const void *task, u32 number)
{
	call->recording = target(verdict);
	call->executable = verdict->executable;
	call->architecture = is_compat(task) ? COMPAT : NATIVE;
	call->number = (number & ~X32_BIT) < 1024 ? number : IMPOSSIBLE;
}

/* Where it is kept whether a call has succeeded; NULL: nowhere. */
static __always_inline u64 *settled_in(struct flight *self)
{
	if (self->call.number >= MAX_SETTLED)
		return NULL;
	return &self->settled[self->call.architecture == NATIVE ? 0 : 1][self->call.number >> 6 & 7];
}

static __always_inline u64 bit_of(const struct flight *self)
{
	return 1ULL << (self->call.number & 63);
}

/* The recorder's own program runs before this one: the verdict is what this call counts for. */
int on_begin(u64 *ctx)
{
	void *task = (void *)bpf_get_current_task_btf();
	struct thread *ours = threads.task_storage_get(task, 0, 0);
	struct outcome_key call = {.error = BEGUN};
	struct flight *self;
	u64 *settled;

	if (!ours || !target(&ours->verdict))
		return PASS;
	describe(&call, &ours->verdict, task, (u32)NUMBER(ctx));
	self = flights.task_storage_get(task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!self) {
		count(&call);	/* whose end nobody will know */
		return PASS;
	}
	if (self->call.recording != call.recording || self->call.executable != call.executable)
		__builtin_memset(self->settled, 0, sizeof(self->settled));
	self->call = call;
	self->under_way = 1;
	settled = settled_in(self);
	if (!settled || !(*settled & bit_of(self)))
		count(&call);
	return PASS;
}

int on_return(u64 *ctx)
{
	void *task = (void *)bpf_get_current_task_btf();
	struct flight *self = flights.task_storage_get(task, 0, 0);
	struct outcome_key outcome;
	s64 result = (s64)RESULT(ctx);	/* a 32-bit call's need not be 64 bits wide */
	u64 *settled;

	if (!self || !self->under_way)
		return PASS;
	self->under_way = 0;
	if (call_number(REGISTERS(ctx)) == NO_NUMBER)
		return PASS;
	if (self->call.architecture == COMPAT)
		result = (s32)result;
	outcome = self->call;
	outcome.error = result < 0 && result >= -MAX_ERRNO ? (u32)-result : 0;
	settled = settled_in(self);
	if (!outcome.error && settled) {
		if (*settled & bit_of(self))
			return PASS;
		*settled |= bit_of(self);
	}
	count(&outcome);
	return PASS;
}
