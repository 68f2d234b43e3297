/*
 * Starts THREADS threads once the file GO is there; the last one alone makes one more call,
 * sched_get_priority_max. All of them are alive at the same time.
 *
 * usage: crowd THREADS GO
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t everybody;
static long threads;

static void *member(void *number)
{
	pthread_barrier_wait(&everybody);
	if ((long)number == threads - 1)
		sched_get_priority_max(SCHED_OTHER);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t last;
	pthread_attr_t small;

	if (argc != 3)
		return 2;
	threads = atol(argv[1]);
	puts("ready");
	fflush(stdout);
	while (access(argv[2], F_OK))
		usleep(1000);
	pthread_barrier_init(&everybody, NULL, threads);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (long number = 0; number < threads; number++)
		if (pthread_create(&last, &small, member, (void *)number))
			return 1;
	pthread_join(last, NULL);
	puts("done");
	return 0;
}
