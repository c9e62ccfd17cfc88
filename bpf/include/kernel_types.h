/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's types as far as our programs read them. Offsets are not what this file says: every
 * access is relocated at load (CO-RE) to where the running kernel has the field of that name, so
 * only names and kinds matter here and one file serves all kernels and architectures. Add a field
 * when a program needs it; never sort fields by a kernel's layout.
 */
#ifndef SHRIKE_KERNEL_TYPES_H
#define SHRIKE_KERNEL_TYPES_H

#include "wire_types.h"

/* Names that libbpf's bpf_helpers.h and bpf_helper_defs.h expect from the kernel's headers. */
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;

/* Values of the stable BPF interface (uapi/linux/bpf.h) that we use. */
enum bpf_map_type {
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
    BPF_MAP_TYPE_PERCPU_HASH = 5,
    BPF_MAP_TYPE_PERCPU_ARRAY = 6,
    BPF_MAP_TYPE_LRU_HASH = 9,
    BPF_MAP_TYPE_LPM_TRIE = 11,
    BPF_MAP_TYPE_SK_STORAGE = 24,
};
#define BPF_F_CURRENT_CPU 0xffffffffULL
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_F_NO_PREALLOC (1U << 0)
#define BPF_F_CLONE (1U << 9)
#define BPF_F_MMAPABLE (1U << 10)
#define BPF_SK_STORAGE_GET_F_CREATE 1

typedef int pid_t;
typedef u32 dev_t;
typedef unsigned short umode_t;
typedef _Bool bool;
#define true 1
#define false 0

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    u32 val;
} kuid_t;

typedef struct {
    u32 val;
} kgid_t;

typedef struct {
    int counter;
} atomic_t;

struct ns_common {
    u32 inum;
};

struct uts_namespace {
    struct ns_common ns;
};

struct ipc_namespace {
    struct ns_common ns;
};

struct mnt_namespace {
    struct ns_common ns;
};

struct task_struct;

struct pid_namespace {
    struct task_struct *child_reaper;
    struct ns_common ns;
};

struct net {
    struct ns_common ns;
};

struct time_namespace {
    struct ns_common ns;
};

struct cgroup_namespace {
    struct ns_common ns;
};

struct user_namespace {
    struct user_namespace *parent;
    int level;
    kuid_t owner;
    kgid_t group;
    struct ns_common ns;
};

struct nsproxy {
    struct uts_namespace *uts_ns;
    struct ipc_namespace *ipc_ns;
    struct mnt_namespace *mnt_ns;
    struct pid_namespace *pid_ns_for_children;
    struct net *net_ns;
    struct time_namespace *time_ns;
    struct time_namespace *time_ns_for_children;
    struct cgroup_namespace *cgroup_ns;
};

struct upid {
    int nr;
    struct pid_namespace *ns;
};

struct pid {
    unsigned int level;
    struct upid numbers[1];
};

/* Two u32 words up to 6.2, one u64 since 6.3; read_capabilities() takes both. */
typedef struct {
    u64 val;
} kernel_cap_t;

struct cred {
    kuid_t uid;
    kgid_t gid;
    kuid_t suid;
    kgid_t sgid;
    kuid_t euid;
    kgid_t egid;
    kuid_t fsuid;
    kgid_t fsgid;
    unsigned int securebits;
    kernel_cap_t cap_inheritable;
    kernel_cap_t cap_permitted;
    kernel_cap_t cap_effective;
    kernel_cap_t cap_ambient;
    struct user_namespace *user_ns;
};

struct kernfs_node {
    const char *name;
    u64 id;
};

struct cgroup_root {
    int hierarchy_id;
};

struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
};

struct cgroup {
    struct cgroup_subsys_state self;
    int level;
    struct kernfs_node *kn;
    struct cgroup_root *root;
};

struct css_set {
    struct cgroup_subsys_state *subsys[1];
    struct cgroup *dfl_cgrp;
};

struct hlist_bl_node {
    struct hlist_bl_node **pprev;
};

struct qstr {
    u32 len;
    const unsigned char *name;
};

struct super_block {
    dev_t s_dev;
};

