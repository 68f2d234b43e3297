/*
 * /PATH/ends: makes calls that end in every way there is. It fails unless those that fail here fail
 * so: epoll_ctl_old with ENOSYS (no kernel has it), rt_sigqueueinfo with EPERM (a signal as from the
 * kernel, to somebody else); rt_tgsigqueueinfo fails so, and then succeeds. A pause and a nanosleep
 * are interrupted, a read is and begins anew. Engines' filters deny one personality of three. What is
 * executed is looked for in two places.
 *
 * /PATH/ends never: futex fails with ENOSYS, which it prints, and then never returns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pipe_ends[2];
static volatile int to_write;

static void must(int holds)
{
	if (!holds)
		_exit(1);
}

static void on_alarm(int number)
{
	(void)number;
	if (to_write)
		must(write(pipe_ends[1], "x", 1) == 1);
}

/* Again and again: on a slow machine the first one may come before the call that it is for. */
static void soon(int flags)
{
	struct itimerval often = { { .tv_usec = 20000 }, { .tv_usec = 20000 } };
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };

	must(!sigaction(SIGALRM, &action, NULL) && !setitimer(ITIMER_REAL, &often, NULL));
}

static void no_more(void)
{
	struct itimerval never = { 0 };

	must(!setitimer(ITIMER_REAL, &never, NULL));
}

static void interrupt(void)
{
	struct timespec long_time = { .tv_sec = 60 };
	char byte;

	soon(0);
	must(syscall(SYS_pause) == -1 && errno == EINTR);
	no_more();
	soon(0);
	must(syscall(SYS_nanosleep, &long_time, NULL) == -1 && errno == EINTR);
	no_more();
	to_write = 1;
	must(!pipe(pipe_ends));
	soon(SA_RESTART);
	must(read(pipe_ends[0], &byte, 1) == 1);
	no_more();
}

static void fail(void)
{
	siginfo_t as_from_kernel = { .si_code = SI_USER };
	pid_t self = getpid();

	must(syscall(SYS_epoll_ctl_old, 0, 0, 0) == -1 && errno == ENOSYS);
	must(syscall(SYS_rt_sigqueueinfo, self + 1, SIGWINCH, &as_from_kernel) == -1 &&
	     errno == EPERM);
	must(syscall(SYS_rt_tgsigqueueinfo, self + 1, self + 1, SIGWINCH, &as_from_kernel) == -1 &&
	     errno == EPERM);
	must(!syscall(SYS_rt_tgsigqueueinfo, self, self, SIGWINCH, &as_from_kernel));
	syscall(SYS_personality, 0);
	syscall(SYS_personality, 1);
	syscall(SYS_personality, 0);
}

static void *in_thread(void *argument)
{
	/* 0 if the session is that of a PID namespace above. */
	must(syscall(SYS_getsid, 0) >= 0);
	must(syscall(SYS_getsid, -1) == -1 && errno == ESRCH);
	return argument;
}

static void in_child(char *self)
{
	char *arguments[] = { self, "end", NULL };

	execv("/nowhere/ends", arguments);
	execv(self, arguments);
	_exit(1);
}

static void never_end(void)
{
	static int word;

	must(syscall(SYS_futex, &word, 63 /* no operation */, 0, NULL) == -1 && errno == ENOSYS);
	must(write(1, "failed\n", 7) == 7);
	for (;;)
		syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, NULL);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int status;

	if (argc > 1 && !strcmp(argv[1], "end"))
		return 0;
	if (argc > 1 && !strcmp(argv[1], "never"))
		never_end();
	fail();
	interrupt();
	must(!pthread_create(&thread, NULL, in_thread, NULL) && !pthread_join(thread, NULL));
	if (!fork())
		in_child(argv[0]);
	must(wait(&status) > 0 && !status);
	return 0;
}
