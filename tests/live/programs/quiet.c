/*
 * quiet: what must not look like a denial, under a filter that lets everything through. Calls that
 * fail by themselves, births, deaths in mid-call, interrupted and restarted calls, a signal's return
 * that ends in an error number, and calls that a tracer emulates or whose task it kills.
 *
 * quiet blocked: says "ready" and stays in calls, until SIGUSR1 interrupts one and ends the others.
 * Ends with 0 if all went as described.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { CALLS = 100000, TIMES = 200, THREADS = 50, STOPS = 50 };

static void check(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "quiet: %s: %s\n", what, strerror(errno));
		_exit(1);
	}
}

static void failing_calls(void)
{
	for (int i = 0; i < CALLS; i++)
		check(close(-1) == -1, "close");
}

static void *call_a_little(void *nothing)
{
	close(-1);
	return nothing;
}

static void birth(const char *self, int vforked, int executes)
{
	int status;
	pid_t child = vforked ? vfork() : fork();

	if (child == 0 && executes)
		execl(self, self, "nothing", NULL);
	if (child == 0)
		_exit(0);
	check(waitpid(child, &status, 0) == child && !status, "child");
}

static void births(const char *self)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < TIMES; i++)
		birth(self, i % 2, i % 4 < 2);
	for (int i = 0; i < THREADS; i++)
		check(!pthread_create(&threads[i], NULL, call_a_little, NULL), "thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void *block(void *end)
{
	char byte;

	return read(*(int *)end, &byte, 1) < 0 ? NULL : end;
}

/* Ends while four of its threads are in a read, by itself or by SIGKILL. */
static void deaths(void)
{
	for (int i = 0; i < TIMES / 10; i++) {
		pid_t child = fork();

		if (child == 0) {
			int ends[2];
			pthread_t thread;

			check(!pipe(ends), "pipe");
			for (int j = 0; j < 4; j++)
				pthread_create(&thread, NULL, block, &ends[0]);
			usleep(1000);
			if (i % 2)
				syscall(SYS_exit_group, 0);
			kill(getpid(), SIGKILL);
		}
		waitpid(child, NULL, 0);
	}
}

static volatile int alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

/* A read that is interrupted again and again, restarted or not, until there is something to read. */
static void interruptions(int flags)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	int ends[2], got;
	char byte;
	pid_t child;

	check(!pipe(ends), "pipe");
	sigaction(SIGALRM, &action, NULL);
	child = fork();
	if (child == 0) {
		usleep(100000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	setitimer(ITIMER_REAL, &often, NULL);
	while ((got = read(ends[0], &byte, 1)) < 0)
		check(errno == EINTR, "read");
	setitimer(ITIMER_REAL, &never, NULL);
	check(got == 1 && alarms > 10, "interruptions");
	while (waitpid(child, NULL, 0) < 0)
		;
}

static void answer_in_context(int number, siginfo_t *information, void *context)
{
	mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;

	(void)number;
	(void)information;
#if defined(__x86_64__)
	machine->gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	machine->regs[0] = -EPERM;
#endif
}

static void returns_of_signals(void)
{
	struct sigaction action = { .sa_sigaction = answer_in_context, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR2, &action, NULL);
	for (int i = 0; i < TIMES; i++)
		check(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2) == -1 && errno == EPERM,
		      "what the handler put there");
}

#if defined(__x86_64__)
/* The answer to a call that a tracer has taken out of the kernel's hands. */
static void emulate(pid_t child)
{
	struct user_regs_struct registers;

	check(!ptrace(PTRACE_GETREGS, child, NULL, &registers), "GETREGS");
	registers.rax = -EPERM;
	check(!ptrace(PTRACE_SETREGS, child, NULL, &registers), "SETREGS");
}

static void traced(enum __ptrace_request request)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		for (;;)
			syscall(SYS_getppid);
	}
	check(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "stop");
	for (int i = 0; i < STOPS; i++) {
		check(!ptrace(request, child, NULL, NULL), "resume");
		check(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "stop at a call");
		if (request == PTRACE_SYSEMU)
			emulate(child);
	}
	/* It dies where it tells of the beginning of a call: an odd number of stops. */
	check(!ptrace(request, child, NULL, NULL) && waitpid(child, &status, 0) == child, "last");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
#endif

static void *pause_a_little(void *nothing)
{
	pause();
	return nothing;
}

static int blocked(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int ends[2];
	pthread_t thread;

	check(!pipe(ends), "pipe");
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_create(&thread, NULL, block, &ends[0]);
		pthread_create(&thread, NULL, pause_a_little, NULL);
	}
	puts("ready");
	fflush(stdout);
	while (!alarms)
		pause();
	check(close(-1) == -1, "close");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return strcmp(argv[1], "blocked") ? 0 : blocked();
	failing_calls();
	births(argv[0]);
	deaths();
	interruptions(SA_RESTART);
	interruptions(0);
	returns_of_signals();
#if defined(__x86_64__)
	traced(PTRACE_SYSCALL);
	traced(PTRACE_SYSEMU);
#endif
	return 0;
}
