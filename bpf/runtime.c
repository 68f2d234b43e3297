/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of recorder.c: which file the runtime of a container is.
 *
 * A runtime may execute itself anew from a copy (crun at its start: a memfd, or a detached mount of
 * its own file; runc for `runc init`). The file that the monitor executed comes before the copy, and
 * only it has a name in the mount namespace. So each exec of a possible runtime's named file is
 * noted, by process. When a container's first task is born, the nearest process above it with a note
 * is the runtime.
 */
#define MAX_EXECUTED 2048
#define MAX_ANCESTORS 4		/* a first task, its runtime, and what the runtime forks in between */

/* The first four letters of a comm, as a little-endian word. */
#define RUNC 0x636e7572
#define CRUN 0x6e757263
#define YOUKI 0x6b756f79
#define CONMON 0x6d6e6f63
#define CONTAINERD_SHIM 0x746e6f63

/* What a process executed last that has a name. */
struct executed {
	u64 born;		/* when the process was: its number may be given to another one */
	u64 inode;
	struct executable file;
};

BPF_TABLE("lru_hash", u32, struct executed, executed, MAX_EXECUTED);	/* by process */
BPF_PERCPU_ARRAY(blank_executed, struct executed, 1);

/* Others are not noted: a busy host would push out the runtimes before their containers begin. */
static __always_inline bool may_be_runtime(const void *task)
{
	u32 own = peek_word(task, TASK_COMM);
	u32 parent = peek_word(peek(task, TASK_PARENT), TASK_COMM);

	return own == RUNC || own == CRUN || own == YOUKI || parent == CONMON ||
	       parent == CONTAINERD_SHIM;
}

/* A memfd and a detached mount are in no task's mount namespace; a deleted file has no links. */
static __always_inline bool has_name(const void *task, const void *file)
{
	const char *mount = (const char *)place_at((const char *)file + FILE_PATH).mount;

	return peek(mount - MOUNT_VFSMOUNT, MOUNT_NAMESPACE) ==
	       peek(peek(task, TASK_NAMESPACES), NAMESPACES_MOUNT) &&
	       peek_word(peek(file, FILE_INODE), INODE_LINKS);
}

static __always_inline void note_executed(const void *task)
{
	u32 zero = 0, process = process_of(task);
	struct executed *fresh = blank_executed.lookup(&zero);
	const void *file = peek(peek(task, TASK_MM), MM_EXECUTABLE);

	if (!fresh || !may_be_runtime(task) || !has_name(task, file))
		return;
	fresh->born = (u64)peek(peek(task, TASK_LEADER), TASK_BORN);
	fresh->inode = (u64)peek(peek(file, FILE_INODE), INODE_NUMBER);
	read_path(&fresh->file, task, program_file(task));
	fresh->file.first = bpf_ktime_get_boot_ns();
	executed.update(&process, fresh);
}

/* The runtime of a recording, from the first task of its container. */
static __always_inline void name_runtime(struct recording *head, const void *task)
{
	PLAIN_LOOP
	for (int up = 0; up < MAX_ANCESTORS; up++) {
		const void *leader = peek(task, TASK_LEADER);
		u32 process = peek_word(leader, TASK_TGID);
		struct executed *known = executed.lookup(&process);

		if (known && known->born == (u64)peek(leader, TASK_BORN)) {
			head->runtime_inode = known->inode;
			head->runtime = known->file;
			return;
		}
		task = peek(leader, TASK_PARENT);
	}
}
