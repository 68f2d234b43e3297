/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of recorder.c: which program runs, and the window in which its calls count.
 *
 * A container's call counts once the task has more seccomp filters than its lineage had
 * when it entered the scope: then the container's own filter is asked about it. Where there is no
 * filter, from the first successful execve in the container's root. Descendants inherit it.
 */

/* Note a program's path for a recording; the id that its observations carry. */
static __always_inline u64 note_executable(u64 recording, const void *task)
{
	u32 zero = 0;
	struct executable *path = blank_executable.lookup(&zero);
	struct recording *head = recordings.lookup(&recording);
	struct executable_key key = {.recording = recording};
	struct share *shared;

	if (!path || !head)
		return EXECUTABLE_UNKNOWN;
	key.executable = read_path(path, task, program_file(task));
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
	void *task = SELF(ctx);
	struct thread *self = known(task);
	u64 recording;
	bool inside;

	if (is_monitor(self)) {
		if (!self)
			self = threads.task_storage_get(task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (self)
			note_launch(&self->verdict, task);
	}
	note_executed(task);
	if (!self || !self->verdict.recording)
		return PASS;
	inside = self->verdict.open && self->verdict.executable != EXECUTABLE_RUNTIME;
	if (!self->verdict.open && !opened_by_filter(self, task))
		open_by_execve(&self->verdict, task);
	recording = target(&self->verdict);
	if (!recording)
		return PASS;
	forget_calls(self);
	self->verdict.executable = note_executable(recording, task);
	if (!inside)
		note_privileges(recording, task);
	return PASS;
}
