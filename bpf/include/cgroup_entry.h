/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the shared map `cgroups` holds, and the choices that all programs make alike. Part of the
 * wire contract: user space reads and corrects the map.
 */
#ifndef SHRIKE_CGROUP_ENTRY_H
#define SHRIKE_CGROUP_ENTRY_H

#include "wire_types.h"

enum cgroup_limit {
    /* Deepest level that is entered in the map; the root is 0. Deeper cgroups are counted. */
    CGROUP_LEVEL_MAX = 32,
    /* Levels that are gone up at most from a deeper one; nobody was seen to need more than 20. */
    CGROUP_STEPS_MAX = 1024,
    /* Bytes of the name that the map keeps, NUL included. */
    CGROUP_ENTRY_NAME_SIZE = 64,
    /* Rows of the map unless the loader sets another number. */
    CGROUP_ENTRIES = 16384,
};
EXPORT_ENUM(cgroup_limit);

/* Where the tracked hierarchy is found in a task. */
enum cgroup_source {
    CGROUP_SOURCE_NONE = 0, /* not known: ids are 0, and the cgroup programs do nothing */
    CGROUP_SOURCE_V2 = 1,   /* css_set.dfl_cgrp */
    CGROUP_SOURCE_V1 = 2,   /* css_set.subsys[] of a controller */
};
EXPORT_ENUM(cgroup_source);

/* Controllers of v1, by numbers of our own: the kernel's depend on its configuration. */
enum cgroup_controller {
    CGROUP_MEMORY = 1,
    CGROUP_PIDS = 2,
    CGROUP_CPUSET = 3,
    CGROUP_CPU = 4,
    CGROUP_CPUACCT = 5,
    CGROUP_BLKIO = 6,
    CGROUP_DEVICES = 7,
    CGROUP_FREEZER = 8,
    CGROUP_PERF_EVENT = 9,
    CGROUP_NET_CLS = 10,
    CGROUP_NET_PRIO = 11,
    CGROUP_HUGETLB = 12,
    CGROUP_RDMA = 13,
    CGROUP_MISC = 14,
};
EXPORT_ENUM(cgroup_controller);

/* Ids are only unique within a hierarchy. */
struct cgroup_key {
    u64 id;
    u32 hierarchy; /* 0 for v2 */
    u32 _reserved;
};
EXPORT_STRUCT(cgroup_key);

enum cgroup_state {
    CGROUP_NEW = 1, /* made, and nothing was forked or executed in it */
    CGROUP_RUNNING = 2,
    CGROUP_REMOVED = 3, /* kept for late events until user space deletes it */
};
EXPORT_ENUM(cgroup_state);

enum cgroup_entry_flag {
    /* It belongs whole to one workload: cgroups made below it get its tracking id. */
    CGROUP_LEAF = 1,
    /* That workload is a container: not even a container below it is one of its own. */
    CGROUP_CONTAINER = 2,
    /* A task was moved into it. */
    CGROUP_ATTACHED = 4,
    /* User space found it; its making was not seen and created_ns is 0. */
    CGROUP_FOUND = 8,
};
EXPORT_ENUM(cgroup_entry_flag);

struct cgroup_entry {
    u64 parent_id;   /* 0 for the root */
    u64 tracking_id; /* the cgroup that names the workload: this one or an ancestor */
    u64 created_ns;  /* CLOCK_MONOTONIC; ids are used again, this tells them apart */
    u32 level;
    u16 state;      /* cgroup_state */
    u16 flags;      /* cgroup_entry_flag */
    u32 policy_set; /* which policies concern it, see policy.h; new cgroups have their parent's */
    u16 user_share; /* rows of cgroup_shares that count it, CGROUP_NO_SHARE for none */
    u16 workload_share;
    u8 name[CGROUP_ENTRY_NAME_SIZE]; /* last part of the path, cut, with NUL */
};
EXPORT_STRUCT(cgroup_entry);

/*
 * Who may have how much of the map. Users but root (of user namespaces: who has made the outermost)
 * and workloads have a share each, by a hash, and all of them together another: the rest is for
 * what root makes outside of workloads, such as the cgroups of containers. What is over a share is
 * not entered, and belongs to its nearest ancestor that is.
 */
enum cgroup_share {
    CGROUP_SHARE_ALL = 0,
    CGROUP_SHARE_USERS = 1, /* first row of users */
    CGROUP_SHARE_OWNERS = 4096,
    CGROUP_SHARE_WORKLOADS = 4097, /* first row of workloads */
    CGROUP_SHARE_ROWS = 8193,
    CGROUP_NO_SHARE = 0, /* in an entry: the first row is not one owner's */
};
EXPORT_ENUM(cgroup_share);

/* Rows of the per-CPU map `cgroup_counts`. */
enum cgroup_count {
    CGROUP_COUNT_FULL = 0,       /* a new cgroup found no room in the map */
    CGROUP_COUNT_FAILED = 1,     /* the map refused it for another reason */
    CGROUP_COUNT_TOO_DEEP = 2,   /* a new cgroup was deeper than CGROUP_LEVEL_MAX */
    CGROUP_COUNT_ZERO_ID = 3,    /* a record's task had no cgroup id */
    CGROUP_COUNT_DEEP_TASK = 4,  /* a record's task was deeper than CGROUP_LEVEL_MAX */
    CGROUP_COUNT_ANCESTOR = 5,   /* a record's cgroup was not in the map, an ancestor was */
    CGROUP_COUNT_UNKNOWN = 6,    /* not even an ancestor was */
    CGROUP_COUNT_SHARE_FULL = 7, /* a new cgroup's maker or workload had its share of the map */
    CGROUP_COUNTS = 8,
};
EXPORT_ENUM(cgroup_count);

#endif
