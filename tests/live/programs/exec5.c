/*
 * exec5: five programs in one process, each executed by the one before: exec5, exec5-2 ... exec5-5.
 * They are one file under five names, and each makes a call that the others do not make.
 */
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <unistd.h>
#include <sched.h>

#define DIRECTORY "/usr/local/bin/"

static void act(int stage)
{
	struct sysinfo system;
	struct tms usage;

	switch (stage) {
	case 1: getppid(); break;
	case 2: getpgid(0); break;
	case 3: sched_yield(); break;
	case 4: times(&usage); break;
	case 5: sysinfo(&system); break;
	}
}

int main(int argc, char **argv)
{
	char next[] = DIRECTORY "exec5-N";
	const char *dash = argc > 0 ? strrchr(argv[0], '-') : NULL;
	int stage = dash ? dash[1] - '0' : 1;

	act(stage);
	if (stage == 5)
		return 0;
	next[sizeof(next) - 2] = '0' + stage + 1;
	execl(next, next, NULL);
	perror(next);
	return 127;
}
