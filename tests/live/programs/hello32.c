/*
 * hello32: an i386 program. It enters the kernel by int $0x80 itself, and the way that its C library
 * does, which is the vDSO's where there is one.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int call_by_interrupt(int number, int first, const void *second, int third)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first), "c"(second), "d"(third)
			 : "memory");
	return result;
}

int main(void)
{
	static const char greeting[] = "hello from i386\n";

	getppid();
	call_by_interrupt(SYS_umask, 022, NULL, 0);
	return call_by_interrupt(SYS_write, 1, greeting, strlen(greeting)) <= 0;
}
