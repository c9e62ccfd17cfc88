/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What processes have from their past, for policies that ask: the name that was given to exec, and
 * the trees of processes they are in. The programs are attached only while a policy asks.
 */
#ifndef SHRIKE_POLICY_PROCESS_BPF_H
#define SHRIKE_POLICY_PROCESS_BPF_H

#include "policy_effect.bpf.h"
#include "preemption.bpf.h"
#include <bpf/bpf_tracing.h>

static __always_inline void policy_enter_process(u32 tgid, const struct policy_process *process) {
    if (bpf_map_update_elem(&policy_processes, &tgid, process, BPF_ANY))
        policy_count(POLICY_COUNT_PROCESSES_FULL);
}

/* sched_process_fork(parent, child): the child is complete and does not run yet. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_policy_fork, struct task_struct *caller, struct task_struct *child) {
    u32 parent_tgid = caller->tgid;
    u32 tgid = child->tgid;
    if (child->pid != child->tgid)
        return 0;
    const struct policy_process *parent = bpf_map_lookup_elem(&policy_processes, &parent_tgid);
    if (!parent)
        return 0;
    struct policy_process process = *parent;
    policy_enter_process(tgid, &process);
    return 0;
}

/* Trees that the current process enters by what it is. */
static __always_inline u64 policy_entered_trees(struct policy_work *work, u32 id) {
    work->hook = POLICY_TREE_HOOK;
    work->phase = POLICY_AT_CALL;
    work->flags = 0;
    work->has_args = 0;
    work->has_binary = 0;
    if (!policy_select(id, 0) || !policy_match(id))
        return 0;
    return work->mask[0];
}

/*
 * sched_process_exec(task, old_pid, bprm): in exec_binprm(), the new image is there, and the thread
 * is the only one.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_policy_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm) {
    hook_enter();
    u32 id = bpf_get_smp_processor_id();
    u32 tgid = task->tgid;
    struct policy_work *work = policy_slot_of(id);
    struct policy_process process = {};
    if (work) {
        policy_read_string(work, 0, bprm->filename, false);
        bool is_whole = work->values[0].flags == 0;
        process.name_size = is_whole ? work->values[0].text_size : 0;
        process.name_hash = is_whole ? policy_hash_text(id, 0) : 0;
        struct policy_process *before = bpf_map_lookup_elem(&policy_processes, &tgid);
        if (before) {
            /* In place, so that no other process's row is ever read in its stead. */
            before->name_size = 0;
            before->name_hash = process.name_hash;
            before->name_size = process.name_size;
        } else {
            policy_enter_process(tgid, &process);
        }
        u64 trees = policy_entered_trees(work, id);
        before = bpf_map_lookup_elem(&policy_processes, &tgid);
        if (before)
            before->trees |= trees;
    }
    hook_leave();
    return 0;
}

/* sched_process_exit(task): each thread; the group ends with the last. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_policy_exit, struct task_struct *task) {
    u32 tgid = task->tgid;
    if (task->signal->live.counter == 0)
        bpf_map_delete_elem(&policy_processes, &tgid);
    return 0;
}

#endif
