/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which capabilities the kernel asks of the tasks that are recorded, and whether they have them.
 *
 * The tracepoint cap_capable (since 6.14) reports every answer of security/commoncap.c. It is the
 * current task's, in its system call; nothing is done per call. Which recording it counts for, and
 * the window, are the recorder's verdict in the map `threads`.
 *
 * Whose check. File systems in layers ask with the credentials of whoever mounted them
 * (override_creds), and some files with those of whoever opened them. Credentials that are not the
 * task's own are the container's only if they can do no more than it is permitted, and have the very
 * groups: what was made of its own has (access(2)), and who mounted has not, since runtimes setgroups.
 *
 * Who asked. The tracepoint has not the flag CAP_OPT_NOAUDIT, by which the kernel marks what it does
 * not mean; but the function that was called tells, and that is on the stack, of which user space
 * finds the names. Memory accounting, which asks at nearly each mmap, is known by its call alone: a
 * stack takes microseconds.
 *
 * Where there is no such tracepoint this runs when the function cap_capable returns (AT_RETURN), and
 * has its options, that flag among them. If the kernel preempts what runs there, it runs when that
 * function begins instead (AT_ENTRY: a kprobe), and finds the answer as the function is about to.
 *
 * Beside the recorder that stays (RESIDENT) nobody makes room: the maps drop what has long not been
 * counted, which user space notices by what is missing. What is not root's has maps of its own, since
 * anybody can make PID namespaces, and checks, by the thousand. How much room there is, is user
 * space's to say (MAX_HOLDERS, ...): an LRU map's room is shared among processors.
 */
#include "capabilities.h"
#include "kernel.h"
#include "event.h"
#include "verdict.h"
#include "owner.c"

#define MAX_CHECKS_EACH 4096	/* so that one container cannot take all the room there is */
#define EXISTS -17		/* somebody on another processor was faster */
#define CAP_FSETID 4
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SYS_ADMIN 21
#define S_ISGID 02000
#define NEW_NAMESPACES 0x7e020000	/* flags of clone(2): include/uapi/linux/sched.h */
#define NONE 0xffff

/* What is asked, and the answer. */
#define CAP_OPT_NOAUDIT 2	/* include/linux/security.h */
#if defined(AT_ENTRY)
#define OWN_FRAMES 0
#define CRED(ctx) DIRECT(u64, ctx, ARGUMENT_FIRST)
#define NAMESPACE(ctx) DIRECT(u64, ctx, ARGUMENT_SECOND)
#define CAPABILITY(ctx) DIRECT(u32, ctx, ARGUMENT_THIRD)
#define OPTIONS(ctx) DIRECT(u32, ctx, ARGUMENT_FOURTH)
#define ANSWER(ctx) future_answer((const void *)CRED(ctx), (const void *)NAMESPACE(ctx), CAPABILITY(ctx))
#elif defined(CLASSIC) && !defined(AT_RETURN)
#define OWN_FRAMES 0		/* the stack begins at the tracepoint: perf_fetch_caller_regs */
#define CRED(ctx) EVENT(u64, ctx, EVENT_CRED)
#define NAMESPACE(ctx) EVENT(u64, ctx, EVENT_NAMESPACE)
#define CAPABILITY(ctx) EVENT(u32, ctx, EVENT_CAPABILITY)
#define ANSWER(ctx) EVENT(s32, ctx, EVENT_ANSWER)
#else
#define OWN_FRAMES 2		/* this program's, and the tracepoint's or trampoline's */
#define CRED(ctx) (ctx)[0]
#define NAMESPACE(ctx) (ctx)[1]
#define ANSWER(ctx) (s32)(ctx)[4]
#ifdef AT_RETURN
#define CAPABILITY(ctx) (ctx)[2]
#define OPTIONS(ctx) (ctx)[3]
#else
#define CAPABILITY(ctx) (ctx)[3]
#endif
#endif

