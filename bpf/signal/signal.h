/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records of the signal sensor: who sent which signal to whom, and whom the kernel killed for want
 * of memory. Block 0x05.
 */
#ifndef SHRIKE_SIGNAL_H
#define SHRIKE_SIGNAL_H

#include "record.h"

enum signal_record_kind {
    SIGNAL_SENT_RECORD = 0x0501,
    SIGNAL_OOM_RECORD = 0x0502,
};
EXPORT_ENUM(signal_record_kind);

/* Which signals make records; the values of the variable `signal_reports`. */
enum signal_report {
    SIGNAL_REPORT_FATAL = 0, /* those that end the process they are sent to */
    SIGNAL_REPORT_ALL = 1,
};
EXPORT_ENUM(signal_report);

/* What a record of a signal says in `signal_flags`. */
enum signal_flag {
    SIGNAL_FATAL = 1,       /* it ends the process: not handled, ignored or blocked */
    SIGNAL_TO_THREAD = 2,   /* sent to one thread, not to the process */
    SIGNAL_FROM_KERNEL = 4, /* no process sent it; the sender is empty */
    SIGNAL_BLOCKED = 8,     /* the thread has blocked it for now */
    SIGNAL_IGNORED = 16,    /* it went nowhere: the process ignores it */
    SIGNAL_PENDING = 32,    /* it went nowhere: one like it was waiting already */
    SIGNAL_LOST = 64,       /* it went nowhere: the queue was full */
    /* The code says timer, message queue or I/O: the sender may only have been running then. */
    SIGNAL_SENDER_UNSURE = 128,
};
EXPORT_ENUM(signal_flag);

/* A signal. header names the process it was sent to, header.tid the thread. */
struct signal_sent {
    struct record_header header;
    u64 sender_start_ns; /* leader_start_ns of the sender's group */
    u32 sender_tgid;     /* 0: the kernel */
    u32 sender_tid;
    u32 signal;
    s32 code; /* si_code; 0 is kill(2), 128 the kernel, above that or 1.. a fault */
    u32 signal_flags;
    u32 _reserved;
};
EXPORT_STRUCT(signal_sent);

/* The kernel killed a process for want of memory. header names the process. */
struct signal_oom {
    struct record_header header;
    /* The cgroup of the memory controller, from the process's up, that is nearest to its limit. */
    u64 limit_cgroup_id; /* 0: none has a limit */
    u64 limit_pages;
    u64 usage_pages;
    u32 limit_cgroup_level;
    u32 limit_hierarchy; /* 0 for cgroup v2 */
    u32 page_size;
    u32 _reserved;
};
EXPORT_STRUCT(signal_oom);

#endif
