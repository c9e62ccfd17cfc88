/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Limit and use of the cgroups of the memory controller, v1 and v2 alike. */
#ifndef SHRIKE_SIGNAL_MEMORY_BPF_H
#define SHRIKE_SIGNAL_MEMORY_BPF_H

#include "kernel_types.h"
#include "signal.h"
#include "signal_kernel_types.h"
#include "cgroup.bpf.h"
#include <bpf/bpf_core_read.h>

enum memory_limit {
    MEMORY_LEVELS_MAX = 16,
};

/* PAGE_COUNTER_MAX is LONG_MAX / PAGE_SIZE; no host has half of that. */
#define UNLIMITED_PAGES (1ULL << 46)

/* Address of the task's state in the memory controller, 0 when the kernel has none. */
static __always_inline u64 memory_place(const struct task_struct *task) {
    struct cgroup_subsys_state *css = 0;
    u32 index = SUBSYSTEM(memory);
    if (index >= bpf_core_field_size(struct css_set, subsys) / sizeof(css))
        return 0;
    const struct css_set *set = BPF_CORE_READ(task, cgroups);
    u64 place = (u64)(const void *)&set->subsys + index * sizeof(css);
    bpf_probe_read_kernel(&css, sizeof(css), (const void *)place);
    return (u64)css;
}

/* Of the cgroups from `address` up, the one that has the least left below its limit. */
static __always_inline void fill_memory_limit(struct signal_oom *record, u64 address) {
    u64 least_left = ~0ULL;
    for (int i = 0; i < MEMORY_LEVELS_MAX && address; i++) {
        /* css is the first member of struct mem_cgroup. */
        const struct mem_cgroup *memory = (const void *)address;
        const struct cgroup_subsys_state *css = (const void *)address;
        u64 limit = BPF_CORE_READ(memory, memory.max);
        u64 usage = BPF_CORE_READ(memory, memory.usage.counter);
        u64 left = limit > usage ? limit - usage : 0;
        if (limit < UNLIMITED_PAGES && left < least_left) {
            least_left = left;
            record->limit_cgroup_id = BPF_CORE_READ(css, cgroup, kn, id);
            record->limit_cgroup_level = BPF_CORE_READ(css, cgroup, level);
            record->limit_hierarchy = BPF_CORE_READ(css, cgroup, root, hierarchy_id);
            record->limit_pages = limit;
            record->usage_pages = usage;
        }
        address = (u64)BPF_CORE_READ(css, parent);
    }
}

#endif
