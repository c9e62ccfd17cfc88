/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The signal sensor: signals as they are generated, where sender and target are both at hand, and
 * victims of the OOM killer.
 *
 * tp_btf/signal_generate has had the same arguments since 5.5. It fires for each SIGCHLD too, so
 * what is not wanted is left out before anything else. tp_btf/mark_victim has the pid of the victim
 * up to 6.8 and the task since 6.9 (and in kernels that took that change back); only the pid is
 * used, and who that is says the SIGKILL that the OOM killer has sent just before, in the same
 * task: the two are lines of __oom_kill_process().
 */
#include "kernel_types.h"
#include "signal.h"
#include "signal_kernel_types.h"
#include "preemption.bpf.h"
#include "record.bpf.h"
#include "signal_memory.bpf.h"
#include "task.bpf.h"
#include <bpf/bpf_tracing.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

/* Set by the loader. */
const volatile u32 signal_reports = SIGNAL_REPORT_FATAL;
const volatile u32 page_size = 4096;

enum signal_number {
    SIGKILL = 9,
    SIGNAL_MAX = 64,
};

/* Default action is not to end the process: CHLD CONT STOP TSTP TTIN TTOU URG WINCH. */
#define HARMLESS_SIGNALS                                                                           \
    (1ULL << 17 | 1ULL << 18 | 1ULL << 19 | 1ULL << 20 | 1ULL << 21 | 1ULL << 22 | 1ULL << 23 |    \
     1ULL << 28)

/* What signal_generate's `info` may be instead of an address (include/linux/sched/signal.h). */
enum signal_info {
    SEND_SIG_NOINFO = 0,
    SEND_SIG_PRIV = 1,
};

/* TRACE_SIGNAL_* of include/trace/events/signal.h. */
enum signal_result {
    RESULT_DELIVERED = 0,
    RESULT_IGNORED = 1,
    RESULT_PENDING = 2,
    RESULT_OVERFLOW = 3,
};

/* The last SIGKILL of the kernel on this CPU, for mark_victim. */
struct kernel_kill {
    u64 killer; /* bpf_get_current_pid_tgid() */
    u64 memory; /* address of the victim's place in the memory controller */
    u32 tid;
    u32 _reserved;
    struct record_header header;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, struct kernel_kill);
    __uint(max_entries, 1);
} kernel_kills SEC(".maps");

/* The address of what a task does on a signal: a default action is 0. */
static __always_inline bool has_default_action(const struct task_struct *task, u32 signal) {
    u64 handler = 1;
    const struct sighand_struct *sighand = BPF_CORE_READ(task, sighand);
    u64 place = (u64)(const void *)&sighand->action +
                (u64)(signal - 1) * bpf_core_type_size(struct k_sigaction);
    const struct k_sigaction *action = (const void *)place;
    bpf_probe_read_kernel(&handler, sizeof(handler), &action->sa.sa_handler);
    return handler == 0;
}

static __always_inline bool is_blocked(const struct task_struct *task, u32 signal) {
    u64 blocked = 0;
    bpf_core_read(&blocked, sizeof(blocked), &task->blocked);
    return blocked >> (signal - 1) & 1;
}

static __always_inline u32 result_flag(int result) {
    switch (result) {
    case RESULT_IGNORED:
        return SIGNAL_IGNORED;
    case RESULT_PENDING:
        return SIGNAL_PENDING;
    case RESULT_OVERFLOW:
        return SIGNAL_LOST;
    default:
        return 0;
    }
}

/* Whether a signal can be one that is reported; all that SIGCHLD costs. */
static __always_inline bool is_wanted(u32 signal) {
    if (signal - 1 >= SIGNAL_MAX)
        return false;
    return signal_reports == SIGNAL_REPORT_ALL || !(HARMLESS_SIGNALS >> (signal & 63) & 1);
}

