/*
 * threads200 NUMBER...: 200 threads, all alive at once, each makes one of these system calls (the
 * first thread the first, and round again), every argument zero. So a call that only one thread of
 * 200 makes can be looked for.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 200 };

static pthread_barrier_t all_alive;

static void *make_call(void *number)
{
	pthread_barrier_wait(&all_alive);
	syscall(strtol(number, NULL, 0), 0, 0, 0, 0, 0, 0);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc < 2)
		return 2;
	pthread_barrier_init(&all_alive, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, make_call, argv[1 + i % (argc - 1)]))
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
