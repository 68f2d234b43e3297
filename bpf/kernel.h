/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The running kernel's structures, as far as the recorder reads them.
 *
 * Every offset is a -D that tracer/kernel/layout.py takes from the running kernel's BTF. What the
 * hot path needs is read directly, through a pointer that the verifier knows (an argument of a BTF
 * tracepoint, the current task): next to nothing at run time, but the verifier looks a pointer
 * member's type up by name, 1 to 10 ms each (6.18). So everything else is read with a helper.
 */
#ifndef KERNEL_H
#define KERNEL_H

#define DIRECT(type, object, offset) (*(type const *)((const char *)(object) + (offset)))

/*
 * Hides from the compiler what it knows of a value. LLVM 19 makes an `or` of `pointer || number`,
 * and of `kept ? kept : other` where it knows one to be NULL, and the verifier allows no
 * arithmetic on pointers.
 */
#define AS_IT_IS(value) asm volatile("" : "+r"(value))

/* Every copy of a loop's body would take stack of its own, and BPF has no vectors. */
#define PLAIN_LOOP _Pragma("clang loop unroll(disable) vectorize(disable)")

static __always_inline void *peek(const void *object, u64 offset)
{
	void *value = NULL;

	bpf_probe_read_kernel(&value, sizeof(value), (const char *)object + offset);
	return value;
}

static __always_inline u32 peek_word(const void *object, int offset)
{
	u32 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (const char *)object + offset);
	return value;
}

/* How many seccomp filters a task has: struct seccomp, include/linux/seccomp_types.h, since 5.9. */
static __always_inline u32 filter_count(const void *task)
{
	return DIRECT(u32, task, TASK_FILTER_COUNT);
}

/*
 * SECCOMP_MODE_DEAD, kernel/seccomp.c: it is being killed, and makes no call any more. Since 5.17
 * (495ac3069a62) and the stable kernels of its time; most older ones never come back from the call.
 */
static __always_inline bool is_killed_by_filter(const void *task)
{
	return DIRECT(u32, task, TASK_SECCOMP_MODE) == 3;
}

/* PFA_NO_NEW_PRIVS is bit 0 of atomic_flags: include/linux/sched.h. */
static __always_inline u8 no_new_privs(const void *task)
{
	return DIRECT(u64, task, TASK_ATOMIC_FLAGS) & 1;
}

/*
 * Whether the call that a task is making came in through the 32-bit entry.
 * x86: TS_COMPAT of thread_info.status, arch/x86/include/asm/thread_info.h.
 * arm64: TIF_32BIT of thread_info.flags, arch/arm64/include/asm/thread_info.h.
 */
static __always_inline bool is_compat(const void *task)
{
#if defined(RECORDER_X86_64)
	return DIRECT(u32, task, TASK_STATUS) & 2;
#elif defined(RECORDER_AARCH64)
	return DIRECT(u64, task, TASK_THREAD_FLAGS) >> 22 & 1;
#else
#error "no system call layout for this architecture"
#endif
}

#if defined(RECORDER_X86_64)
#define NATIVE 0xc000003e	/* AUDIT_ARCH_X86_64 */
#define COMPAT 0x40000003	/* AUDIT_ARCH_I386 */
#define X32_BIT 0x40000000
#define NR_WRITE 1
#define NR_SENDTO 44
#elif defined(RECORDER_AARCH64)
#define NATIVE 0xc00000b7	/* AUDIT_ARCH_AARCH64 */
#define COMPAT 0x40000028	/* AUDIT_ARCH_ARM */
#define X32_BIT 0
#define NR_WRITE 64
#define NR_SENDTO 206
#endif

/*
 * Whether a call surely came in through the native entry, told by the registers alone. arm64: the
 * mode in pstate. x86-64: the instruction syscall leaves the return address in rcx and the flags in
 * r11, and the 64-bit code segment is 0x33. (A program that sets all this up before an int 0x80
 * hides that one call of its own.)
 */
