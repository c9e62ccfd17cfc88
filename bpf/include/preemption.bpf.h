/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tracepoint programs that can be preempted, and how they lose nothing all the same.
 *
 * Up to 6.19 tracepoints run with preemption off. Since 7.0 they do not, and while a program is
 * preempted the kernel skips it for every other task on that CPU: one tick at the wrong moment
 * hides all forks there until the preempted task runs again. Two measures, both only since 7.0:
 *
 * Programs switch preemption off themselves. At the end, switching it on would reschedule at once,
 * still inside the program; with interrupts off it does not, and the kernel reschedules a moment
 * later, when the program is done.
 *
 * What remains are the few instructions before hook_enter() and after hook_leave(). For these each
 * program has a spare on the same hook: the kernel skips programs one by one. Whichever comes first
 * claims the event, the other has nothing to do.
 */
#ifndef SHRIKE_PREEMPTION_BPF_H
#define SHRIKE_PREEMPTION_BPF_H

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>

/* Spares carry the same version in `since` of the sensor's programs. */
#define PREEMPTIBLE_KERNEL_VERSION (7 << 16)

extern int LINUX_KERNEL_VERSION __kconfig;

/* 6.10, 6.10, 6.14, 6.14 */
extern void bpf_preempt_disable(void) __weak __ksym;
extern void bpf_preempt_enable(void) __weak __ksym;
extern void bpf_local_irq_save(unsigned long *flags) __weak __ksym;
extern void bpf_local_irq_restore(unsigned long *flags) __weak __ksym;

/* A constant to the verifier, which drops what is not for this kernel. */
static __always_inline bool is_preemptible(void) {
    return LINUX_KERNEL_VERSION >= PREEMPTIBLE_KERNEL_VERSION;
}

static __always_inline void hook_enter(void) {
    if (is_preemptible())
        bpf_preempt_disable();
}

static __always_inline void hook_leave(void) {
    unsigned long flags;
    if (is_preemptible()) {
        bpf_local_irq_save(&flags);
        bpf_preempt_enable();
        bpf_local_irq_restore(&flags);
    }
}

enum claim_limit {
    CLAIM_KINDS = 4,
    /* More than there are tasks in the same hook at the same time. */
    CLAIM_SLOTS = 256,
};

/* An event: of which thread group, and which one of its kind. */
struct claim {
    u64 leader_start_ns;
    u64 sequence;
    u64 tgid;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct claim);
    __uint(max_entries, CLAIM_KINDS *CLAIM_SLOTS);
} claims SEC(".maps");

/*
 * Whether the event is this program's to report: false when the other program of the hook has
 * reported it. The two run one after the other in the same task. A third task that takes the slot
 * in between makes both report; user space drops the second record.
 */
static __always_inline bool claim_event(u32 kind, const struct task_struct *leader, u64 sequence) {
    if (!is_preemptible())
        return true;
    u64 tgid = leader->tgid;
    u64 start_ns = leader->start_boottime;
    u32 index = (kind & (CLAIM_KINDS - 1)) * CLAIM_SLOTS + (tgid & (CLAIM_SLOTS - 1));
    struct claim *claim = bpf_map_lookup_elem(&claims, &index);
    if (!claim)
        return true; /* cannot be: the index is below max_entries by its masks */
    if (claim->tgid == tgid && claim->leader_start_ns == start_ns && claim->sequence == sequence)
        return false;
    claim->tgid = tgid;
    claim->leader_start_ns = start_ns;
    claim->sequence = sequence;
    return true;
}

#endif
