/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where a task stands among the cgroups of the tracked hierarchy, and to which of them its workload
 * belongs. The map is kept by the cgroup sensor (and corrected by user space); without that sensor
 * it stays empty and records carry an id, but no tracking id.
 */
#ifndef SHRIKE_CGROUP_BPF_H
#define SHRIKE_CGROUP_BPF_H

#include "cgroup_entry.h"
#include "kernel_types.h"
#include "record.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Set by the loader for all objects alike. Every task has a place in v2, mounted or not. */
const volatile u32 cgroup_source = CGROUP_SOURCE_V2;
const volatile u32 cgroup_hierarchy = 0;
const volatile u32 cgroup_controller = 0;

/* Preallocated: programs cannot always allocate, and the memory is known from the start. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct cgroup_key);
    __type(value, struct cgroup_entry);
    __uint(max_entries, CGROUP_ENTRIES);
} cgroups SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, CGROUP_COUNTS);
} cgroup_counts SEC(".maps");

static __always_inline void count_cgroup(u32 which) {
    u64 *count = bpf_map_lookup_elem(&cgroup_counts, &which);
    if (count)
        __sync_fetch_and_add(count, 1);
}

#define SUBSYSTEM(name)                                                                            \
    (bpf_core_enum_value_exists(enum cgroup_subsys_id, name##_cgrp_id)                             \
         ? (u32)bpf_core_enum_value(enum cgroup_subsys_id, name##_cgrp_id)                         \
         : ~0U)

/*
 * Place of the tracked controller in css_set.subsys[], ~0 when this kernel lacks it. Asked of the
 * kernel's BTF: the lines of /proc/cgroups do not tell, since 6.14 leaves some of them out.
 */
static __always_inline u32 subsystem_index(void) {
    switch (cgroup_controller) {
    case CGROUP_MEMORY:
        return SUBSYSTEM(memory);
    case CGROUP_PIDS:
        return SUBSYSTEM(pids);
    case CGROUP_CPUSET:
        return SUBSYSTEM(cpuset);
    case CGROUP_CPU:
        return SUBSYSTEM(cpu);
    case CGROUP_CPUACCT:
        return SUBSYSTEM(cpuacct);
    case CGROUP_BLKIO:
        return SUBSYSTEM(io);
    case CGROUP_DEVICES:
        return SUBSYSTEM(devices);
    case CGROUP_FREEZER:
        return SUBSYSTEM(freezer);
    case CGROUP_PERF_EVENT:
        return SUBSYSTEM(perf_event);
    case CGROUP_NET_CLS:
        return SUBSYSTEM(net_cls);
    case CGROUP_NET_PRIO:
        return SUBSYSTEM(net_prio);
    case CGROUP_HUGETLB:
        return SUBSYSTEM(hugetlb);
    case CGROUP_RDMA:
        return SUBSYSTEM(rdma);
    case CGROUP_MISC:
        return SUBSYSTEM(misc);
    default:
        return ~0U;
    }
}

/*
 * The cgroup of a task in the hierarchy of a v1 controller, 0 when it cannot be told. A controller
 * that is not bound to v1 has its tasks in v2, hence the look at the hierarchy.
 */
static __always_inline u64 read_v1_cgroup(const struct task_struct *task) {
    struct cgroup_subsys_state *css = 0;
    u32 index = subsystem_index();
    if (index >= bpf_core_field_size(struct css_set, subsys) / sizeof(css))
        return 0;
    const struct css_set *set = BPF_CORE_READ(task, cgroups);
    u64 place = (u64)(const void *)&set->subsys + index * sizeof(css);
    bpf_probe_read_kernel(&css, sizeof(css), (const void *)place);
    const struct cgroup *cgroup = BPF_CORE_READ(css, cgroup);
    if ((u32)BPF_CORE_READ(cgroup, root, hierarchy_id) != cgroup_hierarchy)
        return 0;
    return (u64)cgroup;
}

