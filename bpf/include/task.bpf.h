/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Facts about a task, one function each. Tasks come as BTF pointers from tp_btf arguments, so plain
 * loads are allowed: the verifier checks the type.
 *
 * Never load from what may be NULL: ask first, or read by BPF_CORE_READ(). The kernel would turn
 * such a load into zero, but up to 6.3 (0108a4e9f358, not in 5.10's stable series) it may take the
 * wrong table of exceptions for a program that calls functions of ours, and then it ends in an
 * oops: seen on Debian's 5.10 when a program read the parent of the root cgroup.
 */
#ifndef SHRIKE_TASK_BPF_H
#define SHRIKE_TASK_BPF_H

#include "kernel_types.h"
#include "record.h"
#include "cgroup.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* A task's number and place in its own pid namespace. */
struct pid_place {
    u32 number;
    u32 level;     /* depth of the namespace, 0 is the initial one */
    u32 namespace; /* inode number of the namespace */
};

/* `leader` names the thread group; its thread_pid lives until the group is reaped. */
static __always_inline void read_pid_place(struct pid_place *place,
                                           const struct task_struct *leader) {
    /*
     * numbers[] has level + 1 entries, and an index that is not a constant cannot be used on a BTF
     * pointer (5.10 refuses even the arithmetic), so the struct is read by address.
     */
    const struct pid *pid = BPF_CORE_READ(leader, thread_pid);
    u32 level = BPF_CORE_READ(pid, level);
    const struct upid *number = (const void *)((u64)(const void *)&pid->numbers +
                                               level * (u64)bpf_core_type_size(struct upid));
    place->level = level;
    place->number = BPF_CORE_READ(number, nr);
    place->namespace = BPF_CORE_READ(number, ns, ns.inum);
}

/* Boot-time start of the thread group a task belongs to. */
static __always_inline u64 leader_start_ns(const struct task_struct *task) {
    return task->group_leader->start_boottime;
}

/*
 * Fills everything of a header but size and time. `leader` is the task the record is about, `place`
 * is its own; `hooked` is the task whose cgroup counts: the same, but for an exit, where the leader
 * may have been dead for long.
 */
static __always_inline void fill_header(struct record_header *header, u16 kind,
                                        const struct task_struct *leader,
                                        const struct pid_place *place,
                                        const struct task_struct *hooked) {
    header->size = 0;
    header->kind = kind;
    header->flags = 0;
    header->leader_start_ns = leader_start_ns(leader);
    header->cpu = bpf_get_smp_processor_id();
    header->tgid = leader->tgid;
    header->tid = leader->pid;
    header->namespace_tgid = place->number;
    fill_cgroup(header, hooked);
}

#endif
