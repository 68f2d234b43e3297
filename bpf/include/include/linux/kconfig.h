/* bcc's preamble refuses to compile unless the kernel's configuration says this. */
#ifndef CONFIG_BPF_SYSCALL
#define CONFIG_BPF_SYSCALL 1
#endif
