/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Slots of policy_work for programs that may interrupt each other.
 *
 * LSM and fmod_ret programs can be preempted since 5.11 where the kernel is fully preemptible, and
 * a kprobe or raw tracepoint may come in an interrupt while one of them runs. So a program claims a
 * slot of its CPU while it works. The claim is an entry that must not have been there: an update
 * with BPF_NOEXIST is atomic on all kernels, instructions that would be are not in 5.10.
 */
#ifndef SHRIKE_POLICY_SLOTS_BPF_H
#define SHRIKE_POLICY_SLOTS_BPF_H

#include "policy_call.bpf.h"

#define BPF_NOEXIST 1

enum {
    /* A task, an interrupt on top of it, and two tasks that were preempted at work. */
    POLICY_SLOTS_PER_CPU = 4,
    POLICY_NO_SLOT = ~0U,
};

/* Preallocated: programs write it. The loader sets max_entries: as many as policy_work has. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, u32);
    __type(value, u32);
    __uint(max_entries, 1);
} policy_claims SEC(".maps");

/* A slot of this CPU; POLICY_NO_SLOT, counted, when all are taken. */
static __always_inline u32 policy_claim(void) {
    u32 first = bpf_get_smp_processor_id() * POLICY_SLOTS_PER_CPU;
    u32 taken = 1;
    for (u32 i = 0; i < POLICY_SLOTS_PER_CPU; i++) {
        u32 id = first + i;
        if (bpf_map_update_elem(&policy_claims, &id, &taken, BPF_NOEXIST) == 0)
            return id;
    }
    policy_count(POLICY_COUNT_NO_SLOT);
    return POLICY_NO_SLOT;
}

static __always_inline void policy_unclaim(u32 id) {
    bpf_map_delete_elem(&policy_claims, &id);
}

/* Whether policies of this hook concern workloads of `set`; most calls end here. */
static __always_inline bool policy_concerns(u32 hook, u32 set) {
    u32 key = POLICY_MASK_INDEX(set, hook);
    const volatile u32 *mask = bpf_map_lookup_elem(&policy_masks, &key);
    return mask && *mask != 0;
}

#endif
