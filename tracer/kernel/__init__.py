"""
The kernel's edge: everything here talks to the running kernel, and nothing else does.

`btf` reads the kernel's own type information, `program` compiles and loads `bpf/recorder.c`
through bcc, `preemption` decides what its programs attach to, `bpf` and `perf` wrap the few system
calls that we need, `wire` turns the records of the
maps into Python values, `recorder` joins them into the one object that a session uses, and
`probe` tells what this host can do.

Imported by `tracer.session` and `tracer.cli` only.
"""