struct inode {
    umode_t i_mode;
    kuid_t i_uid;
    kgid_t i_gid;
    struct super_block *i_sb;
    unsigned long i_ino;
    unsigned int i_nlink;
};

struct dentry {
    struct hlist_bl_node d_hash;
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
};

struct vfsmount {
    struct dentry *mnt_root;
};

/* Private to fs/, but in BTF. */
struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct file {
    struct inode *f_inode;
    struct path f_path;
    const struct cred *f_cred;
    void *private_data;
};

struct fs_struct {
    struct path root;
    struct path pwd;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};

struct files_struct {
    struct fdtable *fdt;
};

typedef struct {
    s64 counter;
} atomic64_t;

struct in6_addr {
    u8 s6_addr[16];
};

typedef struct {
    struct net *net;
} possible_net_t;

struct sock_common {
    u32 skc_daddr;
    u32 skc_rcv_saddr;
    u16 skc_dport;
    u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
    atomic64_t skc_cookie;
};

struct sock {
    struct sock_common __sk_common;
    u16 sk_type;
    u16 sk_protocol;
    u32 sk_mark;
    int sk_err;
    int sk_err_soft;
    struct socket *sk_socket;
};

struct socket {
    struct file *file;
    struct sock *sk;
};

struct tcp_sock {
    u32 total_retrans;
};

struct sk_buff {
    struct sock *sk;
    u16 transport_header;
    u16 network_header;
    char cb[48];
};

/* In sk_buff.cb of segments that TCP keeps. */
struct tcp_skb_cb {
    u16 tcp_gso_segs;
};

/* What programs of cgroup/connect4 and the like really get. */
struct bpf_sock_addr_kern {
    struct sock *sk;
};

struct mm_struct {
    unsigned long arg_start;
    unsigned long arg_end;
    unsigned long env_start;
    unsigned long env_end;
    struct file *exe_file;
};

struct signal_struct {
    atomic_t live;
    int group_exit_code;
    unsigned int flags;
};

struct thread_info {
    unsigned long flags;
    u32 status;
};

/* Registers of a task in a system call; those of all architectures. */
struct pt_regs {
    unsigned long bx, cx, dx, si, di, bp, r8, r9, r10, ax, orig_ax, sp; /* x86 */
    u64 orig_x0;                                                        /* arm64 */
    s32 syscallno;
};

struct user_pt_regs {
    u64 regs[31];
    u64 sp;
};

typedef struct {
    unsigned long sig[1];
} sigset_t;

struct task_struct {
    struct thread_info thread_info;
    unsigned int flags;
    struct mm_struct *mm;
    int exit_code;
    pid_t pid;
    pid_t tgid;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    u64 start_boottime;
    const struct cred *real_cred;
    const struct cred *cred;
    u64 self_exec_id;
    struct fs_struct *fs;
    struct files_struct *files;
    struct nsproxy *nsproxy;
    struct signal_struct *signal;
    struct sighand_struct *sighand;
    sigset_t blocked;
    kuid_t loginuid;
    unsigned int sessionid;
    struct css_set *cgroups;
};

struct linux_binprm {
    unsigned int secureexec : 1;
    int argc;
    const char *filename;
    const char *interp;
    const char *fdpath;
    struct file *file;
};

#pragma clang attribute pop

/* Places in css_set.subsys[]; the values are the running kernel's, those here mean nothing. */
enum cgroup_subsys_id {
    cpuset_cgrp_id,
    cpu_cgrp_id,
    cpuacct_cgrp_id,
    io_cgrp_id,
    memory_cgrp_id,
    devices_cgrp_id,
    freezer_cgrp_id,
    net_cls_cgrp_id,
    perf_event_cgrp_id,
    net_prio_cgrp_id,
    hugetlb_cgrp_id,
    pids_cgrp_id,
    rdma_cgrp_id,
    misc_cgrp_id,
};

/* include/linux/sched.h: made by kthread_create() and the like. */
#define PF_KTHREAD 0x00200000
/* include/linux/sched/signal.h: group_exit_code holds for the whole group. */
#define SIGNAL_GROUP_EXIT 0x00000004

#endif
