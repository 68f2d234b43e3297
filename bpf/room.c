/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of recorder.c: what gives way, and when.
 *
 * There is no process of ours that could make any, so each map of what is recorded has a queue
 * of its keys. Once that is crowded, each new key has the oldest ones looked at: those whose
 * recording is over give way, and with them that whole recording, which is counted; the others go
 * to the end of the queue. What user space looks after itself never gives way: a command's
 * recordings, and those of adopted tasks. Anybody can make PID namespaces by the thousand: what
 * other users than root make begin has a share of each map, and pushes out nothing of root's.
 */

#define MAX_TURNS 2		/* keys looked at to make room for one */
#define CROWDED(entries) ((entries) / 8 * 7)
#define CLAIM_NS 60000000000ULL	/* how long after its end a claimed recording waits for its owner */

/* Whether a recording may give way: it is over, and nobody is about to read it. */
static __always_inline bool gives_way(const struct recording *head, u64 id)
{
	u64 outer = head->outer;

	if (head->alive > 0 || !head->last_exit || head->kind == COMMAND || head->kind == ADOPTED)
		return false;
	if (claims.lookup(&id) && bpf_ktime_get_boot_ns() - head->last_exit < CLAIM_NS)
		return false;
	return !outer || !recordings.lookup(&outer);
}

/* Whether so much of a map is held that its oldest keys are looked at, by all or by a share. */
static __always_inline bool is_crowded(u64 queued, u64 shared, u64 entries)
{
	return queued >= CROWDED(entries) || (shared && shared >= CROWDED(SHARE(entries)));
}

/* What other users hold, if this is one of them; root has no share. */
static __always_inline struct share share_of(u32 user)
{
	u32 zero = 0;
	struct share *held = user ? others.lookup(&zero) : NULL;
	struct share none = {};

	if (!held)
		return none;
	AS_IT_IS(held);
	return *held;
}

/* A recording of another user's than root is gone: its share is free again. */
static __always_inline void give_back(const struct recording *head)
{
	u32 zero = 0;
	struct share *share = head->user ? others.lookup(&zero) : NULL;

	if (!share)
		return;
	__sync_fetch_and_add(&share->recordings, -1);
	__sync_fetch_and_add(&share->observations, -head->observations);
	__sync_fetch_and_add(&share->executables, -head->executables);
}

/* Forget a recording if that may be, for a new one of this user's; whether it is gone now. */
static __always_inline bool drop(u64 id, u32 user)
{
	u32 zero = 0;
	struct recording *head = recordings.lookup(&id);
	struct state *counters = state.lookup(&zero);
	struct container_key key;
	u64 *known;

	if (!head)
		return true;
	if (!counters || (user && !head->user) || !gives_way(head, id))
		return false;
	give_back(head);
	__builtin_memcpy(key.word, head->container, sizeof(key));
	known = containers.lookup(&key);
	if (known && *known == id)
		containers.delete(&key);
	claims.delete(&id);
	if (!recordings.delete(&id))
		__sync_fetch_and_add(&counters->dropped, 1);
	return true;
}

/* Put a key into the queue of the map that it is about to enter; false if there is no room. */
static __always_inline bool queue_recording(u64 *key, u32 user)
{
	u32 zero = 0;
	struct state *counters = state.lookup(&zero);
	u64 shared = share_of(user).recordings;
	u64 oldest;

	if (!counters)
		return false;
	PLAIN_LOOP
	for (int turn = 0; turn < MAX_TURNS; turn++) {
		if (!is_crowded(counters->queued_recordings, shared, MAX_RECORDINGS) ||
		    oldest_recordings.pop(&oldest))
			break;
		if (drop(oldest, user)) {
			recordings.delete(&oldest);
			__sync_fetch_and_add(&counters->queued_recordings, -1);
		} else {
			oldest_recordings.push(&oldest, 0);
		}
	}
	if ((user && shared >= SHARE(MAX_RECORDINGS)) ||
	    oldest_recordings.push(key, 0))
		return false;
	__sync_fetch_and_add(&counters->queued_recordings, 1);
	return true;
}

static __always_inline bool queue_observation(struct observation_key *key, u32 user)
{
	u32 zero = 0;
	struct state *counters = state.lookup(&zero);
	u64 shared = share_of(user).observations;
	struct observation_key oldest;

	if (!counters)
		return false;
	PLAIN_LOOP
	for (int turn = 0; turn < MAX_TURNS; turn++) {
		if (!is_crowded(counters->queued_observations, shared, MAX_OBSERVATIONS) ||
		    oldest_observations.pop(&oldest))
			break;
		if (drop(oldest.recording, user)) {
			observations.delete(&oldest);
			__sync_fetch_and_add(&counters->queued_observations, -1);
		} else {
			oldest_observations.push(&oldest, 0);
		}
	}
	if ((user && shared >= SHARE(MAX_OBSERVATIONS)) ||
	    oldest_observations.push(key, 0))
		return false;
	__sync_fetch_and_add(&counters->queued_observations, 1);
	return true;
}

static __always_inline bool queue_executable(struct executable_key *key, u32 user)
{
	u32 zero = 0;
	struct state *counters = state.lookup(&zero);
	u64 shared = share_of(user).executables;
	struct executable_key oldest;

	if (!counters)
		return false;
	PLAIN_LOOP
	for (int turn = 0; turn < MAX_TURNS; turn++) {
		if (!is_crowded(counters->queued_executables, shared, MAX_EXECUTABLES) ||
		    oldest_executables.pop(&oldest))
			break;
		if (drop(oldest.recording, user)) {
			executables.delete(&oldest);
			__sync_fetch_and_add(&counters->queued_executables, -1);
		} else {
			oldest_executables.push(&oldest, 0);
		}
	}
	if ((user && shared >= SHARE(MAX_EXECUTABLES)) ||
	    oldest_executables.push(key, 0))
		return false;
	__sync_fetch_and_add(&counters->queued_executables, 1);
	return true;
}
