/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The shares that users and workloads have of the map of cgroups, see cgroup_entry.h. */
#ifndef SHRIKE_CGROUP_SHARE_BPF_H
#define SHRIKE_CGROUP_SHARE_BPF_H

#include "cgroup.bpf.h"
#include "user.bpf.h"

/* Set by the loader, by the rows of the map. */
const volatile u32 cgroup_share_user = CGROUP_ENTRIES / 4;
const volatile u32 cgroup_share_workload = CGROUP_ENTRIES / 8;
const volatile u32 cgroup_share_all = CGROUP_ENTRIES / 4 * 3;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u32);
    __uint(max_entries, CGROUP_SHARE_ROWS);
} cgroup_shares SEC(".maps");

static __always_inline u16 share_row(u32 first, u64 owner) {
    return first + (owner * 0x9e3779b97f4a7c15ULL >> 52);
}

static __always_inline bool has_share(u32 row, u32 most) {
    const volatile u32 *count = bpf_map_lookup_elem(&cgroup_shares, &row);
    return !count || *count < most;
}

static __always_inline void add_share(u32 row, s32 change) {
    u32 *count = bpf_map_lookup_elem(&cgroup_shares, &row);
    if (count)
        __sync_fetch_and_add(count, change);
}

/* Fills whose share a new cgroup is; false when that is used up. `workload`: 0 for none. */
static __always_inline bool fill_shares(struct cgroup_entry *entry, u64 workload) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    u64 user = responsible_user(BPF_CORE_READ(task, cred, uid.val));
    entry->user_share = user ? share_row(CGROUP_SHARE_USERS, user) : CGROUP_NO_SHARE;
    entry->workload_share =
        workload ? share_row(CGROUP_SHARE_WORKLOADS, workload) : CGROUP_NO_SHARE;
    if (!user && !workload)
        return true;
    return has_share(CGROUP_SHARE_ALL, cgroup_share_all) &&
           (!user || has_share(entry->user_share, cgroup_share_user)) &&
           (!workload || has_share(entry->workload_share, cgroup_share_workload));
}

/* Counts an entry where it has a share; `change` is 1 or -1. */
static __always_inline void count_shares(u16 user_share, u16 workload_share, s32 change) {
    if (user_share == CGROUP_NO_SHARE && workload_share == CGROUP_NO_SHARE)
        return;
    add_share(CGROUP_SHARE_ALL, change);
    if (user_share != CGROUP_NO_SHARE)
        add_share(user_share, change);
    if (workload_share != CGROUP_NO_SHARE)
        add_share(workload_share, change);
}

#endif
