/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records of the cgroup sensor: cgroups of the tracked hierarchy that come, go and get tasks. Block
 * 0x02.
 */
#ifndef SHRIKE_CGROUP_H
#define SHRIKE_CGROUP_H

#include "cgroup_entry.h"
#include "record.h"

enum cgroup_record_kind {
    CGROUP_CREATED_RECORD = 0x0201,
    CGROUP_REMOVED_RECORD = 0x0202,  /* rmdir: no task will ever enter it again */
    CGROUP_RELEASED_RECORD = 0x0203, /* the last reference is gone, maybe long after rmdir */
    CGROUP_ATTACHED_RECORD = 0x0204, /* a task was moved into it; only on request */
    CGROUP_RENAMED_RECORD = 0x0205,  /* v1 only: path and name are the new ones */
};
EXPORT_ENUM(cgroup_record_kind);

enum cgroup_record_limit {
    CGROUP_PATH_SIZE_MAX = 4096,
    CGROUP_NAME_SIZE_MAX = 255, /* NAME_MAX */
    /*
     * TRACE_CGROUP_PATH_LEN of kernel/cgroup/cgroup-internal.h less the NUL: tracepoints cut longer
     * paths, at the end that names the cgroup.
     */
    CGROUP_TRACE_PATH_SIZE_MAX = 1023,
};
EXPORT_ENUM(cgroup_record_limit);

enum cgroup_change_flag {
    CGROUP_WHOLE_GROUP = 1, /* the whole thread group was moved, not one thread of it */
    CGROUP_OVER_SHARE = 4,  /* made, but not entered in the map, see cgroup_share */
    CGROUP_TRANSFERRED = 2, /* v1 cpuset: moved by the kernel, because its cgroup lost its CPUs */
};
EXPORT_ENUM(cgroup_change_flag);

/*
 * What has become of a cgroup. The cgroup fields of the header are of the cgroup itself, the task
 * fields of the task that is moved, else of the one that acts. Two byte strings follow:
 *   path  within the hierarchy, as the tracepoint gives it
 *   name  its last part, whole
 */
struct cgroup_change {
    struct record_header header;
    u64 parent_id;   /* 0 for the root */
    u64 created_ns;  /* as in the map; 0 when it is not there, or its making was not seen */
    u32 entry_flags; /* cgroup_entry_flag; 0 when it is not in the map */
    u32 change_flags;
    u32 actor_tgid; /* who did it */
    u32 path_size;
    u32 name_size;
    u32 _reserved;
};
EXPORT_STRUCT(cgroup_change);

enum own_cgroup_limit {
    OWN_CGROUP_NAMES_MAX = 32,  /* CGROUP_LEVEL_MAX */
    OWN_CGROUP_NAME_SIZE = 256, /* NAME_MAX and a NUL */
};
EXPORT_ENUM(own_cgroup_limit);

/*
 * Row 0 of the map `own_cgroup`: where the agent itself is; id 0 when that cannot be told. The
 * names of the cgroup and its ancestors follow, leaf first, each in OWN_CGROUP_NAME_SIZE bytes
 * with a NUL: as many as levels, at most OWN_CGROUP_NAMES_MAX.
 */
struct own_cgroup {
    u64 id;
    u64 leader_start_ns; /* with tgid, who has asked */
    u32 tgid;
    u32 level;
    u32 hierarchy; /* as the kernel numbers it, whatever the loader has set */
    u32 _reserved;
};
EXPORT_STRUCT(own_cgroup);

/* Row 0 of the map `policy_set_order`, for set_policy_set(). */
struct policy_set_order {
    u64 cgroup_id;
    u64 created_ns; /* as in the map of cgroups, where 0 fits all: ids are used again */
    u32 policy_set;
    u32 is_done; /* 1: such a cgroup is in the map, and has the set now */
};
EXPORT_STRUCT(policy_set_order);

#endif