/* Fills cgroup_id and cgroup_level, which stay 0 when they cannot be told. */
static __always_inline void fill_cgroup_id(struct record_header *header,
                                           const struct task_struct *task) {
    if (cgroup_source == CGROUP_SOURCE_V1) {
        const struct cgroup *cgroup = (const void *)read_v1_cgroup(task);
        header->cgroup_id = BPF_CORE_READ(cgroup, kn, id);
        header->cgroup_level = BPF_CORE_READ(cgroup, level);
    } else if (cgroup_source == CGROUP_SOURCE_V2 && bpf_core_field_exists(task->cgroups)) {
        const struct cgroup *cgroup = task->cgroups->dfl_cgrp;
        header->cgroup_id = cgroup->kn->id;
        header->cgroup_level = cgroup->level;
    }
}

/*
 * Address of a task's cgroup, read in a way that makes it a plain number to the verifier; `task`
 * may be any kernel pointer.
 */
static __always_inline u64 cgroup_address(const struct task_struct *task) {
    if (cgroup_source == CGROUP_SOURCE_V1)
        return read_v1_cgroup(task);
    return (u64)BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

/*
 * The cgroup at `address`, or of a deeper one than the map goes its ancestor just below what the
 * map has: the way from there is as short as from any other. A global function, see below.
 */
__noinline u64 above_map(u64 address) {
    const struct cgroup *cgroup = (const void *)address;
    u32 level = BPF_CORE_READ(cgroup, level);
    for (u32 i = 0; i < CGROUP_STEPS_MAX; i++) {
        if (level <= CGROUP_LEVEL_MAX + 1)
            break;
        cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
        level--;
    }
    return (u64)cgroup;
}

/*
 * The tracking id of the nearest ancestor of the cgroup at `address` that is in the map, 0 when
 * none is or when it lacks a flag of `needed_flags`. A global function: the verifier checks it
 * once, and 5.10 takes only numbers for it.
 */
__noinline u64 find_ancestor_tracking(u64 address, u32 needed_flags) {
    const struct cgroup *cgroup = (const void *)above_map(address);
    struct cgroup_key key = {.hierarchy = cgroup_hierarchy};
    for (int i = 0; i < CGROUP_LEVEL_MAX; i++) {
        /* self.parent rather than ancestors[], which was ancestor_ids[] before 6.1. */
        cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
        key.id = BPF_CORE_READ(cgroup, kn, id);
        if (key.id == 0)
            return 0;
        const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
        if (entry)
            return (entry->flags & needed_flags) == needed_flags ? entry->tracking_id : 0;
    }
    return 0;
}

/* The tracking id of the cgroup `id` of a task, 0 when neither it nor an ancestor is in the map. */
static __always_inline u64 find_tracking(u64 id, const struct task_struct *task) {
    struct cgroup_key key = {.id = id, .hierarchy = cgroup_hierarchy};
    struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
    if (entry) {
        if (entry->state == CGROUP_NEW)
            entry->state = CGROUP_RUNNING;
        return entry->tracking_id;
    }
    u64 tracking_id = find_ancestor_tracking(cgroup_address(task), 0);
    count_cgroup(tracking_id ? CGROUP_COUNT_ANCESTOR : CGROUP_COUNT_UNKNOWN);
    return tracking_id;
}

/* Fills the cgroup fields of a header; a task that is seen here makes its cgroup a running one. */
static __always_inline void fill_cgroup(struct record_header *header,
                                        const struct task_struct *task) {
    header->cgroup_id = 0;
    header->tracking_id = 0;
    header->cgroup_level = 0;
    header->cgroup_hierarchy = cgroup_hierarchy;
    fill_cgroup_id(header, task);
    if (header->cgroup_id == 0) {
        header->flags |= RECORD_NO_CGROUP;
        if (cgroup_source != CGROUP_SOURCE_NONE)
            count_cgroup(CGROUP_COUNT_ZERO_ID);
        return;
    }
    if (header->cgroup_level > CGROUP_LEVEL_MAX) {
        header->flags |= RECORD_CGROUP_TOO_DEEP;
        count_cgroup(CGROUP_COUNT_DEEP_TASK);
    }
    header->tracking_id = find_tracking(header->cgroup_id, task);
}

#endif
