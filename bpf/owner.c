/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A part of what notes something beside the recorder: whose a recording is. Beside the recorder that
 * stays (RESIDENT) this says which maps have the notes; else it makes no difference.
 */
#define NOBODY 0		/* it is gone */
#define ROOT 1
#define OTHERS 2

#ifdef RESIDENT
BPF_HASH(recordings, u64, struct recording);	/* the recorder's */
#endif

static __always_inline u8 owner_of(u64 recording)
{
#ifdef RESIDENT
	struct recording *head = recordings.lookup(&recording);

	if (!head)
		return NOBODY;
	if (head->user)
		return OTHERS;
#endif
	return ROOT;
}
