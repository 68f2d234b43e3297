/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of recorder.c: the system calls themselves.
 *
 * Hot path. Each processor remembers the task that last made a call there and the calls that need no
 * second look, so that a call which teaches nothing costs two array look-ups, which the kernel
 * inlines, and no helper (a helper's return alone is 20 ns where returns are mitigated). Whatever
 * changes a verdict starts a new generation, and all processors ask again.
 */

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

BPF_PERCPU_ARRAY(familiars, struct familiar, 1);

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
	u32 number = (u32)NUMBER(ctx);
	const void *registers = REGISTERS(ctx);
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
	last->registers = (u64)REGISTERS(ctx);
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
	u32 number = (u32)NUMBER(ctx);
	u64 *seen, bit = 1ULL << (number & 63);
	bool compat = is_compat(task);

	if (self->verdict.command && !compat && (number == NR_WRITE || number == NR_SENDTO))
		note_request(self->verdict.recording, task, REGISTERS(ctx));
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
		return PASS;
	generation = now->generation;
	if (is_familiar(last, ctx, generation))
		return PASS;
	task = (void *)bpf_get_current_task_btf();
	self = threads.task_storage_get(task, 0, 0);
	if (!self || !self->verdict.recording || now->strays)
		self = newcomer(task, self);
	if (!self || !self->verdict.recording) {
		get_to_know(last, ctx, generation, NULL);
		return PASS;
	}
	consider(self, task, ctx);
	if (self->verdict.open)
		get_to_know(last, ctx, generation, self);
	return PASS;
}
