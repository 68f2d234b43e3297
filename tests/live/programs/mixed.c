/*
 * mixed: makes the native call 39 (getpid on x86-64) until it is an old friend, and then the call of
 * the same number through int 0x80, where it is mkdir.
 */
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	long result;

	for (int i = 0; i < 1000; i++)
		syscall(SYS_getpid);
	__asm__ volatile("int $0x80" : "=a"(result) : "0"(39L), "b"(0L), "c"(0L) : "memory", "r8",
			 "r9", "r10", "r11");
	return 0;
}
