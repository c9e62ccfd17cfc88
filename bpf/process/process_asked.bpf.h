/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the agent asks by running a program itself (BPF_PROG_TEST_RUN, raw tracepoints since 5.10).
 */
#ifndef SHRIKE_PROCESS_ASKED_BPF_H
#define SHRIKE_PROCESS_ASKED_BPF_H

#include "kernel_types.h"
#include "process.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Namespaces of the host's first process; filled by read_host_namespaces() alone. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct process_namespaces);
    __uint(max_entries, 1);
} host_namespaces SEC(".maps");

/*
 * In a container /proc/1 is not the host's, and on a host it may not be readable. Each task has a
 * number in the initial pid namespace, and that knows its first process.
 */
SEC("raw_tp")
int read_host_namespaces(void *ctx) {
    u32 zero = 0;
    struct process_namespaces *to = bpf_map_lookup_elem(&host_namespaces, &zero);
    if (!to)
        return 0; /* cannot be: row 0 is there */
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct pid_namespace *pids = BPF_CORE_READ(task, thread_pid, numbers[0].ns);
    const struct task_struct *first = BPF_CORE_READ(pids, child_reaper);
    const struct nsproxy *proxy = BPF_CORE_READ(first, nsproxy);
    to->uts = BPF_CORE_READ(proxy, uts_ns, ns.inum);
    to->ipc = BPF_CORE_READ(proxy, ipc_ns, ns.inum);
    to->mnt = BPF_CORE_READ(proxy, mnt_ns, ns.inum);
    to->pid = BPF_CORE_READ(pids, ns.inum);
    to->pid_for_children = BPF_CORE_READ(proxy, pid_ns_for_children, ns.inum);
    to->net = BPF_CORE_READ(proxy, net_ns, ns.inum);
    to->time = BPF_CORE_READ(proxy, time_ns, ns.inum);
    to->time_for_children = BPF_CORE_READ(proxy, time_ns_for_children, ns.inum);
    to->cgroup = BPF_CORE_READ(proxy, cgroup_ns, ns.inum);
    to->user = BPF_CORE_READ(first, real_cred, user_ns, ns.inum);
    return 0;
}

#endif