static __always_inline bool is_surely_native(const void *registers)
{
#if defined(RECORDER_X86_64)
	return (u16)DIRECT(u64, registers, REGISTERS_CS) == 0x33 &&
	       DIRECT(u64, registers, REGISTERS_CX) == DIRECT(u64, registers, REGISTERS_IP) &&
	       DIRECT(u64, registers, REGISTERS_R11) == DIRECT(u64, registers, REGISTERS_FLAGS);
#elif defined(RECORDER_AARCH64)
	return !(DIRECT(u64, registers, REGISTERS_PSTATE) & 0x10);
#endif
}

/* An argument of the call that pt_regs holds. */
static __always_inline u64 argument(const void *registers, int offset)
{
	return DIRECT(u64, registers, offset);
}

/* The number of the call that pt_regs holds: orig_ax, or syscallno, which has 32 bits. */
static __always_inline u32 call_number(const void *registers)
{
	return DIRECT(u32, registers, REGISTERS_NUMBER);
}

/*
 * What stands in place of a result if a filter answered with SIGSYS: syscall_rollback in
 * arch/x86/include/asm/syscall.h (ax is orig_ax again) and in arm64's (x0 is orig_x0).
 */
static __always_inline u64 left_by_trap(const void *registers)
{
#if defined(RECORDER_X86_64)
	return DIRECT(u64, registers, REGISTERS_NUMBER);
#elif defined(RECORDER_AARCH64)
	return DIRECT(u64, registers, REGISTERS_FIRST);
#endif
}

/*
 * Whether a tracer makes a task's calls in its place, so that the kernel does not: PTRACE_SYSEMU.
 * SYSCALL_WORK_SYSCALL_EMU, include/linux/thread_info.h, since 5.11; TIF_SYSCALL_EMU of arm64.
 */
static __always_inline bool is_emulated(const void *task)
{
#if defined(RECORDER_X86_64)
	return DIRECT(u64, task, TASK_SYSCALL_WORK) >> 3 & 1;
#elif defined(RECORDER_AARCH64)
	return DIRECT(u64, task, TASK_THREAD_FLAGS) >> 12 & 1;
#endif
}

/* Whether SIGKILL is pending: __fatal_signal_pending, include/linux/sched/signal.h. */
static __always_inline bool is_being_killed(const void *task)
{
	return peek_word(task, TASK_PENDING) >> 8 & 1;
}

static __always_inline u32 process_of(const void *task)
{
	return DIRECT(u32, task, TASK_TGID);
}

static __always_inline u32 thread_of(const void *task)
{
	return DIRECT(u32, task, TASK_PID);
}

/* How many PID namespaces lie above the task's own: 0 on the host. */
static __always_inline u32 level_of(const void *task)
{
	return DIRECT(u32, DIRECT(void *, task, TASK_THREAD_PID), PID_LEVEL);
}

/* The entry of struct pid for one level: what number the task has there, and in which namespace. */
static __always_inline const void *at_level(const void *task, u32 level)
{
	return (const char *)peek(task, TASK_THREAD_PID) + PID_NUMBERS + level * UPID_SIZE;
}

static __always_inline u32 number_at(const void *task, u32 level)
{
	return peek_word(at_level(task, level), UPID_NR);
}

/* The inode number of a PID namespace, as in /proc/PID/ns/pid. */
static __always_inline u32 namespace_at(const void *task, u32 level)
{
	return peek_word(peek(at_level(task, level), UPID_NS), PID_NAMESPACE_INUM);
}

/* The first process of a PID namespace that a task is in, which is there as long as others are. */
static __always_inline const void *first_of_namespace(const void *task, u32 level)
{
	return peek(peek(at_level(task, level), UPID_NS), PID_NAMESPACE_FIRST);
}

