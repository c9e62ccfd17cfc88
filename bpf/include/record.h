/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The header that starts every record, and what the shared maps hold. The only wire header that
 * all sensors share.
 */
#ifndef SHRIKE_RECORD_H
#define SHRIKE_RECORD_H

#include "wire_types.h"

/* Limits of all records. Enums, not macros: macros are not in BTF, and a limit exists once. */
enum record_limit {
    /* perf_event_header.size is 16 bits wide and covers 12 bytes in front of our payload. */
    RECORD_SIZE_MAX = 65504,
    /* Rows of the drop counter map: 8 sensor blocks of 8 kinds, see RECORD_DROP_SLOT(). */
    RECORD_DROP_SLOTS = 64,
};

/*
 * Record kinds are (sensor block << 8) | number, block and number below 8; each sensor's header
 * chooses its own block. A clash fails `deno task generate` with both file names.
 */
#define RECORD_DROP_SLOT(kind) ((((kind) >> 8 & 7) << 3) | ((kind)&7))

/* What header.flags may hold; the upper half belongs to the sensor. */
enum record_flag {
    /* The cgroup id could not be read; cgroup_id and tracking_id are zero. */
    RECORD_NO_CGROUP = 1,
    /* The task sits deeper than the cgroup walk goes; tracking_id may be of an ancestor. */
    RECORD_CGROUP_TOO_DEEP = 2,
};

/* Starts every record. 64 bytes, no holes. */
struct record_header {
    u32 size;            /* whole record with this header, bytes; perf may add up to 7 after it */
    u16 kind;            /* sensor block and number */
    u16 flags;           /* record_flag */
    u64 time_ns;         /* bpf_ktime_get_ns(): CLOCK_MONOTONIC */
    u64 leader_start_ns; /* task->group_leader->start_boottime: with tgid names a thread group for
                            ever, also when the pid is used again */
    u32 cpu;
    u32 tgid;             /* process id in the initial pid namespace */
    u32 tid;              /* thread that fired; equals tgid in fork, exec and exit records */
    u32 namespace_tgid;   /* tgid as seen in the task's own pid namespace */
    u64 cgroup_id;        /* cgroup of the task in the tracked hierarchy, 0 when unknown */
    u64 tracking_id;      /* nearest tracked ancestor of that cgroup, 0 when none */
    u32 cgroup_level;     /* depth of cgroup_id; the root is 0 */
    u32 cgroup_hierarchy; /* hierarchy id, 0 for cgroup v2 */
};
EXPORT_STRUCT(record_header);
EXPORT_ENUM(record_limit);
EXPORT_ENUM(record_flag);

/* Why a record never reached a ring. */
enum drop_reason {
    DROP_RING_FULL = 0,  /* -ENOSPC of bpf_perf_event_output() */
    DROP_NO_RING = 1,    /* -ENOENT or -EOPNOTSUPP: this CPU has no reader (yet) */
    DROP_OTHER = 2,      /* any other error */
    DROP_NO_SCRATCH = 3, /* the scratch buffer of this CPU was not there */
    DROP_REASONS = 4,
};
EXPORT_ENUM(drop_reason);

/*
 * One row of the per-CPU map `record_drops`, found by RECORD_DROP_SLOT(kind). Times are
 * CLOCK_MONOTONIC of the first and last loss on that CPU ever.
 */
struct record_drop {
    u32 kind;
    u32 _reserved;
    u64 first_ns;
    u64 last_ns;
    u64 count[DROP_REASONS];
};
EXPORT_STRUCT(record_drop);

#endif
