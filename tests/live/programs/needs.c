/*
 * needs: programs that need one capability each, by their man pages. Each is this file under a name
 * of its own, needs-CAPABILITY, and exits with 0 if it got what it asked for; needs itself runs them
 * all, and prints the names of those that did.
 *
 * In /tmp, theirs is another user's and nobody else's, grouped is root's in another group, and
 * victim is this file, set-user-ID of another user.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DIRECTORY "/usr/local/bin/"
#define OTHER 1000
#define OWN_FILE "/tmp/own"
#define CAP_CHOWN 0

static int own_file(void)
{
	unlink(OWN_FILE);
	return open(OWN_FILE, O_CREAT | O_WRONLY, 0644);
}

static int needs_chown(void)
{
	return fchown(own_file(), OTHER, OTHER);
}

static int needs_dac_override(void)
{
	return open("/tmp/theirs", O_WRONLY) < 0;
}

static int needs_fowner(void)
{
	return chmod("/tmp/theirs", 0600);
}

/* Without the capability the bit is dropped, and nothing is said. */
static int needs_fsetid(void)
{
	struct stat status;

	if (chmod("/tmp/grouped", 0644) || chmod("/tmp/grouped", 02755) || stat("/tmp/grouped", &status))
		return 1;
	return !(status.st_mode & S_ISGID);
}

static int victim(void)
{
	if (setresuid(OTHER, OTHER, OTHER) || write(1, "!", 1) != 1)
		return 1;
	pause();
	return 1;
}

static int needs_kill(void)
{
	int ready[2], status, failed;
	char mark;
	pid_t child;

	if (pipe(ready))
		return 1;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ready[1], 1);
		execl("/tmp/victim", "victim", NULL);
		_exit(127);
	}
	close(ready[1]);
	if (read(ready[0], &mark, 1) != 1)
		return 1;
	failed = kill(child, SIGTERM);
	if (!failed)
		waitpid(child, &status, 0);
	return failed;
}

static int needs_setgid(void)
{
	return setgid(OTHER);
}

static int needs_setuid(void)
{
	return setuid(OTHER);
}

static int needs_setpcap(void)
{
	return prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0);
}

static int needs_net_bind_service(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};

	return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

static int needs_net_raw(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0;
}

static int needs_net_admin(void)
{
	int size = 65536;

	return setsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_SNDBUFFORCE, &size,
			  sizeof(size));
}

static int needs_sys_chroot(void)
{
	return chroot("/");
}

static int needs_sys_nice(void)
{
	return setpriority(PRIO_PROCESS, 0, -1);
}

static int needs_sys_admin(void)
{
	return sethostname("needs", 5);
}

static int needs_mknod(void)
{
	unlink("/tmp/null");
	return mknod("/tmp/null", S_IFCHR | 0600, makedev(1, 3));
}

/* struct vfs_cap_data of linux/capability.h, version 2: cap_chown=ep. */
static int needs_setfcap(void)
{
	unsigned int granted[5] = {0x02000001, 1};

	return fsetxattr(own_file(), "security.capability", granted, sizeof(granted), 0);
}

static int needs_nothing(void)
{
	return own_file() < 0;
}

static const struct program {
	const char *name;
	int (*act)(void);
} programs[] = {
	{"chown", needs_chown},
	{"dac_override", needs_dac_override},
	{"fowner", needs_fowner},
	{"fsetid", needs_fsetid},
	{"kill", needs_kill},
	{"mknod", needs_mknod},
	{"net_admin", needs_net_admin},
	{"net_bind_service", needs_net_bind_service},
	{"net_raw", needs_net_raw},
	{"nothing", needs_nothing},
	{"setfcap", needs_setfcap},
	{"setgid", needs_setgid},
	{"setpcap", needs_setpcap},
	{"setuid", needs_setuid},
	{"sys_admin", needs_sys_admin},
	{"sys_chroot", needs_sys_chroot},
	{"sys_nice", needs_sys_nice},
};

#define COUNT (sizeof(programs) / sizeof(*programs))

static void run(const char *name)
{
	char path[64];
	int status;
	pid_t child;

	snprintf(path, sizeof(path), DIRECTORY "needs-%s", name);
	child = fork();
	if (!child) {
		execl(path, path, NULL);
		_exit(127);
	}
	if (waitpid(child, &status, 0) == child && status == 0)
		puts(name);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *dash = argc > 0 ? strchr(argv[0], '-') : NULL;

	if (argc > 0 && !strcmp(argv[0], "victim"))
		return victim();
	for (unsigned int at = 0; at < COUNT; at++) {
		if (!dash)
			run(programs[at].name);
		else if (!strcmp(dash + 1, programs[at].name))
			return programs[at].act() != 0;
	}
	return dash ? 127 : 0;
}
