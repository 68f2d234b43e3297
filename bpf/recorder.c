/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The kernel side of seccomp-trace: which system calls the tasks of a scope make inside the window.
 *
 * Scope. A task belongs to a recording by inheritance from its parent; by its PID namespace, which
 * begins a recording when its first task is born; by its cgroup, if the name of that is a
 * container's id; and a command's tree by the one task that user space marks. A container's
 * recording wins over the command's in whose tree it begins.
 *
 * Window. A container's call counts once the task has more seccomp filters than its lineage had
 * when it entered the scope: then the container's own filter is asked about it. Where there is no
 * filter, from the first successful execve in the container's root. Descendants inherit it.
 *
 * Truth is in the maps, never in a stream. What could not be kept is counted where it was lost.
 *
 * Hot path. Each processor remembers the task that last made a call there and the calls that need no
 * second look, so that a call which teaches nothing costs two array look-ups, which the kernel
 * inlines, and no helper (a helper's return alone is 20 ns where returns are mitigated). Whatever
 * changes a verdict starts a new generation, and all processors ask again.
 *
 * Written in bcc's dialect, compiled by bcc, loaded by tracer/kernel/program.py as BTF raw
 * tracepoints: their arguments may be read directly and may own task storage. bcc rewrites only
 * this file, so whatever dereferences a kernel pointer is in kernel.h.
 *
 * Room. There is no process of ours that could make any, so each map of what is recorded has a queue
 * of its keys. Once that is crowded, each new key has the oldest ones looked at: those whose
 * recording is over give way, and with them that whole recording, which is counted; the others go
 * to the end of the queue. What user space looks after itself never gives way: a command's
 * recordings, and those of adopted tasks. Anybody can make PID namespaces by the thousand: what
 * other users than root make begin has a share of each map, and pushes out nothing of root's.
 *
 * The caller defines MAX_RECORDINGS, MAX_OBSERVATIONS and MAX_EXECUTABLES, and for one recording
 * MAX_OBSERVATIONS_EACH and MAX_EXECUTABLES_EACH, so that one cannot take all the room there is:
 * past the latter its executables have no names, past the former its calls are lost, and counted.
 */
#include "recorder.h"
#include "kernel.h"
#include "verdict.h"
#include "monitor.h"
#include "cgroup.h"
#include "path.h"

#define MAX_STRAYS 8192
#define MAX_LAUNCHES 2048
#define MAX_REQUESTS 4096
#define MAX_LEVELS 8
#define MAX_TURNS 2		/* keys looked at to make room for one */
#define CROWDED(entries) ((entries) / 8 * 7)
#define SHARE(entries) ((entries) / 4)
#define CLAIM_NS 60000000000ULL	/* how long after its end a claimed recording waits for its owner */

#define EEXIST 17
#define ENOSPC 28

/*
 * What a processor knows of the task that last made a call there, so that its next one needs no
 * helper. The place of its registers names the task: the top of its kernel stack.
 */
struct familiar {
	__u64 registers;
	__u64 generation;	/* it counts only while struct switches has the same */
	__u64 ours;		/* its calls are recorded; 0: they never are */
	__u64 seen[8];		/* native calls that need no second look */
};

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
BPF_PERCPU_ARRAY(familiars, struct familiar, 1);

/* The keys of three maps, the oldest first. */
BPF_QUEUE(oldest_recordings, u64, MAX_RECORDINGS);
BPF_QUEUE(oldest_observations, struct observation_key, MAX_OBSERVATIONS);
BPF_QUEUE(oldest_executables, struct executable_key, MAX_EXECUTABLES);

/* Room for what is too large for the stack. */
BPF_PERCPU_ARRAY(blank_recording, struct recording, 1);
BPF_PERCPU_ARRAY(blank_executable, struct executable, 1);
BPF_PERCPU_ARRAY(blank_launch, struct launch, 1);
BPF_PERCPU_ARRAY(blank_request, struct request, 1);
BPF_PERCPU_ARRAY(blank_thread, struct thread, 1);
BPF_PERCPU_ARRAY(blank_name, struct cgroup_name, 1);

/* ---- Verdicts ---- */

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

/* ---- Room ---- */

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

/* ---- Recordings begin, tasks join and leave ---- */

/* The command in whose tree a recording began; 0: none. */
static __always_inline u64 outer_of(u64 recording)
{
	struct recording *head = recording ? recordings.lookup(&recording) : NULL;

	return head ? head->outer : 0;
}

/* A new recording, with this task as its first. The task is left as it was if there is no room. */
static __always_inline void begin(struct verdict *self, const void *task, u32 kind)
{
	u32 zero = 0;
	u64 id = (bpf_ktime_get_ns() & ~0xffULL) | (bpf_get_smp_processor_id() & 0xff);
	struct recording *blank = blank_recording.lookup(&zero);
	struct share *shared;
	struct state *counters = state.lookup(&zero);

	if (!blank || !counters)
		return;
	__builtin_memset(blank, 0, sizeof(*blank));
	blank->outer = self->command ? self->recording : outer_of(self->recording);
	blank->user = (u32)bpf_get_current_uid_gid();
	blank->launcher = self->launcher;
	blank->born = bpf_ktime_get_boot_ns();
	blank->kind = kind;
	blank->first_process = process_of(task);
	bpf_get_current_comm(blank->maker, sizeof(blank->maker));

	if (!queue_recording(&id, blank->user) || recordings.insert(&id, blank)) {
		__sync_fetch_and_add(&counters->recordings_lost, 1);
		return;
	}
	shared = blank->user ? others.lookup(&zero) : NULL;
	if (shared)
		__sync_fetch_and_add(&shared->recordings, 1);
	join(self, id, task);
}

/* A task of level 1 or more: the recording of the nearest PID namespace that has one, or 0. */
static __always_inline u64 recording_of_namespaces(const void *task, u32 level)
{
	PLAIN_LOOP
	for (u32 up = 0; up < MAX_LEVELS; up++) {
		u32 namespace;
		u64 *found;

		AS_IT_IS(up);	/* one condition at a time */
		if (up >= level)
			break;
		namespace = namespace_at(task, level - up);
		found = namespaces.lookup(&namespace);
		if (found)
			return *found;
	}
	return 0;
}

static __always_inline struct container_key *id_of_cgroup(const void *cgroup)
{
	u32 zero = 0;
	struct cgroup_name *name = blank_name.lookup(&zero);

	return name && is_containers(cgroup, name) ? &name->key : NULL;
}

/* What the recording's head says of its container and its namespace, as far as it is news. */
static __always_inline void describe(struct verdict *self, const void *task,
				     struct container_key *key, u32 newborn)
{
	u32 zero = 0;
	struct recording *head = recordings.lookup(&self->recording);
	struct state *counters = state.lookup(&zero);

	if (!head || !counters)
		return;
	if (key && !head->container[0]) {
		__builtin_memcpy(head->container, key->word, sizeof(head->container));
		containers.update(key, &self->recording);
	}
	if (!newborn)
		return;
	if (!head->namespace) {
		head->namespace = newborn;
		head->namespace_born = (u64)peek(task, TASK_BORN);
		head->first_process = process_of(task);
		bpf_get_current_comm(head->maker, sizeof(head->maker));
	}
	if (namespaces.update(&newborn, &self->recording)) {
		__sync_fetch_and_add(&head->lost_tasks, 1);	/* whoever enters it will not be known */
		__sync_fetch_and_add(&counters->namespaces_lost, 1);
	}
}

/* Whether a container's recording has been named after another container already. */
static __always_inline bool is_taken(u64 recording)
{
	struct recording *head = recordings.lookup(&recording);

	return head && head->container[0];
}

/*
 * Whether the current task may put one into a recording by the name of a cgroup. Anybody who was
 * given a part of the cgroup tree can make a directory of any name there: it must be root, or who
 * made the recording begin. 0: the container that we ourselves are in, which is none of ours.
 */
static __always_inline bool may_join(u64 recording)
{
	struct recording *head = recording ? recordings.lookup(&recording) : NULL;
	u32 user = (u32)bpf_get_current_uid_gid();

	return head && (!user || user == head->user);
}

/*
 * Whether a recording that has a container's name was begun by somebody who just made a cgroup of
 * that name: root, who now brings another task there, is the engine, and it begins anew. That there
 * is a PID namespace in it proves nothing: anybody may make one.
 */
static __always_inline bool is_usurped(u64 recording)
{
	struct recording *head = recordings.lookup(&recording);

	return head && head->kind == CGROUP && head->user && !(u32)bpf_get_current_uid_gid();
}

/*
 * Whether a command starts a container again whose earlier life is still held: that was nobody's, or
 * somebody else's, and the command wants what it started.
 */
static __always_inline bool is_earlier_life(const struct verdict *self, u64 recording)
{
	struct recording *head = self->command ? recordings.lookup(&recording) : NULL;

	return head && head->alive <= 0 && head->last_exit;
}

/*
 * A task that is not inside a container's window may enter a scope: by its cgroup, whose name is
 * decisive where there is one, or by its PID namespace. The first task of a namespace (number 1)
 * begins a recording, unless its cgroup has done so already.
 */
static __always_inline void enter(struct verdict *self, const void *task, const void *cgroup,
				  u32 level)
{
	struct container_key *key = cgroup ? id_of_cgroup(cgroup) : NULL;
	u64 *known = key ? containers.lookup(key) : NULL;
	u32 newborn = level && number_at(task, level) == 1 ? namespace_at(task, level) : 0;
	bool contained = self->recording && !self->command;
	u64 found = 0, named;
	bool refused;

	if (known && *known && !recordings.lookup(known))
		known = NULL;	/* what was recorded of it is gone */
	refused = known && !may_join(*known);
	if (refused)
		key = NULL;
	if (known && *known != self->recording &&
	    (is_usurped(*known) || is_earlier_life(self, *known)))
		known = NULL;
	named = key ? 1 : 0;
	AS_IT_IS(named);
	if (known && !refused)
		found = *known;
	else if (level && !newborn && !contained && !named)
		found = recording_of_namespaces(task, level);
	if (found && found != self->recording)
		join(self, found, task);
	else if (!found && (contained ? named && is_taken(self->recording) : named || newborn))
		begin(self, task, named ? CGROUP : NAMESPACE);
	if (self->recording && !self->command && (named || newborn))
		describe(self, task, key, newborn);
}

static __always_inline void count_task(u64 id, s64 change)
{
	struct recording *head = recordings.lookup(&id);

	if (!head)
		return;
	__sync_fetch_and_add(&head->alive, change);
	if (change < 0)
		head->last_exit = bpf_ktime_get_boot_ns();
}

/*
 * A task whose storage the kernel refuses is kept in a map, by its number, until it ends or the
 * storage can be had.
 */
static __always_inline void stray(const void *task, struct verdict *verdict)
{
	u32 zero = 0, number = thread_of(task);
	struct recording *head = recordings.lookup(&verdict->recording);
	struct state *counters = state.lookup(&zero);
	struct switches *now = switches.lookup(&zero);
	struct thread *blank = blank_thread.lookup(&zero);

	if (!head || !counters || !now || !blank)
		return;
	now->strays = 1;
	__builtin_memset(blank, 0, sizeof(*blank));
	blank->verdict = *verdict;
	__sync_fetch_and_add(&head->strays, 1);
	if (strays.update(&number, blank))
		__sync_fetch_and_add(&head->lost_tasks, 1);
	__sync_fetch_and_add(&counters->strays, 1);
}

static __always_inline struct thread *stray_of(const void *task)
{
	u32 zero = 0, number = thread_of(task);
	struct switches *now = switches.lookup(&zero);

	return now && now->strays ? strays.lookup(&number) : NULL;
}

/* Nothing waits for a task any more, nor for an earlier one of its number. */
static __always_inline void forget_stray(const void *task)
{
	u32 number = thread_of(task);

	if (stray_of(task))
		strays.delete(&number);
}

/* What is known of a task, wherever it is kept; NULL: nothing. What waits for it is newer. */
static __always_inline struct thread *known(void *task)
{
	struct thread *kept = threads.task_storage_get(task, 0, 0);
	struct thread *waiting = stray_of(task);

	AS_IT_IS(kept);
	AS_IT_IS(waiting);
	if (!waiting || (kept && kept->verdict.recording == waiting->verdict.recording))
		return kept;
	return waiting;
}

static __always_inline struct thread *remember(void *task, struct verdict *verdict)
{
	struct thread *kept = threads.task_storage_get(task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	verdict->adopted = 0;
	if (kept) {
		kept->verdict = *verdict;
		forget_stray(task);
	} else {
		stray(task, verdict);
	}
	count_task(verdict->recording, 1);
	estrange();
	return kept;
}

/* Whether the command itself is being born: its parent is the tracer. */
static __always_inline bool is_first(const struct verdict *self)
{
	struct recording *head = self->command ? recordings.lookup(&self->recording) : NULL;

	return head && !head->alive && !head->last_exit;
}

/* The container that we ourselves are in, whose name a cgroup namespace hides from user space. */
static __always_inline void note_own_container(const void *task)
{
	struct container_key *key = id_of_cgroup(cgroup2_of(task));
	u64 nobody = 0;

	if (key)
		containers.update(key, &nobody);
}

int on_fork(u64 *ctx)
{
	void *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct thread *own = known(parent), *kept;
	struct verdict next = {};
	u32 level = level_of(child);
	bool moved;

	if (own)
		next = own->verdict;
	if (is_first(&next))
		note_own_container(parent);
	moved = cgroups_of(child) != cgroups_of(parent);
	if ((level || moved) && !(next.recording && next.open && !next.command))
		enter(&next, child, moved ? cgroup2_of(child) : NULL, level);
	if (!next.recording && !next.launcher)
		return 0;
	kept = remember(child, &next);
	if (kept && own && own->verdict.recording == next.recording)
		__builtin_memcpy(kept->seen, own->seen, sizeof(kept->seen));
	return 0;
}

int on_cgroup_attach(u64 *ctx)
{
	const void *cgroup = (const void *)ctx[0];
	void *task = (void *)ctx[2];
	struct thread *own = known(task);
	struct verdict next = {};
	u64 before;

	if (own)
		next = own->verdict;
	before = next.recording;
	if (before && !next.command && next.open)
		return 0;
	enter(&next, task, cgroup, 0);
	if (next.recording == before)
		return 0;
	if (before && !next.adopted)
		count_task(before, -1);
	own = remember(task, &next);
	if (own)
		forget_calls(own);
	return 0;
}

/*
 * A namespace ends with its first process, whose last thread need not be the one of number 1. Its
 * number may then be given to another one.
 */
static __always_inline void forget_namespace(u64 id, const void *task, u32 level)
{
	struct recording *head = recordings.lookup(&id);
	u32 namespace;

	if (!is_last_thread(task))
		return;
	namespace = namespace_at(task, level);
	if (number_at(task, level) == 1 ||
	    (head && head->namespace == namespace && head->first_process == process_of(task)))
		namespaces.delete(&namespace);
}

int on_exit(u64 *ctx)
{
	void *task = (void *)ctx[0];
	struct thread *self = known(task);
	u32 level = level_of(task);

	if (!self || !self->verdict.recording)
		return 0;
	if (!self->verdict.adopted)
		count_task(self->verdict.recording, -1);
	if (level)
		forget_namespace(self->verdict.recording, task, level);
	forget_stray(task);
	return 0;
}

/* ---- Executables ---- */

/* Note a program's path for a recording; the id that its observations carry. */
static __always_inline u64 note_executable(u64 recording, const void *task, const void *bprm)
{
	u32 zero = 0;
	struct executable *path = blank_executable.lookup(&zero);
	struct recording *head = recordings.lookup(&recording);
	struct executable_key key = {.recording = recording};
	struct share *shared;

	if (!path || !head)
		return EXECUTABLE_UNKNOWN;
	key.executable = read_path(path, task, executable_of(bprm));
	path->first = bpf_ktime_get_boot_ns();
	if (executables.lookup(&key))
		return key.executable;
	if (head->executables >= MAX_EXECUTABLES_EACH || !queue_executable(&key, head->user) ||
	    executables.insert(&key, path)) {
		__sync_fetch_and_add(&head->unnamed, 1);
		return EXECUTABLE_UNKNOWN;
	}
	__sync_fetch_and_add(&head->executables, 1);
	shared = head->user ? others.lookup(&zero) : NULL;
	if (shared)
		__sync_fetch_and_add(&shared->executables, 1);
	return key.executable;
}

/* Whether the current task is a container monitor that counts: any, or one of a command's tree. */
static __always_inline bool is_monitor(const struct thread *self)
{
	u32 zero = 0;
	struct switches *now = switches.lookup(&zero);

	if (!(self && self->verdict.command) && !(now && now->resident))
		return false;
	return is_conmon();
}

/* Keep the command line of a container monitor: what it starts is named there. */
static __always_inline void note_launch(struct verdict *self, const void *task)
{
	u32 zero = 0;
	u64 id = bpf_ktime_get_ns();
	struct launch *launch = blank_launch.lookup(&zero);

	if (!launch)
		return;
	read_launch(launch, task);
	if ((u32)bpf_get_current_uid_gid())
		others_launches.update(&id, launch);
	else
		launches.update(&id, launch);
	self->launcher = id;
}

/* ---- The window ---- */

static __always_inline bool opened_by_filter(struct thread *self, const void *task)
{
	struct recording *head;

	if (filter_count(task) <= self->verdict.base)
		return false;
	self->verdict.open = 1;
	self->verdict.executable = EXECUTABLE_RUNTIME;
	forget_calls(self);
	head = recordings.lookup(&self->verdict.recording);
	if (head && !head->filtered) {
		head->filtered = 1;
		bpf_get_current_comm(head->maker, sizeof(head->maker));
	}
	return true;
}

/*
 * Without a filter the window opens at the first successful execve in the container's own root,
 * unless others of the scope have a filter. A runtime that executes itself anew (runc seals a copy
 * of itself) still has the root that it entered with.
 */
static __always_inline void open_by_execve(struct verdict *self, const void *task)
{
	struct recording *head = recordings.lookup(&self->recording);
	u64 root = root_directory(task);

	if (!head || (!self->command && root == self->root && root != head->root))
		return;
	if (head->filtered) {
		head->outsider = 1;
		return;
	}
	head->unfiltered = 1;
	head->root = root;
	self->open = 1;
}

/* Under what the runtime hands over: a program may set no_new_privs for itself later. */
static __always_inline void note_privileges(u64 recording, const void *task)
{
	struct recording *head = recordings.lookup(&recording);

	if (head && no_new_privs(task))
		head->no_new_privs = 1;
}

int on_exec(u64 *ctx)
{
	void *task = (void *)ctx[0], *bprm = (void *)ctx[2];
	struct thread *self = known(task);
	u64 recording;
	bool inside;

	if (is_monitor(self)) {
		if (!self)
			self = threads.task_storage_get(task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (self)
			note_launch(&self->verdict, task);
	}
	if (!self || !self->verdict.recording)
		return 0;
	inside = self->verdict.open && self->verdict.executable != EXECUTABLE_RUNTIME;
	if (!self->verdict.open && !opened_by_filter(self, task))
		open_by_execve(&self->verdict, task);
	recording = target(&self->verdict);
	if (!recording)
		return 0;
	forget_calls(self);
	self->verdict.executable = note_executable(recording, task, bprm);
	if (!inside)
		note_privileges(recording, task);
	return 0;
}

/* ---- System calls ---- */

/* What the task's calls counted for is over and forgotten: it becomes a stranger again. */
static __always_inline void leave(struct verdict *self)
{
	if (self->open)
		self->recording = 0;
	self->outer = 0;
	estrange();
}

static __always_inline bool report(struct thread *self, const void *task, u32 architecture,
				   u32 number)
{
	struct observation_key key = {
		.recording = target(&self->verdict),
		.executable = self->verdict.executable,
		.architecture = architecture,
		.number = number,
	};
	struct recording *head = recordings.lookup(&key.recording);
	struct observation seen = {.first = bpf_ktime_get_boot_ns()};
	struct share *shared;
	u32 zero = 0;
	int error = 0;

	if (!head) {
		leave(&self->verdict);
		return false;
	}
	if (observations.lookup(&key))
		return true;
	seen.thread = number_at(task, level_of(task));
	bpf_get_current_comm(seen.comm, sizeof(seen.comm));
	if (head->observations >= MAX_OBSERVATIONS_EACH || !queue_observation(&key, head->user))
		error = -ENOSPC;
	else
		error = observations.insert(&key, &seen);
	if (error == -EEXIST)
		return true;
	if (error) {
		__sync_fetch_and_add(&head->lost, 1);
		return false;
	}
	__sync_fetch_and_add(&head->observations, 1);
	shared = head->user ? others.lookup(&zero) : NULL;
	if (shared)
		__sync_fetch_and_add(&shared->observations, 1);
	head->newest = seen.first;
	head->newest_architecture = architecture;
	head->newest_number = number;
	return true;
}

/* A task in a recorded PID namespace that nobody saw being born: say that it was missed. */
static __always_inline void miss(const void *task, u32 level)
{
	u64 id = recording_of_namespaces(task, level);
	struct recording *head = id ? recordings.lookup(&id) : NULL;

	if (head)
		__sync_fetch_and_add(&head->lost_tasks, 1);
}

/* A task leaves a recording that has not ended, since user space wants it in another one. */
static __always_inline void lose(u64 recording)
{
	struct recording *head = recordings.lookup(&recording);

	if (head)
		__sync_fetch_and_add(&head->lost_tasks, 1);
	count_task(recording, -1);
}

/*
 * A thread for which something waits among the strays takes that over, if its storage can be had;
 * one of whom nothing is known was there before the recorder, which on the host itself is not even
 * noted.
 */
static __always_inline struct thread *newcomer(void *task, struct thread *kept)
{
	u32 number = thread_of(task), level = level_of(task);
	struct thread *waiting = stray_of(task);
	u64 before = kept ? kept->verdict.recording : 0;

	if (!waiting && !kept && level)
		miss(task, level);
	if (!kept && (waiting || level))
		kept = threads.task_storage_get(task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!waiting)
		return kept;
	if (before == waiting->verdict.recording) {
		strays.delete(&number);
		return kept;
	}
	if (before)
		lose(before);
	if (waiting->verdict.adopted)
		count_task(waiting->verdict.recording, 1);
	waiting->verdict.adopted = 0;
	if (!kept)
		return waiting;
	*kept = *waiting;
	strays.delete(&number);
	return kept;
}

/* "POST /", in the order of bytes in memory. */
#define POST 0x2f2054534f50ULL
#define SIX_BYTES 0xffffffffffffULL

/*
 * A command's task asks an engine's socket for a container: what it writes names it. What it writes
 * elsewhere may be a container's own output.
 */
static __always_inline void note_request(u64 recording, const void *task, const void *registers)
{
	u32 zero = 0;
	u64 now, beginning = 0;
	u64 length = argument(registers, REGISTERS_THIRD);
	const void *text = (const void *)argument(registers, REGISTERS_SECOND);
	struct state *counters = state.lookup(&zero);
	struct request *request;

	if (length < sizeof(beginning))
		return;
	bpf_probe_read_user(&beginning, sizeof(beginning), text);
	if ((beginning & SIX_BYTES) != POST || !is_socket(task, argument(registers, REGISTERS_FIRST)))
		return;
	request = blank_request.lookup(&zero);
	if (!request)
		return;
	if (length > REQUEST_SIZE)
		length = REQUEST_SIZE;
	__builtin_memset(request, 0, sizeof(*request));
	bpf_probe_read_user(request->text, length, text);
	request->recording = recording;
	now = bpf_ktime_get_boot_ns();
	if (requests.update(request, &now) && counters)
		__sync_fetch_and_add(&counters->requests_lost, 1);
}

/*
 * What is known of the task without asking: nothing has changed since its last call on this
 * processor. Then this call needs no look if the task is not ours, or has made it before.
 */
static __always_inline bool is_familiar(const struct familiar *last, const u64 *ctx, u64 generation)
{
	u32 number = (u32)ctx[1];
	const void *registers = (const void *)ctx[0];
	u64 place = last->registers;

	AS_IT_IS(place);	/* or it would be read from, being equal, and the verifier knows it not */
	if (place != (u64)registers || last->generation != generation)
		return false;
	AS_IT_IS(registers);
	if (!is_surely_native(registers))
		return false;
	return !last->ours || (number < 512 && last->seen[number >> 6 & 7] >> (number & 63) & 1);
}

/* Keep that for the next call. What a command writes is looked at each time. */
static __always_inline void get_to_know(struct familiar *last, const u64 *ctx, u64 generation,
					const struct thread *self)
{
	last->registers = ctx[0];
	last->generation = generation;
	last->ours = self ? 1 : 0;
	if (!self)
		return;
	__builtin_memcpy(last->seen, self->seen[0], sizeof(last->seen));
	if (self->verdict.command) {
		last->seen[NR_WRITE >> 6] &= ~(1ULL << (NR_WRITE & 63));
		last->seen[NR_SENDTO >> 6] &= ~(1ULL << (NR_SENDTO & 63));
	}
}

/* A call of a task that is ours. */
static __always_inline void consider(struct thread *self, void *task, const u64 *ctx)
{
	u32 number = (u32)ctx[1];
	u64 *seen, bit = 1ULL << (number & 63);
	bool compat = is_compat(task);

	if (self->verdict.command && !compat && (number == NR_WRITE || number == NR_SENDTO))
		note_request(self->verdict.recording, task, (const void *)ctx[0]);
	if (!self->verdict.open && !opened_by_filter(self, task) && !self->verdict.outer)
		return;
	if (number >= 512) {
		if ((number & ~X32_BIT) >= 1024)
			number = IMPOSSIBLE;
		report(self, task, compat ? COMPAT : NATIVE, number);
		return;
	}
	seen = &self->seen[compat ? 1 : 0][number >> 6 & 7];
	if (*seen & bit)
		return;
	if (report(self, task, compat ? COMPAT : NATIVE, number))
		*seen |= bit;
}

int on_sys_enter(u64 *ctx)
{
	u32 zero = 0;
	struct familiar *last = familiars.lookup(&zero);
	struct switches *now = switches.lookup(&zero);
	struct thread *self;
	u64 generation;
	void *task;

	if (!last || !now)
		return 0;
	generation = now->generation;
	if (is_familiar(last, ctx, generation))
		return 0;
	task = (void *)bpf_get_current_task_btf();
	self = threads.task_storage_get(task, 0, 0);
	if (!self || !self->verdict.recording || now->strays)
		self = newcomer(task, self);
	if (!self || !self->verdict.recording) {
		get_to_know(last, ctx, generation, NULL);
		return 0;
	}
	consider(self, task, ctx);
	if (self->verdict.open)
		get_to_know(last, ctx, generation, self);
	return 0;
}
