/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The container that a cgroup's name tells of.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include "kernel.h"

#define MAX_CGROUP_DEPTH 4
#define CGROUP_NAME_SIZE 128

/* A container id's 64 characters, eight to a word. */
struct container_key {
	u64 word[8];
};

struct cgroup_name {
	char text[CGROUP_NAME_SIZE];
	struct container_key key;
};

#define EACH_BYTE(value) ((value) * 0x0101010101010101ULL)
#define REACHES(word, byte) (((word) + EACH_BYTE(0x80 - (byte))) & EACH_BYTE(0x80))

/*
 * Whether eight characters are all lower-case hexadecimal digits, without a branch: 64 branches for
 * an id would cost the verifier most of a second. Adding 0x80 - c sets a byte's top bit if it is
 * at least c.
 */
static __always_inline bool is_hexadecimal(u64 word)
{
	u64 digit = REACHES(word, '0') & ~REACHES(word, '9' + 1);
	u64 letter = REACHES(word, 'a') & ~REACHES(word, 'f' + 1);

	return !(word & EACH_BYTE(0x80)) && (digit | letter) == EACH_BYTE(0x80);
}

/*
 * The container id that a cgroup's name ends with: ID, docker-ID.scope, libpod-ID.scope,
 * crio-ID.scope, cri-containerd-ID.scope. A monitor's cgroup (libpod-conmon-ID.scope) and a pod's
 * (libpod_pod_ID) are no container's.
 */
static __always_inline bool id_of_name(const void *cgroup, struct cgroup_name *name)
{
	const char *text = cgroup_name(cgroup);
	int length, start;

	length = bpf_probe_read_kernel_str(name->text, sizeof(name->text), text) - 1;
	if (length > 6 && name->text[(length - 6) & 127] == '.')
		length -= 6;	/* .scope; .slice leaves no 64 digits at the end */
	start = length - CONTAINER_ID_SIZE;
	if (start < 0 || bpf_probe_read_kernel(&name->key, sizeof(name->key), text + start))
		return false;
	if (start >= 5 && name->text[(start - 5) & 127] == 'n' && name->text[(start - 2) & 127] == 'n')
		return false;	/* conmon- */
	if (start >= 4 && name->text[(start - 4) & 127] == 'p' && name->text[(start - 1) & 127] == '_')
		return false;	/* pod_ */
	return is_hexadecimal(name->key.word[0]) && is_hexadecimal(name->key.word[1]) &&
	       is_hexadecimal(name->key.word[2]) && is_hexadecimal(name->key.word[3]) &&
	       is_hexadecimal(name->key.word[4]) && is_hexadecimal(name->key.word[5]) &&
	       is_hexadecimal(name->key.word[6]) && is_hexadecimal(name->key.word[7]);
}

/* A pod's monitors share a cgroup of that name, in one that has the plain id of the pod. */
static __always_inline bool is_monitors(const struct cgroup_name *name)
{
	return name->text[0] == 'c' && name->text[1] == 'o' && name->text[2] == 'n' &&
	       name->text[3] == 'm' && name->text[4] == 'o' && name->text[5] == 'n' &&
	       !name->text[6];
}

/* Whether a cgroup is a container's, or lies in one's; then name->key is its id. */
static __always_inline bool is_containers(const void *cgroup, struct cgroup_name *name)
{
	PLAIN_LOOP
	for (int up = 0; up < MAX_CGROUP_DEPTH && cgroup; up++) {
		if (id_of_name(cgroup, name))
			return true;
		if (is_monitors(name))
			return false;
		cgroup = parent_cgroup(cgroup);
	}
	return false;
}

#endif
