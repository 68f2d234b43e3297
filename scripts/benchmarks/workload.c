/*
 * The work that is measured: `workload calls N` makes N system calls that do next to nothing,
 * `workload failures N` N calls that fail, `workload checks N` N calls each of which asks for a
 * capability, `workload maps N` N mappings, which are accounted, `workload forks N` forks N children
 * that end at once. Prints nanoseconds a call, microseconds a fork.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Time on the processor for calls, so that other work on the machine counts less. */
static double now(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return at.tv_sec * 1e9 + at.tv_nsec;
}

static void call(void)
{
	syscall(SYS_getppid);
}

static void fail(void)
{
	syscall(SYS_getsid, -1);
}

static void check(void)
{
	syscall(SYS_setgid, 0);
}

static void map(void)
{
	munmap(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
}

static void fork_once(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : "calls";
	int forks = !strcmp(wanted, "forks");
	void (*work)(void) = forks ? fork_once
			     : !strcmp(wanted, "failures") ? fail
			     : !strcmp(wanted, "checks") ? check
			     : !strcmp(wanted, "maps") ? map : call;
	clockid_t clock = forks ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
	long times = argc > 2 ? atol(argv[2]) : 1;
	double start = now(clock);

	for (long i = 0; i < times; i++)
		work();
	printf("%.3f\n", (now(clock) - start) / times / (forks ? 1000 : 1));
	return 0;
}
