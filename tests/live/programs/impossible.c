/*
 * impossible COUNT: makes so many system calls, each with another number that no kernel has.
 */
#include <stdlib.h>
#include <unistd.h>

#define FIRST 600

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 0) : 0;

	for (long made = 0; made < count; made++)
		syscall(FIRST + made, 0, 0, 0, 0, 0, 0);
	return 0;
}