/* Fills code, sender and flags that `info` and the running task tell. */
static __always_inline void fill_sender(struct signal_sent *record, u64 info) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    record->code = 0;
    record->sender_start_ns = 0;
    record->sender_tgid = 0;
    record->sender_tid = 0;
    if (info == SEND_SIG_PRIV) {
        record->code = 128; /* SI_KERNEL */
    } else if (info != SEND_SIG_NOINFO) {
        const struct kernel_siginfo *details = (const void *)info;
        record->code = BPF_CORE_READ(details, si_code);
    }
    if (record->code > 0 || BPF_CORE_READ(task, flags) & PF_KTHREAD ||
        BPF_CORE_READ(task, pid) == 0) {
        record->signal_flags |= SIGNAL_FROM_KERNEL;
        return;
    }
    /* SI_QUEUE and SI_TKILL come from processes; others below 0 also from timers and I/O. */
    if (record->code < -1 && record->code != -6)
        record->signal_flags |= SIGNAL_SENDER_UNSURE;
    record->sender_start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    record->sender_tgid = BPF_CORE_READ(task, tgid);
    record->sender_tid = BPF_CORE_READ(task, pid);
}

/* For mark_victim, which comes next in the same task. */
static __always_inline void note_kernel_kill(const struct record_header *header,
                                             const struct task_struct *task) {
    u32 zero = 0;
    struct kernel_kill *kill = bpf_map_lookup_elem(&kernel_kills, &zero);
    if (!kill)
        return; /* cannot be: the map has one entry */
    kill->killer = bpf_get_current_pid_tgid();
    kill->memory = memory_place(task);
    kill->tid = header->tid;
    kill->header = *header;
}

static __always_inline void report_signal(void *ctx, u32 signal, u64 info,
                                          const struct task_struct *task, int group, int result) {
    struct signal_sent record = {};
    struct pid_place place;
    bool is_fatal = result != RESULT_IGNORED && result != RESULT_PENDING &&
                    result != RESULT_OVERFLOW && !(HARMLESS_SIGNALS >> (signal & 63) & 1);
    record.signal_flags = result_flag(result) | (group ? 0 : SIGNAL_TO_THREAD);
    if (signal != SIGKILL) {
        bool blocked = is_blocked(task, signal);
        if (blocked)
            record.signal_flags |= SIGNAL_BLOCKED;
        is_fatal = is_fatal && !blocked && has_default_action(task, signal);
    }
    if (is_fatal)
        record.signal_flags |= SIGNAL_FATAL;
    else if (signal_reports != SIGNAL_REPORT_ALL)
        return;
    const struct task_struct *leader = task->group_leader;
    read_pid_place(&place, leader);
    fill_header(&record.header, SIGNAL_SENT_RECORD, leader, &place, task);
    record.header.size = sizeof(record);
    record.header.tid = task->pid;
    record.signal = signal;
    fill_sender(&record, info);
    if (signal == SIGKILL && info == SEND_SIG_PRIV)
        note_kernel_kill(&record.header, task);
    emit_record(ctx, &record.header, sizeof(record));
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info, struct task_struct *task,
             int group, int result) {
    if (!is_wanted(signal))
        return 0;
    hook_enter();
    report_signal(ctx, signal, (u64)info, task, group, result);
    hook_leave();
    return 0;
}

/* The pid of a victim, whatever form the kernel tells it in. */
static __always_inline u32 victim_tid(u64 argument) {
    struct trace_event_raw_mark_victim *fields = 0;
    if (!bpf_core_field_exists(fields->uid))
        return argument;
    const struct task_struct *task = (const void *)argument;
    return BPF_CORE_READ(task, pid);
}

static __always_inline void report_victim(void *ctx, u32 tid) {
    struct signal_oom record = {};
    u32 zero = 0;
    struct kernel_kill *kill = bpf_map_lookup_elem(&kernel_kills, &zero);
    /* A task that was ending already is marked without a signal: nobody has killed it. */
    if (!kill || kill->killer != bpf_get_current_pid_tgid() || kill->tid != tid)
        return;
    record.header = kill->header;
    record.header.kind = SIGNAL_OOM_RECORD;
    record.header.size = sizeof(record);
    kill->tid = 0;
    record.page_size = page_size;
    fill_memory_limit(&record, kill->memory);
    emit_record(ctx, &record.header, sizeof(record));
}

SEC("tp_btf/mark_victim")
int on_oom_victim(u64 *ctx) {
    hook_enter();
    report_victim(ctx, victim_tid(ctx[0]));
    hook_leave();
    return 0;
}
