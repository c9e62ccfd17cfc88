/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Memory to build a record that is too big for the 512 byte stack.
 *
 * An array with slots for each possible CPU, not a per-CPU map: those end at 32 KiB a value. Each
 * object has a map of its own and only ONE program of it, with its spare, may use it. A program
 * owns its slot while it runs: it cannot migrate (tracepoint programs run with preemption or
 * migration off), and if a kernel since 7.0 preempts it, the kernel skips a second run of the same
 * program on that CPU. Kernels before 5.12 have no such guard, but run tracepoints with preemption
 * off, and fork, exec and exit do not happen in interrupts.
 */
#ifndef SHRIKE_SCRATCH_BPF_H
#define SHRIKE_SCRATCH_BPF_H

#include "kernel_types.h"
#include "bounded.bpf.h"
#include "preemption.bpf.h"
#include "record.h"
#include <bpf/bpf_helpers.h>

enum scratch_limit {
    /*
     * Helpers are given room in whole pages and names (4096, 256 bytes) that are shortened
     * afterwards, so the verifier wants this much behind the longest record.
     */
    SCRATCH_SLACK = 4096,
    SCRATCH_SIZE = RECORD_SIZE_MAX + SCRATCH_SLACK,
};

/* How far a path has been walked, see path.bpf.h. Addresses are of kernel objects. */
struct path_walk {
    u64 dentry;
    u64 vfsmount;
    u64 mount_root; /* root dentry of vfsmount */
    u64 root_dentry;
    u64 root_vfsmount;
    u64 end; /* in bytes[]: no name goes beyond */
};

/* A record in the making; its header.size says how much of it is there. */
struct scratch {
    struct path_walk walk;
    u64 string; /* for append_string() */
    union {
        struct record_header header;
        u8 bytes[SCRATCH_SIZE];
    };
};

/* The loader sets max_entries: possible CPUs, times 2 where there are spares. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct scratch);
    __uint(max_entries, 1);
} scratch SEC(".maps");

/* Whose slot: a hook's program or its spare, see preemption.bpf.h. */
enum scratch_user {
    SCRATCH_MAIN = 0,
    SCRATCH_SPARE = 1,
};

/* The slot of this CPU. */
static __always_inline u32 scratch_id(enum scratch_user user) {
    u32 cpu = bpf_get_smp_processor_id();
    return is_preemptible() ? cpu * 2 + user : cpu;
}

#endif
