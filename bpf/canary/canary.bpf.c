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
    CANARY_COOKIE = 77,
};

/* The file's name: random, so that it is no other file's, on whatever file system. */
const volatile u64 canary_name_0 = 0;
const volatile u64 canary_name_1 = 0;
const volatile u64 canary_name_2 = 0;
const volatile u64 canary_name_3 = 0;
/* Bytes of the file's path before its name. */
const volatile u64 canary_path_size = 0;

#define EPERM 1

/* How often a program has seen that the file is opened. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, 1);
} canary_seen SEC(".maps");

static __always_inline bool is_canary_name(const u64 *name) {
    u32 first = 0;
    if (name[0] != canary_name_0 || name[1] != canary_name_1 || name[2] != canary_name_2 ||
        name[3] != canary_name_3)
        return false;
    u64 *seen = bpf_map_lookup_elem(&canary_seen, &first);
    if (seen)
        __sync_fetch_and_add(seen, 1);
    return true;
}

static __always_inline bool is_canary(u64 address) {
    const struct file *file = (const void *)address;
    u64 name[CANARY_NAME_SIZE / 8] = {};
    bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
    return is_canary_name(name);
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

#if defined(__TARGET_ARCH_x86)
#define FIRST_ARGUMENT(regs) ((regs)->di)
/* Of a system call: registers of the caller, by the kernel's address of them. */
#define SECOND_USER_ARGUMENT(regs) BPF_CORE_READ(regs, si)
#else
#define FIRST_ARGUMENT(regs) (((const struct user_pt_regs *)(regs))->regs[0])
#define SECOND_USER_ARGUMENT(regs) BPF_CORE_READ((const struct user_pt_regs *)(regs), regs[1])
#endif

SEC("kprobe/security_file_open")
int on_canary_kprobe(struct pt_regs *regs) {
    is_canary(FIRST_ARGUMENT(regs));
    return 0;
}

/* 5.18, with CONFIG_FPROBE; the cookie must come along. */
SEC("kprobe.multi")
int on_canary_multi(struct pt_regs *regs) {
    if (bpf_get_attach_cookie(regs) == CANARY_COOKIE)
        is_canary(FIRST_ARGUMENT(regs));
    return 0;
}

/* openat(directory, path) */
static __always_inline bool opens_canary(u64 address) {
    const struct pt_regs *regs = (const void *)address;
    u64 name[CANARY_NAME_SIZE / 8] = {};
    u64 path = SECOND_USER_ARGUMENT(regs);
    bpf_probe_read_user(name, sizeof(name), (const void *)(path + canary_path_size));
    return is_canary_name(name);
}

/* The function that does openat(2). */
SEC("fmod_ret")
s64 on_canary_syscall(u64 *ctx) {
    return opens_canary(ctx[0]) ? -EPERM : 0;
}

/* A kernel built without CONFIG_BPF_KPROBE_OVERRIDE does not know the helper. */
SEC("kprobe")
int on_canary_override(struct pt_regs *regs) {
    if (opens_canary(FIRST_ARGUMENT(regs)))
        bpf_override_return(regs, (u64)-EPERM);
    return 0;
}

/* Whether the kernel lets programs replace what a function returns; these never do. */
SEC("fmod_ret")
s64 on_try_modify(u64 *ctx) {
    return 0;
}

SEC("lsm")
int on_try_lsm(u64 *ctx) {
    return 0;
}

SEC("kprobe")
int on_try_override(struct pt_regs *regs) {
    if (bpf_get_current_pid_tgid() == ~0ULL)
        bpf_override_return(regs, (u64)-EPERM);
    return 0;
}
