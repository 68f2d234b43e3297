/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The path of a program, as its task sees it.
 */
#ifndef PATH_H
#define PATH_H

#include "recorder.h"
#include "kernel.h"

#define MAX_COMPONENTS 48

/* FNV-1a's prime, over the hashes of the components that the kernel has already computed. */
static __always_inline u64 mixed(u64 hash, u64 component)
{
	return (hash ^ component) * 0x100000001b3ULL;
}

/* One name more, if it can be read; there is room for it. */
static __always_inline bool name_component(struct executable *into, const void *dentry)
{
	u32 length = into->length;
	int size;

	if (length > PATH_SIZE - COMPONENT_SIZE)
		return false;
	size = bpf_probe_read_kernel_str(&into->components[length], COMPONENT_SIZE,
					 peek(dentry, DENTRY_NAME));
	if (size <= 0)
		return false;
	into->length = length + size;
	return true;
}

/*
 * The path of a program as its root directory shows it: the names from the file up to the task's
 * root, through mounts. What has no place there (a memfd) gives its own name alone.
 */
static __always_inline u64 read_path(struct executable *into, const void *task, struct place place)
{
	struct place root = root_of(task);
	u64 hash = 0xcbf29ce484222325ULL;

	into->length = 0;
	into->cut = 1;
	PLAIN_LOOP
	for (int depth = 0; depth < MAX_COMPONENTS; depth++) {
		const void *parent = peek(place.dentry, DENTRY_PARENT);
		u32 length = into->length;

		if (place.dentry == root.dentry && place.mount == root.mount) {
			into->cut = 0;
			break;
		}
		if (place.dentry == peek(place.mount, VFSMOUNT_ROOT)) {
			if (leave_mount(&place))
				continue;
			if (!length && name_component(into, place.dentry))	/* runc's own, bound nowhere */
				hash = mixed(hash, (u64)peek(place.dentry, DENTRY_HASH));
			into->cut = 0;
			break;
		}
		if (!name_component(into, place.dentry))
			break;
		hash = mixed(hash, (u64)peek(place.dentry, DENTRY_HASH));
		if (parent == place.dentry) {
			into->cut = 0;
			break;
		}
		place.dentry = parent;
	}
	return hash < 2 ? 2 : hash;
}

#endif