#if defined(RECORDER_X86_64)
#define NR_MMAP 9
#define NR_MPROTECT 10
#define NR_BRK 12
#define NR_MREMAP 25
#define NR_CLONE 56
#define NR_FORK 57
#define NR_VFORK 58
#define NR_EXECVE 59
#define NR_CHMOD 90
#define NR_FCHMOD 91
#define NR_SETUID 105
#define NR_SETGID 106
#define NR_FCHMODAT 268
#define NR_FCHMODAT2 452
#elif defined(RECORDER_AARCH64)
#define NR_MMAP 222
#define NR_MPROTECT 226
#define NR_BRK 214
#define NR_MREMAP 216
#define NR_CLONE 220
#define NR_EXECVE 221
#define NR_CHMOD NONE
#define NR_FCHMOD 52
#define NR_SETUID 146
#define NR_SETGID 144
#define NR_FCHMODAT 53
#define NR_FCHMODAT2 452
#endif

BPF_TASK_STORAGE(threads, struct thread);
#ifdef RESIDENT
BPF_TABLE("lru_hash", struct check_key, struct check, checks, MAX_CHECKS);
BPF_TABLE("lru_hash", u64, struct holder, holders, MAX_HOLDERS);
BPF_TABLE("lru_hash", struct check_key, struct check, others_checks, MAX_OTHERS_CHECKS);
BPF_TABLE("lru_hash", u64, struct holder, others_holders, MAX_OTHERS_HOLDERS);
#else
BPF_F_TABLE("hash", struct check_key, struct check, checks, MAX_CHECKS, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", u64, struct holder, holders, MAX_HOLDERS, BPF_F_NO_PREALLOC);
#endif
BPF_ARRAY(check_state, struct check_state, 1);
BPF_PERCPU_ARRAY(blank_check, struct check, 1);

#ifdef AT_ENTRY
#define MAX_NESTED 33		/* user namespaces in each other: create_user_ns, kernel/user_namespace.c */

/* What cap_capable answers, security/commoncap.c. */
static __always_inline s32 future_answer(const void *cred, const void *namespace, u32 capability)
{
	const void *own = peek(cred, CRED_NAMESPACE), *parent;
	u32 level = peek_word(own, USER_NAMESPACE_LEVEL);

	PLAIN_LOOP
	for (u32 up = 0; up < MAX_NESTED; up++) {
		AS_IT_IS(up);	/* one condition at a time */
		if (namespace == own)
			return (u64)peek(cred, CRED_EFFECTIVE) >> (capability & 63) & 1 ? 0 : -1;
		if (peek_word(namespace, USER_NAMESPACE_LEVEL) <= level)
			return -1;
		parent = peek(namespace, USER_NAMESPACE_PARENT);
		if (parent == own && peek_word(namespace, USER_NAMESPACE_OWNER) ==
				     peek_word(cred, CRED_EUID))
			return 0;
		namespace = parent;
	}
	return -1;
}
#endif

/* A check that is being looked at. */
struct asked {
	const void *cred;
	const void *namespace;	/* struct user_namespace */
	const void *registers;
};

static __always_inline u64 call_argument(const void *registers, int offset)
{
	return (u64)peek(registers, offset);
}

static __always_inline bool is_own(const void *cred, const void *task)
{
	const void *real = peek(task, TASK_REAL_CRED);

	if (cred == real)
		return true;
	if (peek(cred, CRED_GROUPS) != peek(real, CRED_GROUPS))
		return false;
	return !((u64)peek(cred, CRED_EFFECTIVE) & ~(u64)peek(real, CRED_PERMITTED));
}

static __always_inline struct holder *known_holder(u64 recording, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_holders.lookup(&recording);
#endif
	return holders.lookup(&recording);
}

static __always_inline void add_holder(u64 recording, u8 owner)
{
	struct holder fresh = {.since = bpf_ktime_get_boot_ns()};

#ifdef RESIDENT
	if (owner == OTHERS) {
		others_holders.insert(&recording, &fresh);
		return;
	}
#endif
	holders.insert(&recording, &fresh);
}

/* What is known of who holds what in a recording; NULL: nothing is noted, or there is no room. */
static __always_inline struct holder *holder_of(u64 recording, u8 owner)
{
	struct holder *known;
	struct check_state *state;
	u32 zero = 0;

	if (owner == NOBODY)
		return NULL;
	known = known_holder(recording, owner);
	if (known)
		return known;
	add_holder(recording, owner);
	known = known_holder(recording, owner);
	state = check_state.lookup(&zero);
	if (!known && state)
		__sync_fetch_and_add(&state->lost, 1);
	return known;
}

/* Note what a recording's first program holds, once, and whose execve gave it that. */
static __always_inline void settle(struct holder *holder, const void *cred, u64 executable)
{
	const void *namespace = peek(cred, CRED_NAMESPACE);

	if (holder->namespace)
		return;
	holder->inheritable = (u64)peek(cred, CRED_INHERITABLE);
	holder->permitted = (u64)peek(cred, CRED_PERMITTED);
	holder->effective = (u64)peek(cred, CRED_EFFECTIVE);
	holder->bounding = (u64)peek(cred, CRED_BOUNDING);
	holder->ambient = (u64)peek(cred, CRED_AMBIENT);
	holder->executable = executable;
	holder->user = peek_word(cred, CRED_EUID);
	holder->level = peek_word(namespace, USER_NAMESPACE_LEVEL);
	holder->real_user = peek_word(cred, CRED_UID);
	holder->securebits = peek_word(cred, CRED_SECUREBITS);
	holder->extents = peek_word(namespace, USER_NAMESPACE_EXTENTS);
	bpf_probe_read_kernel(holder->uid_map, sizeof(holder->uid_map),
			      (const char *)namespace + USER_NAMESPACE_UID_MAP);
	holder->namespace = (u64)namespace;
}

/* Before the first program the runtime itself is in the container's user namespace already. */
static __always_inline u8 class_of(const struct holder *holder, const struct asked *asked)
{
	u64 own = holder->namespace;

	if (!peek_word(asked->namespace, USER_NAMESPACE_LEVEL))
		return HOSTS;
	if (!own)
		own = (u64)peek(asked->cred, CRED_NAMESPACE);
	return own == (u64)asked->namespace ? CONTAINERS : INNER;
}

/*
 * Whether a call asks for SYS_ADMIN for nothing but memory accounting. Making namespaces does, too,
 * and clone3's flags are in the task's memory, so that one is not among them.
 */
static __always_inline bool is_overcommit(const struct check_key *key, const void *registers)
{
	if (key->capability != CAP_SYS_ADMIN || key->architecture != NATIVE)
		return false;
	switch (key->number) {
	case NR_MMAP:
	case NR_MPROTECT:
	case NR_BRK:
	case NR_MREMAP:
	case NR_EXECVE:
#if defined(RECORDER_X86_64)
	case NR_FORK:
	case NR_VFORK:
#endif
		return true;
	case NR_CLONE:
		return !(call_argument(registers, REGISTERS_FIRST) & NEW_NAMESPACES);
	}
	return false;
}

/* An id that the task has anyway is asked for all the same: kernel/sys.c, __sys_setuid. */
static __always_inline bool is_own_id(const struct asked *asked, u32 real, u32 saved)
{
	u32 id = (u32)call_argument(asked->registers, REGISTERS_FIRST);

	return id == peek_word(asked->cred, real) || id == peek_word(asked->cred, saved);
}

/* Only a set-group-ID bit needs FSETID, which is asked for at every chmod: fs/attr.c. */
static __always_inline bool is_without_group_bit(const struct asked *asked, int mode)
{
	return !(call_argument(asked->registers, mode) & S_ISGID);
}

static __always_inline bool is_idle(const struct check_key *key, const struct asked *asked)
{
	if (key->architecture != NATIVE)
		return false;
	if (key->capability == CAP_FSETID) {
		if (key->number == NR_CHMOD || key->number == NR_FCHMOD)
			return is_without_group_bit(asked, REGISTERS_SECOND);
		if (key->number == NR_FCHMODAT || key->number == NR_FCHMODAT2)
			return is_without_group_bit(asked, REGISTERS_THIRD);
	}
	if (key->namespace != HOSTS)
		return false;	/* ids are numbered otherwise there */
	if (key->capability == CAP_SETUID && key->number == NR_SETUID)
		return is_own_id(asked, CRED_UID, CRED_SUID);
	if (key->capability == CAP_SETGID && key->number == NR_SETGID)
		return is_own_id(asked, CRED_GID, CRED_SGID);
	return false;
}

/* The frames of who asked, and a hash of them: FNV-1a's prime. */
static __always_inline u64 note_site(void *ctx, struct check *into, bool overcommit)
{
	u64 hash = 0xcbf29ce484222325ULL;

	__builtin_memset(into->frames, 0, sizeof(into->frames));
	if (overcommit)
		return OVERCOMMIT;
	bpf_get_stack(ctx, into->frames, sizeof(into->frames), OWN_FRAMES);
#pragma unroll
	for (int frame = 0; frame < FRAMES; frame++)
		hash = (hash ^ into->frames[frame]) * 0x100000001b3ULL;
	return hash == OVERCOMMIT ? OVERCOMMIT + 1 : hash;
}

static __always_inline struct check *known_check(const struct check_key *key, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_checks.lookup(key);
#endif
	return checks.lookup(key);
}

static __always_inline long add_check(struct check_key *key, struct check *fresh, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_checks.insert(key, fresh);
#endif
	return checks.insert(key, fresh);
}

static __always_inline bool count_known(const struct check_key *key, u8 owner)
{
	struct check *known = known_check(key, owner);

	if (known)
		__sync_fetch_and_add(&known->count, 1);
	return known;
}

/* One more check of a kind. */
static __always_inline void count(struct holder *holder, struct check_key *key,
				  struct check *fresh, const void *task, u8 owner)
{
	long refused = -1;

	if (count_known(key, owner))
		return;
	fresh->count = 1;
	fresh->first = bpf_ktime_get_boot_ns();
	fresh->thread = number_at(task, level_of(task));
	bpf_get_current_comm(fresh->comm, sizeof(fresh->comm));
	if (holder->checks < MAX_CHECKS_EACH)
		refused = add_check(key, fresh, owner);
	if (!refused)
		__sync_fetch_and_add(&holder->checks, 1);
	else if (refused != EXISTS || !count_known(key, owner))
		__sync_fetch_and_add(&holder->lost, 1);
}

static __always_inline void describe(struct check_key *key, const struct asked *asked,
				     const void *task)
{
	u32 number = (u32)call_argument(asked->registers, REGISTERS_NUMBER);

	key->architecture = is_compat(task) ? COMPAT : NATIVE;
	key->number = (number & ~X32_BIT) < 1024 ? number : IMPOSSIBLE;
	key->idle = is_idle(key, asked);
}

/* A check of a task that is ours. */
static __always_inline void consider(u64 *ctx, const struct thread *self, const void *task,
				     struct asked *asked, struct check_key *key)
{
	u32 zero = 0;
	u8 owner = owner_of(key->recording);
	struct check *fresh = blank_check.lookup(&zero);
	struct holder *holder = holder_of(key->recording, owner);

	if (!fresh || !holder)
		return;
	key->executable = self->verdict.executable;
	if (key->executable != EXECUTABLE_RUNTIME)
		settle(holder, asked->cred, EXECUTABLE_UNKNOWN);
	key->namespace = class_of(holder, asked);
	describe(key, asked, task);
	key->site = note_site(ctx, fresh, is_overcommit(key, asked->registers));
	count(holder, key, fresh, task, owner);
}

/* Whether the kernel says that it means a check. */
static __always_inline u32 audit_of(const u64 *ctx)
{
#ifdef OPTIONS
	return OPTIONS(ctx) & CAP_OPT_NOAUDIT ? UNAUDITED : AUDITED;
#else
	return UNTOLD;
#endif
}

int on_check(u64 *ctx)
{
	void *task = (void *)bpf_get_current_task_btf();
	struct thread *self = threads.task_storage_get(task, 0, 0);
	struct asked asked = {(const void *)CRED(ctx), (const void *)NAMESPACE(ctx)};
	struct check_key key = {.capability = CAPABILITY(ctx), .granted = !ANSWER(ctx)};

	if (!self)
		return PASS;
	key.audit = audit_of(ctx);
	key.recording = target(&self->verdict);
	if (!key.recording || !is_own(asked.cred, task))
		return PASS;
	asked.registers = (const void *)bpf_task_pt_regs(task);
	consider(ctx, self, task, &asked, &key);
	return PASS;
}

/* The recorder's own program runs before this one: the window is open already if it is now. */
int on_program(u64 *ctx)
{
	void *task = SELF(ctx);
	struct thread *self = threads.task_storage_get(task, 0, 0);
	u64 recording = self ? target(&self->verdict) : 0;
	struct holder *holder = recording ? holder_of(recording, owner_of(recording)) : NULL;

	if (holder)
		settle(holder, peek(task, TASK_REAL_CRED), self->verdict.executable);
	return PASS;
}
