// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One policy as a program of its own: what a policy bench compares with, nothing the agent ships.
 * Loaded once per policy. It does no more than it must: is it this system call, is it this
 * workload, is it a path of the list; a match is counted and not told.
 */
#include "kernel_types.h"
#include <asm/unistd.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum separate_policy_size {
    WORKLOADS = 16,
    PATHS = 16,
    PATH_SIZE = 64,
};

struct path_key {
    char text[PATH_SIZE]; /* filled up with NUL */
};

/* By id of the cgroup. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, u64);
    __type(value, u32);
    __uint(max_entries, WORKLOADS);
} workloads SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct path_key);
    __type(value, u32);
    __uint(max_entries, PATHS);
} paths SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, 1);
} matches SEC(".maps");

SEC("tp_btf/sys_enter")
int BPF_PROG(on_separate_policy, struct pt_regs *regs, long number) {
    if (number != __NR_prctl)
        return 0;
    u64 cgroup = bpf_get_current_cgroup_id();
    if (!bpf_map_lookup_elem(&workloads, &cgroup))
        return 0;
    struct path_key key = {};
#if defined(__TARGET_ARCH_x86)
    const void *path = (const void *)regs->si;
#else
    const struct user_pt_regs *user = (const void *)regs;
    const void *path = (const void *)BPF_CORE_READ(user, regs[1]);
#endif
    if (bpf_probe_read_user_str(key.text, sizeof(key.text), path) < 0)
        return 0;
    if (!bpf_map_lookup_elem(&paths, &key))
        return 0;
    u32 zero = 0;
    u64 *count = bpf_map_lookup_elem(&matches, &zero);
    if (count)
        *count += 1;
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
