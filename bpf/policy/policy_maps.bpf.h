/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The tables of all policies, shared by the programs of all hooks, and the memory a program works
 * in. User space writes the tables, programs only read them; see policy.h.
 */
#ifndef SHRIKE_POLICY_MAPS_BPF_H
#define SHRIKE_POLICY_MAPS_BPF_H

#include "kernel_types.h"
#include "policy.h"
#include <bpf/bpf_helpers.h>

/* Rows unless the loader sets other numbers. */
enum policy_map_size {
    POLICY_ROWS = 10240,
    POLICY_SLOTS = 4096,
    POLICY_KEYS = 16384,
    POLICY_LPM_KEYS = 8192,
    POLICY_PROCESSES = 8192,
    /* Threads between sys_enter and their call: one per CPU, and those that were preempted there */
    POLICY_FAILURES = 1024,
    POLICY_CALLS = 2048, /* threads that are in a call whose end is told, at once */
    POLICY_DEFERRALS = 4096,
};

/* By POLICY_SYSCALL_INDEX() and POLICY_SOCKETCALL_INDEX(). */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, u32);
    __uint(max_entries, POLICY_SYSCALL_ENTRIES);
} policy_syscalls SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, struct policy_hook);
    __uint(max_entries, POLICY_HOOKS_MAX);
} policy_hooks SEC(".maps");

/* By POLICY_MASK_INDEX(). No hash: what a hash replaces may be read as another element's value. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, u32);
    __uint(max_entries, POLICY_SETS_MAX *POLICY_HOOKS_MAX);
} policy_masks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, struct policy_slot);
    __uint(max_entries, POLICY_SLOTS);
} policy_slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, struct policy_row);
    __uint(max_entries, POLICY_ROWS);
} policy_rows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, struct policy_effects);
    __uint(max_entries, POLICY_HOOKS_MAX * 2);
} policy_effects SEC(".maps");

/*
 * Maps from a value to its row. Preallocated here, because kernels before 6.1 warn when a kprobe
 * program uses another hash; the loader allocates on demand where it can.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct policy_number_key);
    __type(value, u32);
    __uint(max_entries, POLICY_KEYS);
} policy_numbers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct policy_text_key);
    __type(value, u32);
    __uint(max_entries, POLICY_KEYS);
} policy_texts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct policy_prefix_key);
    __type(value, u32);
    __uint(max_entries, POLICY_LPM_KEYS);
} policy_prefixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct policy_postfix_key);
    __type(value, u32);
    __uint(max_entries, POLICY_LPM_KEYS);
} policy_postfixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct policy_range_key);
    __type(value, u32);
    __uint(max_entries, POLICY_LPM_KEYS);
} policy_ranges SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct policy_network_key);
    __type(value, u32);
    __uint(max_entries, POLICY_LPM_KEYS);
} policy_networks SEC(".maps");

/* By tgid. Preallocated: programs write it. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, u32);
    __type(value, struct policy_process);
    __uint(max_entries, POLICY_PROCESSES);
} policy_processes SEC(".maps");

/*
 * Calls under way that are told at their end. LRU: a thread that dies in a call, or
 * whose number changes because it calls exec and is not the leader, leaves its row behind.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct policy_call_key);
    __type(value, struct policy_call);
    __uint(max_entries, POLICY_CALLS);
} policy_calls SEC(".maps");

/* By hook: enum policy_fails. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u32);
    __uint(max_entries, POLICY_HOOKS_MAX);
} policy_failing SEC(".maps");

/* By thread. Preallocated: programs write it. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, u64);
    __type(value, struct policy_failure);
    __uint(max_entries, POLICY_FAILURES);
} policy_failures SEC(".maps");
/* By the address of the task. Preallocated: programs write it. A thread has one call at a time. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, u64);
    __type(value, struct policy_deferral);
    __uint(max_entries, POLICY_DEFERRALS);
} policy_deferrals SEC(".maps");

/* By enum policy_share and hash. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u32);
    __uint(max_entries, POLICY_SHARE_KINDS *POLICY_SHARE_ROWS);
} policy_shares SEC(".maps");

/*
 * Calls under way: rows of policy_calls and of policy_deferrals, or more, because rows may go
 * without being taken. While both are 0 the end of a call has nothing to look for.
 */
struct policy_under_way {
    u64 kept;
    u64 deferred;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct policy_under_way);
    __uint(max_entries, 1);
} policy_pending SEC(".maps");

static __always_inline struct policy_under_way *policy_calls_under_way(void) {
    u32 zero = 0;
    return bpf_map_lookup_elem(&policy_pending, &zero);
}

/* By enum policy_count. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, POLICY_COUNTS);
} policy_counts SEC(".maps");

static __always_inline void policy_count(u32 which) {
    u64 *count = bpf_map_lookup_elem(&policy_counts, &which);
    if (count)
        __sync_fetch_and_add(count, 1);
}

#endif
