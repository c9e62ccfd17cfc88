/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the process records say about a task: credentials, namespaces, parent. */
#ifndef SHRIKE_PROCESS_TASK_BPF_H
#define SHRIKE_PROCESS_TASK_BPF_H

#include "process.h"
#include "compat.bpf.h"
#include "task.bpf.h"

/* Objective credentials; returns PROCESS_NO_AUDIT when there is no login uid to be had. */
static __always_inline u32 fill_credentials(struct process_credentials *to,
                                            const struct task_struct *task) {
    const struct cred *cred = task->real_cred;
    to->uid = cred->uid.val;
    to->gid = cred->gid.val;
    to->euid = cred->euid.val;
    to->egid = cred->egid.val;
    to->suid = cred->suid.val;
    to->sgid = cred->sgid.val;
    to->fsuid = cred->fsuid.val;
    to->fsgid = cred->fsgid.val;
    to->secure_bits = cred->securebits;
    to->user_ns_level = cred->user_ns->level;
    to->user_ns_uid = cred->user_ns->owner.val;
    to->user_ns_gid = cred->user_ns->group.val;
    to->cap_permitted = read_capabilities(&cred->cap_permitted);
    to->cap_effective = read_capabilities(&cred->cap_effective);
    to->cap_inheritable = read_capabilities(&cred->cap_inheritable);
    to->cap_ambient = read_capabilities(&cred->cap_ambient);
    return read_audit_ids(task, &to->login_uid, &to->session_id) ? 0 : PROCESS_NO_AUDIT;
}

/*
 * What an exec gave. The old credentials are gone by now, but the file that runs was opened by this
 * exec, before they changed, and a file keeps those of its opener.
 */
static __always_inline u32 gained_flags(const struct task_struct *task,
                                        const struct linux_binprm *bprm) {
    const struct file *file = bprm->file;
    u32 flags = 0;
    if (!file)
        return PROCESS_EUID_RAISED | PROCESS_EGID_CHANGED | PROCESS_CAPS_GAINED;
    const struct cred *before = file->f_cred;
    const struct cred *cred = task->real_cred;
    if (before->euid.val != 0 && before->euid.val != cred->euid.val)
        flags |= PROCESS_EUID_RAISED;
    if (before->egid.val != cred->egid.val)
        flags |= PROCESS_EGID_CHANGED;
    if (read_capabilities(&cred->cap_permitted) & ~read_capabilities(&before->cap_permitted))
        flags |= PROCESS_CAPS_GAINED;
    return flags;
}

/* NULL where the kernel was built without that kind. */
#define namespace_inum(pointer)                                                                    \
    ({                                                                                             \
        const typeof(*(pointer)) *namespace = (pointer);                                           \
        namespace ? namespace->ns.inum : 0;                                                        \
    })

/* `place` is the task's own: its pid namespace is that of its pid, not of its nsproxy. */
static __always_inline void fill_namespaces(struct process_namespaces *to,
                                            const struct task_struct *task,
                                            const struct pid_place *place) {
    const struct nsproxy *proxy = task->nsproxy;
    to->uts = namespace_inum(proxy->uts_ns);
    to->ipc = namespace_inum(proxy->ipc_ns);
    to->mnt = namespace_inum(proxy->mnt_ns);
    to->pid = place->namespace;
    to->pid_for_children = namespace_inum(proxy->pid_ns_for_children);
    to->net = namespace_inum(proxy->net_ns);
    to->time = namespace_inum(proxy->time_ns);
    to->time_for_children = namespace_inum(proxy->time_ns_for_children);
    to->cgroup = namespace_inum(proxy->cgroup_ns);
    to->user = task->real_cred->user_ns->ns.inum;
}

/* PROCESS_PARENT_KERNEL when it is so. */
static __always_inline u32 parent_flags(const struct task_struct *parent) {
    return parent->flags & PF_KTHREAD ? PROCESS_PARENT_KERNEL : 0;
}

#endif
