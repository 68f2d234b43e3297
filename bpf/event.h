/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What a tracepoint gives a program, whichever of two ways the program is attached.
 *
 * A BTF raw tracepoint has the arguments of TP_PROTO as 64-bit words, and the verifier knows their
 * types. The classic way (CLASSIC) has the record of TP_STRUCT__entry, which the verifier takes for
 * numbers; the offsets EVENT_* are BTF's. The kernel preempts no program that it calls the classic
 * way: tracer/kernel/preemption.py has the reasons, and decides. CLASSIC moves on_fork to
 * sched_wakeup_new, whose one argument is the new task: sched_process_fork's record names none.
 */
#ifndef EVENT_H
#define EVENT_H

#ifdef CLASSIC
#define EVENT(type, ctx, offset) (*(type const *)((const char *)(ctx) + (offset)))
#define SELF(ctx) ((void *)bpf_get_current_task_btf())
#define PARENT(ctx) SELF(ctx)
#define CHILD(ctx) ((void *)(ctx)[0])
#define REGISTERS(ctx) ((const void *)bpf_task_pt_regs(bpf_get_current_task_btf()))
#define NUMBER(ctx) EVENT(u64, ctx, EVENT_NUMBER)
#define RESULT(ctx) EVENT(u64, ctx, EVENT_RESULT)
#ifdef EVENT_VSYSCALL
#define VSYSCALL(ctx) EVENT(s32, ctx, EVENT_VSYSCALL)
#else
#define VSYSCALL(ctx) -1	/* this kernel has no such event, and nothing is attached to it */
#endif
#else
#define SELF(ctx) ((void *)(ctx)[0])	/* the first argument of sched_process_exec and _exit */
#define PARENT(ctx) ((void *)(ctx)[0])
#define CHILD(ctx) ((void *)(ctx)[1])
#define REGISTERS(ctx) ((const void *)(ctx)[0])
#define NUMBER(ctx) (ctx)[1]
#define RESULT(ctx) (ctx)[1]
#define VSYSCALL(ctx) ((s32)(ctx)[0])
#endif

/*
 * What a program returns. At a classic tracepoint 0 hides the event from everybody else who looks at
 * it with perf (perf_trace_run_bpf_submit, kernel/events/core.c).
 */
#if (defined(CLASSIC) && !defined(AT_RETURN)) || defined(AT_ENTRY)
#define PASS 1
#else
#define PASS 0
#endif

#endif
