/*
 * brief: lives for five milliseconds, then asks for its parent as its last act.
 */
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec five_milliseconds = { .tv_nsec = 5 * 1000 * 1000 };

	nanosleep(&five_milliseconds, NULL);
	getppid();
	return 0;
}
