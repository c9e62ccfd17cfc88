/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Facts about a cgroup, and programs that hook nothing: the agent runs them itself. */
#ifndef SHRIKE_CGROUP_ASKED_BPF_H
#define SHRIKE_CGROUP_ASKED_BPF_H

#include "kernel_types.h"
#include "cgroup.bpf.h"
#include "cgroup.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/*
 * Facts about a cgroup. Read by probes, not by plain loads: the root has no parent, and a load that
 * faults can end a 5.10 kernel, see task.bpf.h.
 */
static __always_inline u64 id_of(const struct cgroup *cgroup) {
    return BPF_CORE_READ(cgroup, kn, id);
}

static __always_inline u64 parent_id_of(const struct cgroup *cgroup) {
    return BPF_CORE_READ(cgroup, self.parent, cgroup, kn, id);
}

static __always_inline u32 level_of(const struct cgroup *cgroup) {
    return BPF_CORE_READ(cgroup, level);
}

static __always_inline const char *name_of(const struct cgroup *cgroup) {
    return BPF_CORE_READ(cgroup, kn, name);
}

struct own_cgroup_row {
    struct own_cgroup own;
    u8 names[OWN_CGROUP_NAMES_MAX * OWN_CGROUP_NAME_SIZE];
};

/* Where the agent is; filled by read_own_cgroup() alone. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct own_cgroup_row);
    __uint(max_entries, 1);
} own_cgroup SEC(".maps");

/*
 * Hooks nothing: the agent runs it itself (BPF_PROG_TEST_RUN, for raw tracepoints since 5.10), to
 * learn in which cgroup the kernel sees it. That needs no move, so it works where cgroupfs is
 * read-only, as below ProtectControlGroups= and in most containers.
 */
SEC("raw_tp")
int read_own_cgroup(void *ctx) {
    u32 zero = 0;
    struct own_cgroup_row *row = bpf_map_lookup_elem(&own_cgroup, &zero);
    if (!row)
        return 0; /* cannot be: row 0 is there */
    struct own_cgroup *own = &row->own;
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    const struct cgroup *cgroup = (const void *)cgroup_address(leader);
    own->id = id_of(cgroup);
    own->leader_start_ns = BPF_CORE_READ(leader, start_boottime);
    own->tgid = BPF_CORE_READ(leader, tgid);
    own->level = level_of(cgroup);
    own->hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
    for (int i = 0; i < OWN_CGROUP_NAMES_MAX; i++) {
        u8 *name = &row->names[i * OWN_CGROUP_NAME_SIZE];
        bpf_probe_read_kernel_str(name, OWN_CGROUP_NAME_SIZE, name_of(cgroup));
        cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
    }
    return 0;
}

/* What set_policy_set() is to do; filled by the agent. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct policy_set_order);
    __uint(max_entries, 1);
} policy_set_order SEC(".maps");

/*
 * Hooks nothing: the agent runs it itself to give a cgroup another policy set. A row that user
 * space read, changed and wrote back would undo what programs have changed in it meanwhile, and who
 * looked at the replaced row might read another cgroup's. This is one store in place.
 */
SEC("raw_tp")
int set_policy_set(void *ctx) {
    u32 zero = 0;
    struct policy_set_order *order = bpf_map_lookup_elem(&policy_set_order, &zero);
    if (!order)
        return 0; /* cannot be: row 0 is there */
    struct cgroup_key key = {.id = order->cgroup_id, .hierarchy = cgroup_hierarchy};
    struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
    order->is_done = 0;
    if (!entry || (entry->created_ns && entry->created_ns != order->created_ns))
        return 0;
    entry->policy_set = order->policy_set;
    order->is_done = 1;
    return 0;
}

#endif
