/*
 * calls NUMBER...: makes these system calls in turn, every argument zero, and ignores the results.
 */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		syscall(strtol(argv[i], NULL, 0), 0, 0, 0, 0, 0, 0);
	return 0;
}
