/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where a task stands among the cgroups. */
#ifndef SHRIKE_CGROUP_BPF_H
#define SHRIKE_CGROUP_BPF_H

#include "kernel_types.h"
#include "record.h"
#include <bpf/bpf_core_read.h>

/*
 * Fills the cgroup fields of a header from the default (v2) hierarchy. Every task has a place in it
 * also where nothing is mounted: the root. tracking_id stays 0 until there is a cgroup table to
 * look it up in.
 */
static __always_inline void fill_cgroup(struct record_header *header,
                                        const struct task_struct *task) {
    header->cgroup_id = 0;
    header->tracking_id = 0;
    header->cgroup_level = 0;
    header->cgroup_hierarchy = 0;
    if (bpf_core_field_exists(task->cgroups)) {
        const struct cgroup *cgroup = task->cgroups->dfl_cgrp;
        header->cgroup_id = cgroup->kn->id;
        header->cgroup_level = cgroup->level;
    }
    if (header->cgroup_id == 0)
        header->flags |= RECORD_NO_CGROUP;
}

#endif
