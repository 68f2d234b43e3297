/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of denials.c: where a task is, who keeps that place, and which program it runs.
 *
 * Places give way to newer ones as user space decides (tracer/kernel/denials.py): it removes one that
 * has been quiet from `places` first, and what belongs to it when no program can be adding to it.
 */
#include "cgroup.h"
#include "path.h"
#include "monitor.h"

#define MAX_PROGRAMS_EACH 512
#define MAX_MONITORS 8192
#define MAX_LAUNCHES 2048
#define MAX_LEVELS 8

#ifdef RESIDENT
BPF_TABLE("lru_hash", struct place_key, struct denial_place, places, MAX_PLACES);
BPF_TABLE("lru_hash", struct executable_key, struct executable, programs, MAX_PROGRAMS);
BPF_TABLE("lru_hash", struct place_key, struct denial_place, others_places, MAX_OTHERS_PLACES);
BPF_TABLE("lru_hash", struct executable_key, struct executable, others_programs,
	  MAX_OTHERS_PROGRAMS);
#else
BPF_HASH(places, struct place_key, struct denial_place, MAX_PLACES);
BPF_HASH(programs, struct executable_key, struct executable, MAX_PROGRAMS);
BPF_TABLE("lru_hash", u32, u64, monitors, MAX_MONITORS);	/* by process: key in started_for */
BPF_TABLE("lru_hash", u64, struct launch, started_for, MAX_LAUNCHES);
BPF_PERCPU_ARRAY(blank_start, struct launch, 1);
#endif
BPF_ARRAY(watcher, u32, 1);	/* inode number of its PID namespace */
BPF_PERCPU_ARRAY(blank_path, struct executable, 1);
BPF_PERCPU_ARRAY(blank_cgroup, struct cgroup_name, 1);

/* The level of the PID namespace just below the watcher's, in which a task is or has its own. */
static __always_inline u32 level_below_watcher(const void *task)
{
	u32 zero = 0, innermost = level_of(task);
	u32 *own = watcher.lookup(&zero);

	if (!own)
		return innermost;
	PLAIN_LOOP
	for (u32 level = 0; level < MAX_LEVELS; level++) {
		AS_IT_IS(level);	/* one condition at a time */
		if (level >= innermost)
			break;
		if (namespace_at(task, level) == *own)
			return level + 1;
	}
	return innermost;
}

/*
 * Where a task is, and who keeps that: the parent of the namespace's first process, which is conmon
 * if it is podman's, and knows more; 0 if there is an id.
 */
static __always_inline u32 name_place(struct place_key *key, const void *task)
{
	u32 zero = 0, level;
	struct cgroup_name *name = blank_cgroup.lookup(&zero);

	if (name && is_containers(cgroup2_of(task), name)) {
		__builtin_memcpy(key->word, name->key.word, sizeof(key->word));
		return 0;
	}
	level = level_below_watcher(task);
	key->born = birth_of_namespace(task, level);
	key->namespace = namespace_at(task, level);
	return parent_of_first(task, level);
}

#ifndef RESIDENT
/* What a process was started for, if it is a monitor that began while this was attached. */
static __always_inline u64 launch_of(u32 process)
{
	u64 *known = process ? monitors.lookup(&process) : NULL;

	return known ? *known : 0;
}
#endif

static __always_inline struct denial_place *known_place(const struct place_key *key, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_places.lookup(key);
#endif
	return places.lookup(key);
}

static __always_inline void add_place(struct place_key *key, struct denial_place *fresh, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS) {
		others_places.insert(key, fresh);
		return;
	}
#endif
	places.insert(key, fresh);
}

/* Where a task is; NULL: there is no room for one place more. */
static __always_inline struct denial_place *place_of_task(const void *task, u64 recording, u8 owner)
{
	struct place_key key = {};
	struct denial_place fresh = {.id = bpf_ktime_get_ns()};
	struct denial_place *found;

#ifdef RESIDENT
	fresh.id = key.born = recording;
#else
	fresh.keeper = name_place(&key, task);
	fresh.launch = launch_of(fresh.keeper);
#endif
	found = known_place(&key, owner);
	if (found) {
		found->keeper = fresh.keeper;
		if (fresh.launch)
			found->launch = fresh.launch;
		return found;
	}
	add_place(&key, &fresh, owner);
	return known_place(&key, owner);
}

static __always_inline bool is_known_program(const struct executable_key *key, u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_programs.lookup(key);
#endif
	return programs.lookup(key);
}

static __always_inline long add_program(struct executable_key *key, struct executable *path,
					u8 owner)
{
#ifdef RESIDENT
	if (owner == OTHERS)
		return others_programs.insert(key, path);
#endif
	return programs.insert(key, path);
}

static __always_inline u64 program_of(struct denial_place *place, const void *task, u8 owner)
{
	u32 zero = 0;
	struct executable *path = blank_path.lookup(&zero);
	struct executable_key key = {.recording = place->id};
	struct place program = program_file(task);
	long refused;

	if (!path || !program.dentry)
		return EXECUTABLE_UNKNOWN;
	key.executable = read_path(path, task, program);
	path->first = bpf_ktime_get_boot_ns();
	if (is_known_program(&key, owner))
		return key.executable;
	if (place->programs >= MAX_PROGRAMS_EACH)
		return EXECUTABLE_UNKNOWN;
	refused = add_program(&key, path, owner);
	if (!refused)
		__sync_fetch_and_add(&place->programs, 1);
	return refused && refused != EXISTS ? EXECUTABLE_UNKNOWN : key.executable;
}

#ifndef RESIDENT
/* Whether a task numbers processes as the watcher does, and so is in no container that is watched. */
static __always_inline bool is_beside_watcher(const void *task)
{
	u32 zero = 0;
	u32 *own = watcher.lookup(&zero);

	return own && namespace_at(task, level_of(task)) == *own;
}

/*
 * A monitor may end with its container, before user space has looked, and then its engine may know no
 * name any more. So what it was started for is kept: of root's, since anybody may call a thousand
 * programs so, and not of a container's. Others' are read from /proc, if in time.
 */
int on_program(u64 *ctx)
{
	void *task = SELF(ctx);
	u32 zero = 0, process = process_of(task);
	u64 id = bpf_ktime_get_ns();
	struct launch *launch;

	if (!is_conmon() || (u32)bpf_get_current_uid_gid() || !is_beside_watcher(task)) {
		monitors.delete(&process);	/* a monitor's child has become something else */
		return PASS;
	}
	launch = blank_start.lookup(&zero);
	if (!launch)
		return PASS;
	read_launch(launch, task);
	started_for.update(&id, launch);
	monitors.update(&process, &id);
	return PASS;
}

/* It leaves its work to a child. */
int on_birth(u64 *ctx)
{
	u32 parent = process_of(PARENT(ctx)), child = process_of(CHILD(ctx));
	u64 id = is_conmon() ? launch_of(parent) : 0;

	if (id && parent != child)
		monitors.update(&child, &id);
	return PASS;
}
#endif
