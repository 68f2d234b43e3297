/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of recorder.c, the scope: recordings begin, tasks join and leave.
 *
 * A task belongs to a recording by inheritance from its parent; by its PID namespace, which
 * begins a recording when its first task is born; by its cgroup, if the name of that is a
 * container's id; and a command's tree by the one task that user space marks. A container's
 * recording wins over the command's in whose tree it begins.
 */

#define MAX_LEVELS 8		/* of PID namespaces, that are looked at */

/* The command in whose tree a recording began; 0: none. */
static __always_inline u64 outer_of(u64 recording)
{
	struct recording *head = recording ? recordings.lookup(&recording) : NULL;

	return head ? head->outer : 0;
}

/* A new recording, with this task as its first. The task is left as it was if there is no room. */
static __always_inline void begin(struct verdict *self, const void *task, u32 kind, u32 slot)
{
	u32 zero = 0;
	u64 id = (bpf_ktime_get_ns() & ~0xffULL) | (bpf_get_smp_processor_id() & 0xff);
	struct recording *blank = blank_recording.lookup(&slot);
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
	name_runtime(blank, task);

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

static __always_inline struct container_key *id_of_cgroup(const void *cgroup, u32 slot)
{
	struct cgroup_name *name = blank_name.lookup(&slot);

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
		if (!head->runtime_inode)
			name_runtime(head, task);
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
				  u32 level, u32 slot)
{
	struct container_key *key = cgroup ? id_of_cgroup(cgroup, slot) : NULL;
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
		begin(self, task, named ? CGROUP : NAMESPACE, slot);
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
static __always_inline void stray(const void *task, struct verdict *verdict, u32 slot)
{
	u32 zero = 0, number = thread_of(task);
	struct recording *head = recordings.lookup(&verdict->recording);
	struct state *counters = state.lookup(&zero);
	struct switches *now = switches.lookup(&zero);
	struct thread *blank = blank_thread.lookup(&slot);

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

static __always_inline struct thread *remember(void *task, struct verdict *verdict, u32 slot)
{
	struct thread *kept = threads.task_storage_get(task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	verdict->adopted = 0;
	if (kept) {
		kept->verdict = *verdict;
		forget_stray(task);
	} else {
		stray(task, verdict, slot);
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
	struct container_key *key = id_of_cgroup(cgroup2_of(task), BY_FORK);
	u64 nobody = 0;

	if (key)
		containers.update(key, &nobody);
}

int on_fork(u64 *ctx)
{
	void *parent = PARENT(ctx), *child = CHILD(ctx);
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
		enter(&next, child, moved ? cgroup2_of(child) : NULL, level, BY_FORK);
	if (!next.recording && !next.launcher)
		return 0;
	kept = remember(child, &next, BY_FORK);
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
	enter(&next, task, cgroup, 0, BY_ATTACH);
	if (next.recording == before)
		return 0;
	if (before && !next.adopted)
		count_task(before, -1);
	own = remember(task, &next, BY_ATTACH);
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
	void *task = SELF(ctx);
	struct thread *self = known(task);
	u32 level = level_of(task);

	if (!self || !self->verdict.recording)
		return PASS;
	if (!self->verdict.adopted)
		count_task(self->verdict.recording, -1);
	if (level)
		forget_namespace(self->verdict.recording, task, level);
	forget_stray(task);
	return PASS;
}
