/*
 * sleeps SECONDS: sleeps so long at once by nanosleep, poll and futex, each with a relative timeout,
 * and by the command `sleep`, each in a process of its own. Ends with 0 if all of them slept for the
 * whole time and said so.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *seconds;

static int by_nanosleep(void)
{
	struct timespec length = {atoi(seconds), 0};

	return syscall(SYS_nanosleep, &length, NULL);
}

static int by_poll(void)
{
	return poll(NULL, 0, atoi(seconds) * 1000);
}

static int by_futex(void)
{
	struct timespec length = {atoi(seconds), 0};
	int word = 0;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &length, NULL, 0) != -1 || errno != ETIMEDOUT;
}

static int by_command(void)
{
	return execlp("sleep", "sleep", seconds, NULL);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
	int (*ways[])(void) = {by_nanosleep, by_poll, by_futex, by_command};
	double start = now();
	int status, bad = 0;

	if (count != 2)
		return 2;
	seconds = arguments[1];
	for (unsigned way = 0; way < sizeof(ways) / sizeof(*ways); way++)
		if (!fork())
			_exit(ways[way]() ? 1 : 0);
	while (wait(&status) > 0) {
		double slept = now() - start;

		if (status || slept < atoi(seconds)) {
			fprintf(stderr, "ended with %d after %.3f s\n", status, slept);
			bad = 1;
		}
	}
	return bad;
}
