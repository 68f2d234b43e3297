/*
 * monitor [ARGUMENT...]: called conmon, it passes for a container's monitor, with any arguments. Its
 * container is a PID namespace that executes a program in a root directory of its own.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int contained(void)
{
	if (chroot("/usr") || chdir("/"))
		return EXIT_FAILURE;
	execl("/bin/env", "env", NULL);
	return EXIT_FAILURE;
}

int main(void)
{
	int status;

	if (unshare(CLONE_NEWPID))
		return EXIT_FAILURE;
	if (!fork())
		_exit(contained());
	wait(&status);
	return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
