/*
 * nested_pidns PROGRAM [ARGUMENT...]: runs a program as the init of a PID namespace of its own, and
 * ends as it does. Needs CAP_SYS_ADMIN.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status;
	pid_t child;

	if (argc < 2)
		return 2;
	if (unshare(CLONE_NEWPID)) {
		perror("unshare");
		return 1;
	}
	child = fork();
	if (child == 0) {
		execv(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
