/* bcc has already included its own copy of linux/bpf.h when its preamble asks for this one. */
