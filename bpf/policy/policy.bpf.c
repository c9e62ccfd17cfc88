/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Policies: one program per hook, whatever the number of policies. User space opens this object
 * once for the system calls, and loads of it only what is needed; the tables are shared with the
 * objects of other hooks.
 */
#include "kernel_types.h"
#include "policy.h"
/* sys_enter changes nothing; programs at the functions of the calls do (bpf/policy_hooks). */
#define POLICY_FAILS_LATER
#include "policy_defer.bpf.h"
#include "policy_process.bpf.h"
#include "preemption.bpf.h"
#include <bpf/bpf_tracing.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

enum {
    /* arch/x86/include/uapi/asm/unistd.h: a call of the x32 table. */
    X32_SYSCALL_BIT = 0x40000000,
};

static __always_inline u32 syscall_entry(u32 number, bool is_compat) {
    u32 index = POLICY_SYSCALL_INDEX(number, is_compat);
    const volatile u32 *entry = bpf_map_lookup_elem(&policy_syscalls, &index);
    return entry ? *entry : 0;
}

/*
 * The hook of a system call + 1, 0 for none. Most calls have none in either table, and then it need
 * not be known which table it is.
 */
static __always_inline u32 syscall_hook(u32 number, bool *is_compat) {
    if (number >= POLICY_SYSCALLS_MAX) {
        number &= ~X32_SYSCALL_BIT;
        if (number >= POLICY_SYSCALLS_MAX)
            return 0;
    }
    u32 native = syscall_entry(number, false);
    u32 compat = syscall_entry(number, true);
    if (!native && !compat)
        return 0;
    *is_compat = is_compat_call();
    return *is_compat ? compat : native;
}

#if defined(__TARGET_ARCH_x86)

/* socketcall(call, args): the hook of the call + 1, and its arguments from user memory. */
static __always_inline u32 read_socketcall(struct policy_work *work, const struct pt_regs *regs,
                                           u32 *missing) {
    u32 call = regs->bx;
    if (call >= POLICY_SOCKETCALLS_MAX)
        return 0;
    u32 index = POLICY_SOCKETCALL_INDEX(call);
    const volatile u32 *entry = bpf_map_lookup_elem(&policy_syscalls, &index);
    u32 hook = entry ? *entry : 0;
    if (hook)
        *missing = policy_read_socketcall(work, call, (u32)regs->cx);
    return hook;
}

/* Fills the arguments; the hook of the call + 1, where its number did not say it. */
static __always_inline u32 read_syscall_args(struct policy_work *work, const struct pt_regs *regs,
                                             bool is_compat, u32 hook, u32 *missing) {
    if (hook == POLICY_SYSCALL_MULTIPLEXED)
        return read_socketcall(work, regs, missing);
    if (is_compat) {
        work->raw[0] = (u32)regs->bx;
        work->raw[1] = (u32)regs->cx;
        work->raw[2] = (u32)regs->dx;
        work->raw[3] = (u32)regs->si;
        work->raw[4] = (u32)regs->di;
        work->raw[5] = (u32)regs->bp;
        return hook;
    }
    work->raw[0] = regs->di;
    work->raw[1] = regs->si;
    work->raw[2] = regs->dx;
    work->raw[3] = regs->r10;
    work->raw[4] = regs->r8;
    work->raw[5] = regs->r9;
    return hook;
}

#else

static __always_inline u32 read_syscall_args(struct policy_work *work, const struct pt_regs *regs,
                                             bool is_compat, u32 hook, u32 *missing) {
    const struct user_pt_regs *user = (const void *)regs;
    bpf_probe_read_kernel(work->raw, POLICY_RAW_ARGS * sizeof(work->raw[0]), &user->regs);
    work->raw[0] = regs->orig_x0;
    for (u32 i = 0; is_compat && i < POLICY_RAW_ARGS; i++)
        work->raw[i] = (u32)work->raw[i];
    return hook;
}

#endif

enum {
    POLICY_CLAIMS = 1024,
};

