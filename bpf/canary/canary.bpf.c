/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What this kernel lets programs do, found out by doing it: the agent makes a file that nobody else
 * knows, these programs deny that it is opened, and the agent opens it. Each is loaded alone, for
 * that moment.
 */
#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

enum {
    CANARY_NAME_SIZE = 32,
};

/* The file's name: random, so that it is no other file's, on whatever file system. */
const volatile u64 canary_name_0 = 0;
const volatile u64 canary_name_1 = 0;
const volatile u64 canary_name_2 = 0;
const volatile u64 canary_name_3 = 0;

#define EPERM 1

/* How often a program has seen that the file is opened. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, 1);
} canary_seen SEC(".maps");

static __always_inline bool is_canary(u64 address) {
    const struct file *file = (const void *)address;
    u64 name[CANARY_NAME_SIZE / 8] = {};
    u32 first = 0;
    bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
    if (name[0] != canary_name_0 || name[1] != canary_name_1 || name[2] != canary_name_2 ||
        name[3] != canary_name_3)
        return false;
    u64 *seen = bpf_map_lookup_elem(&canary_seen, &first);
    if (seen)
        __sync_fetch_and_add(seen, 1);
    return true;
}

/* 5.7; runs only where "bpf" is in the list of LSMs, although it can be attached elsewhere too. */
SEC("lsm/file_open")
s64 on_canary_lsm(u64 *ctx) {
    return is_canary(ctx[0]) ? -EPERM : 0;
}

/* 5.5 */
SEC("fmod_ret/security_file_open")
s64 on_canary_modify(u64 *ctx) {
    return is_canary(ctx[0]) ? -EPERM : 0;
}

SEC("kprobe/security_file_open")
int on_canary_kprobe(struct pt_regs *regs) {
#if defined(__TARGET_ARCH_x86)
    is_canary(regs->di);
#else
    is_canary(((const struct user_pt_regs *)regs)->regs[0]);
#endif
    return 0;
}

/* Only loaded: a kernel built without CONFIG_BPF_KPROBE_OVERRIDE does not know the helper. */
SEC("kprobe")
int on_canary_override(struct pt_regs *regs) {
    bpf_override_return(regs, (u64)-EPERM);
    return 0;
}
