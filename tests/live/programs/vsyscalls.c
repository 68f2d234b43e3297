/*
 * Calls gettimeofday, time and getcpu through the vsyscall page, as programs older than the vDSO do,
 * and prints what each answers: "ok", or the error's number. x86-64 only.
 */
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#define PAGE 0xffffffffff600000UL

typedef long vsyscall(void *first, void *second);

static void report(const char *name, long answer)
{
	if (answer < 0)
		printf("%s %ld\n", name, -answer);
	else
		printf("%s ok\n", name);
}

int main(void)
{
	struct timeval now;
	unsigned cpu;

	report("gettimeofday", ((vsyscall *)PAGE)(&now, NULL));
	report("time", ((vsyscall *)(PAGE + 0x400))(NULL, NULL));
	report("getcpu", ((vsyscall *)(PAGE + 0x800))(&cpu, NULL));
	return 0;
}