/*
 * Tasks whose call the program has seen and its spare has not, by low bits of the thread's number;
 * see preemption.bpf.h. Two threads in one place at the same time make a call be seen twice.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, POLICY_CLAIMS);
} policy_seen SEC(".maps");

/* Whether the call is this program's to look at: the spare only takes what the other has not. */
static __always_inline bool claim_call(bool is_spare) {
    if (!is_preemptible())
        return true;
    u64 task = bpf_get_current_task();
    u32 index = (u32)bpf_get_current_pid_tgid() & (POLICY_CLAIMS - 1);
    volatile u64 *claim = bpf_map_lookup_elem(&policy_seen, &index);
    if (!claim)
        return true; /* cannot be: the index is below max_entries by its mask */
    bool is_claimed = *claim == task;
    *claim = is_spare ? 0 : task;
    return !is_spare || !is_claimed;
}

static __always_inline void enter_syscall(void *ctx, const struct pt_regs *regs, long number,
                                          bool is_spare) {
    bool is_compat = false;
    u32 hook = syscall_hook(number, &is_compat);
    if (!hook || !claim_call(is_spare))
        return;
    u32 id = bpf_get_smp_processor_id();
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return;
    u32 missing = 0;
    hook = read_syscall_args(work, regs, is_compat, hook, &missing);
    if (!hook)
        return;
    policy_forget_failure(hook - 1);
    work->hook = hook - 1;
    work->number = number & ~X32_SYSCALL_BIT;
    work->name_index = policy_name_index(work->number, is_compat);
    work->call_key.thread = bpf_get_current_pid_tgid();
    policy_on_user_call(ctx, work, id, policy_current_set(), missing);
}

/*
 * sys_enter(regs, number): in syscall_trace_enter(), after ptrace and seccomp had their say, so the
 * number is the one that runs; before the kernel reads what the arguments point to, and another
 * thread may change that in between. Present on every kernel, so this is the hook for system calls.
 */
SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long number) {
    hook_enter();
    enter_syscall(ctx, regs, number, false);
    hook_leave();
    return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_enter_spare, struct pt_regs *regs, long number) {
    hook_enter();
    enter_syscall(ctx, regs, number, true);
    hook_leave();
    return 0;
}

/* The number of the call that ends, in its table; of sigreturn it is -1. */
static __always_inline u32 ending_number(const struct pt_regs *regs) {
#if defined(__TARGET_ARCH_x86)
    u32 number = regs->orig_ax;
#else
    u32 number = regs->syscallno;
#endif
    return number & ~X32_SYSCALL_BIT;
}

/* execve may have changed what the task is, so either table counts. */
static __always_inline bool has_syscall_hook(u32 number) {
    if (number >= POLICY_SYSCALLS_MAX)
        return false;
    return syscall_entry(number, false) || syscall_entry(number, true);
}

/* The first of program and spare takes the row of the call. */
static __always_inline void exit_syscall(void *ctx, const struct pt_regs *regs, long result) {
    const volatile struct policy_under_way *under_way = policy_calls_under_way();
    if (!under_way)
        return;
    u64 kept = under_way->kept;
    u64 deferred = under_way->deferred;
    /* Mostly nothing is under way, and every system call of the host ends here. */
    if (!kept && !deferred)
        return;
    u32 number = ending_number(regs);
    if (!has_syscall_hook(number))
        return;
    hook_enter();
    struct policy_call_key key = {.thread = bpf_get_current_pid_tgid()};
    u32 id = bpf_get_smp_processor_id();
    if (kept)
        policy_on_return(ctx, id, &key, result);
    if (deferred)
        policy_end_deferred(ctx, id, number, result);
    hook_leave();
}

/*
 * sys_exit(regs, result): in syscall_exit_work(), before signals are delivered. Not reached by what
 * ends the thread.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result) {
    exit_syscall(ctx, regs, result);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_exit_spare, struct pt_regs *regs, long result) {
    exit_syscall(ctx, regs, result);
    return 0;
}

/*
 * sched_process_exit(task): in do_exit(), of each thread: one that is killed in a call never comes
 * to its end.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_thread_end, struct task_struct *task) {
    hook_enter();
    policy_forget_deferral();
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_end_spare, struct task_struct *task) {
    hook_enter();
    policy_forget_deferral();
    hook_leave();
    return 0;
}

/*
 * sched_process_exec(task, old_pid, bprm): the new image is there, before the end of the call. The
 * first of program and spare takes what was deferred.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_call_image, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm) {
    hook_enter();
    policy_begin_image(ctx, bpf_get_smp_processor_id(), bprm);
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_image_spare, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm) {
    hook_enter();
    policy_begin_image(ctx, bpf_get_smp_processor_id(), bprm);
    hook_leave();
    return 0;
}