/* When it was born: ns, CLOCK_BOOTTIME. */
static __always_inline u64 birth_of_namespace(const void *task, u32 level)
{
	return (u64)peek(first_of_namespace(task, level), TASK_BORN);
}

/* The process that is its parent. */
static __always_inline u32 parent_of_first(const void *task, u32 level)
{
	return peek_word(peek(first_of_namespace(task, level), TASK_PARENT), TASK_TGID);
}

static __always_inline const void *cgroups_of(const void *task)
{
	return peek(task, TASK_CGROUPS);
}

static __always_inline const void *cgroup2_of(const void *task)
{
	return peek(cgroups_of(task), CSS_SET_DEFAULT);
}

static __always_inline const void *cgroup_name(const void *cgroup)
{
	return peek(peek(cgroup, CGROUP_NODE), NODE_NAME);
}

static __always_inline const void *parent_cgroup(const void *cgroup)
{
	const void *parent = peek(cgroup, CGROUP_PARENT);

	return parent ? peek(parent, STATE_CGROUP) : NULL;
}

/* Where a walk up a path stands. */
struct place {
	const void *dentry;
	const void *mount;	/* struct vfsmount */
};

static __always_inline struct place place_at(const void *path)
{
	struct place place = {peek(path, PATH_DENTRY), peek(path, PATH_MOUNT)};

	return place;
}

static __always_inline struct place root_of(const void *task)
{
	return place_at((const char *)peek(task, TASK_FS) + FS_ROOT);
}

/*
 * Which directory a task's root is. A new mount namespace copies mounts, but not what is mounted:
 * this stays the same until the task gets another root.
 */
static __always_inline u64 root_directory(const void *task)
{
	return (u64)root_of(task).dentry;
}

/* Whether any thread of the task's process is left: struct signal_struct. */
static __always_inline bool is_last_thread(const void *task)
{
	return !peek_word(peek(task, TASK_SIGNAL), SIGNAL_LIVE);
}

/* Whether a descriptor of the current task is a socket: S_IFSOCK, include/uapi/linux/stat.h. */
static __always_inline bool is_socket(const void *task, u64 descriptor)
{
	const void *table = peek(peek(task, TASK_FILES), FILES_TABLE);
	const void *files = peek(table, TABLE_FILES);
	const void *file;

	if (descriptor >= peek_word(table, TABLE_SIZE))
		return false;
	file = peek(files, descriptor * sizeof(void *));
	return (peek_word(peek(file, FILE_INODE), INODE_MODE) & 0170000) == 0140000;
}

/* Where a task's argument strings are, and how many bytes of them: proc_pid_cmdline(5). */
static __always_inline u64 argument_bytes(const void *task, const void **start)
{
	const void *memory = peek(task, TASK_MM);

	*start = peek(memory, MM_ARGUMENTS);
	return (u64)peek(memory, MM_ARGUMENTS_END) - (u64)*start;
}

/*
 * The program that a task executes. One that ends has no memory of its own any more before
 * sched_process_exit tells of it, until 6.15 or so; what it had last is there as long as other
 * threads have it. An empty place if nothing is.
 */
static __always_inline struct place program_file(const void *task)
{
	const void *memory = peek(task, TASK_MM);
	struct place nowhere = {};
	const char *file;

	if (!memory)
		memory = peek(task, TASK_ACTIVE_MM);
	file = peek(memory, MM_EXECUTABLE);
	return file ? place_at(file + FILE_PATH) : nowhere;
}

/* From the root of a mount to the place that it is mounted on; false at the outermost one. */
static __always_inline bool leave_mount(struct place *place)
{
	const char *mount = (const char *)place->mount - MOUNT_VFSMOUNT;
	const char *parent = peek(mount, MOUNT_PARENT);

	if (parent == mount)
		return false;
	place->dentry = peek(mount, MOUNT_POINT);
	place->mount = parent + MOUNT_VFSMOUNT;
	return true;
}

#endif
