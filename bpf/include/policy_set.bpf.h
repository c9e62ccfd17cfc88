/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which policies concern the tasks of a cgroup. */
#ifndef SHRIKE_POLICY_SET_BPF_H
#define SHRIKE_POLICY_SET_BPF_H

#include "cgroup.bpf.h"

/*
 * The policy set of the nearest ancestor of the cgroup at `address` that is in the map, 0 when none
 * is. A global function, as find_ancestor_tracking().
 */
__noinline u32 find_ancestor_policy_set(u64 address) {
    const struct cgroup *cgroup = (const void *)above_map(address);
    struct cgroup_key key = {.hierarchy = cgroup_hierarchy};
    for (int i = 0; i < CGROUP_LEVEL_MAX; i++) {
        cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
        key.id = BPF_CORE_READ(cgroup, kn, id);
        if (key.id == 0)
            return 0;
        const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
        if (entry)
            return entry->policy_set;
    }
    return 0;
}

#endif
