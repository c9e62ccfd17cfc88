/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What processes have from their past, for policies that ask: the name that was given to exec, and
 * the trees of processes they are in. The programs are attached only while a policy asks.
 */
#ifndef SHRIKE_POLICY_PROCESS_BPF_H
#define SHRIKE_POLICY_PROCESS_BPF_H

#include "policy_effect.bpf.h"
#include "policy_name.bpf.h"
#include "preemption.bpf.h"
#include <bpf/bpf_tracing.h>

static __always_inline void policy_enter_process(u32 tgid, const struct policy_process *process) {
    if (bpf_map_update_elem(&policy_processes, &tgid, process, BPF_ANY))
        policy_count(POLICY_COUNT_PROCESSES_FULL);
}

static __always_inline void inherit_past(const struct task_struct *caller,
                                         const struct task_struct *child) {
    u32 parent_tgid = caller->tgid;
    u32 tgid = child->tgid;
    if (child->pid != child->tgid)
        return;
    const struct policy_process *parent = bpf_map_lookup_elem(&policy_processes, &parent_tgid);
    if (!parent)
        return;
    policy_enter_process(tgid, parent);
}

/*
 * sched_process_fork(parent, child): the child is complete and does not run yet. Spares, see
 * preemption.bpf.h, do the same again where the kernel has not skipped the other.
 */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_policy_fork, struct task_struct *caller, struct task_struct *child) {
    hook_enter();
    inherit_past(caller, child);
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_pfork_spare, struct task_struct *caller, struct task_struct *child) {
    hook_enter();
    inherit_past(caller, child);
    hook_leave();
    return 0;
}

/* Trees that the current process enters by what it is. */
static __always_inline u64 policy_entered_trees(struct policy_work *work, u32 id) {
    work->hook = POLICY_TREE_HOOK;
    policy_begin(work, POLICY_AT_CALL, 0);
    if (!policy_select(id, 0) || !policy_match(id))
        return 0;
    return work->mask[0];
}

/*
 * What the process is from now on. Paths are those that it sees itself, by its root and directory
 * of this moment; another thread may have changed the directory since the call was made.
 */
static __always_inline void begin_image(const struct task_struct *task,
                                        const struct linux_binprm *bprm) {
    u32 id = bpf_get_smp_processor_id();
    u32 tgid = task->tgid;
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return;
    policy_read_given_name(work, id, bprm);
    policy_keep_name(id, POLICY_NAME_TEXT, POLICY_NAME_GIVEN);
    work->has_binary = 0;
    policy_read_binary(id);
    policy_keep_name(id, POLICY_BINARY_TEXT, POLICY_NAME_FILE);
    struct policy_process *row = bpf_map_lookup_elem(&policy_processes, &tgid);
    if (row) {
        /* In place, so that no other process's row is ever read in its stead. */
        row->file = work->process.file;
        row->given = work->process.given;
    } else {
        work->process.trees = 0;
        policy_enter_process(tgid, &work->process);
    }
    u64 trees = policy_entered_trees(work, id);
    row = bpf_map_lookup_elem(&policy_processes, &tgid);
    if (row)
        row->trees |= trees;
}

/*
 * sched_process_exec(task, old_pid, bprm): in exec_binprm(), the new image is there, and the thread
 * is the only one.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_policy_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm) {
    hook_enter();
    begin_image(task, bprm);
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_pexec_spare, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm) {
    hook_enter();
    begin_image(task, bprm);
    hook_leave();
    return 0;
}

static __always_inline void forget_past(const struct task_struct *task) {
    u32 tgid = task->tgid;
    if (task->signal->live.counter == 0)
        bpf_map_delete_elem(&policy_processes, &tgid);
}

/* sched_process_exit(task): each thread; the group ends with the last. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_policy_exit, struct task_struct *task) {
    hook_enter();
    forget_past(task);
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_pexit_spare, struct task_struct *task) {
    hook_enter();
    forget_past(task);
    hook_leave();
    return 0;
}

#endif
