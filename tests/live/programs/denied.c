/*
 * Calls that a filter answers, counted by who makes them.
 *
 * denied loop NUMBER TIMES [FIRST]   makes a call so often; prints how often it failed with EPERM
 * denied crowd NUMBER TIMES          the same in each of 100 threads, all at the same time
 * denied own NUMBER COUNT            loads a filter of its own that answers every number from NUMBER
 *                                    on with EACCES, and makes COUNT calls of different numbers
 * denied own NUMBER COUNT THREADS    the same, of one number, in each of so many threads at once
 * denied killed NUMBER TIMES         loads one that kills it for the call, which it makes
 * denied trap NUMBER TIMES           prints how many SIGSYS came, and of which call the last told
 * denied thread NUMBER               a thread of its own makes the call; prints when that is gone
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 100, MOST_THREADS = 4000 };

static pthread_barrier_t start;
static long number, times, first, refused;
static volatile int traps, trapped, thread;

static void *loop(void *crowd)
{
	long mine = 0;

	if (crowd)
		pthread_barrier_wait(&start);
	for (long i = 0; i < times; i++)
		mine += syscall(number, first, 0, 0, 0, 0, 0) == -1 && errno == EPERM;
	__sync_fetch_and_add(&refused, mine);
	return NULL;
}

static void crowd(void)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, loop, &start);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void load_own_filter(__u32 answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void *own_calls(void *crowd)
{
	long mine = 0;

	if (crowd)
		pthread_barrier_wait(&start);
	for (long i = 0; i < times; i++)
		mine += syscall(number + (crowd ? 0 : i), 0, 0, 0, 0, 0, 0) == -1 && errno == EACCES;
	__sync_fetch_and_add(&refused, mine);
	return NULL;
}

static void call_under_own_filter(void)
{
	pthread_t threads[MOST_THREADS];
	pthread_attr_t small;

	load_own_filter(SECCOMP_RET_ERRNO | EACCES);
	if (!first) {
		own_calls(NULL);
		return;
	}
	pthread_barrier_init(&start, NULL, first);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (long i = 0; i < first; i++)
		if (pthread_create(&threads[i], &small, own_calls, &start))
			exit(1);
	for (long i = 0; i < first; i++)
		pthread_join(threads[i], NULL);
}

static void on_trap(int signal, siginfo_t *information, void *context)
{
	(void)signal;
	(void)context;
	traps++;
	trapped = information->si_syscall;
}

static void *call_once(void *nothing)
{
	thread = gettid();
	syscall(number, 0, 0, 0, 0, 0, 0);
	return nothing;
}

/* A thread that a filter has killed joins nobody: it is gone when the kernel says so. */
static void in_a_thread(void)
{
	pthread_t one;

	pthread_create(&one, NULL, call_once, NULL);
	while (!thread || !syscall(SYS_tgkill, getpid(), thread, 0))
		usleep(1000);
	puts("gone");
	exit(0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	number = argc > 2 ? strtol(argv[2], NULL, 0) : 0;
	times = argc > 3 ? strtol(argv[3], NULL, 0) : 0;
	first = argc > 4 ? strtol(argv[4], NULL, 0) : 0;
	sigaction(SIGSYS, &action, NULL);
	if (!strcmp(what, "loop"))
		loop(NULL);
	else if (!strcmp(what, "crowd"))
		crowd();
	else if (!strcmp(what, "own"))
		call_under_own_filter();
	else if (!strcmp(what, "killed")) {
		load_own_filter(SECCOMP_RET_KILL_PROCESS);
		loop(NULL);
	} else if (!strcmp(what, "thread"))
		in_a_thread();
	else if (!strcmp(what, "trap")) {
		loop(NULL);
		printf("%d %d\n", traps, trapped);
		return 0;
	}
	printf("%ld\n", refused);
	return 0;
}
