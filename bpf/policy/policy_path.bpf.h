/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The path of a file as a text to compare, root first: the walk of path.bpf.h, written from the end
 * of a buffer to its beginning. Without the kernel's locks: a rename during the walk may mix old
 * and new names.
 */
#ifndef SHRIKE_POLICY_PATH_BPF_H
#define SHRIKE_POLICY_PATH_BPF_H

#include "policy_work.bpf.h"
#include <bpf/bpf_core_read.h>

enum policy_path_limit {
    POLICY_NAME_SIZE_MAX = 255, /* NAME_MAX */
    /* Few, because the verifier goes through each with every outcome. */
    POLICY_STEPS_PER_CALL = 8,
    /* The 2048 names that 4096 bytes can hold and 128 mount points. */
    POLICY_WALK_CALLS_MAX = 272,
};

enum policy_walk_state {
    POLICY_WALK_GOING = 0,
    POLICY_WALK_WHOLE = 1,
    POLICY_WALK_CUT = 2,
    POLICY_WALK_FAILED = 3,
    /* The top, and the root of the process was not on the way: what is there has no path. */
    POLICY_WALK_OUTSIDE = 4,
};

/* As getcwd(2) says it. */
#define POLICY_UNREACHABLE "(unreachable)"

/* From the root of a mount to the place where it is mounted. */
static __always_inline u32 policy_leave_mount(struct policy_walk *walk) {
    u64 vfsmount_offset = bpf_core_field_offset(struct mount, mnt);
    const struct mount *mount = (const void *)(walk->vfsmount - vfsmount_offset);
    const struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
    /*
     * A mount that is detached or lazily unmounted, or a file outside of what the process has for
     * its root. A task that ends has none any more.
     */
    if (parent == mount)
        return walk->root_dentry ? POLICY_WALK_OUTSIDE : POLICY_WALK_WHOLE;
    walk->dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
    walk->vfsmount = (u64)parent + vfsmount_offset;
    walk->mount_root = (u64)BPF_CORE_READ(parent, mnt.mnt_root);
    return POLICY_WALK_GOING;
}

/* One name, or one mount point. */
static __always_inline u32 policy_walk_step(struct policy_work *work) {
    struct policy_walk *walk = &work->walk;
    const struct dentry *dentry = (const void *)walk->dentry;
    if (!dentry || !walk->vfsmount)
        return POLICY_WALK_FAILED;
    if (walk->dentry == walk->root_dentry && walk->vfsmount == walk->root_vfsmount)
        return POLICY_WALK_WHOLE;
    if (walk->dentry == walk->mount_root)
        return policy_leave_mount(walk);
    const struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
    /* What never had a place in a directory has no "/" either: a memfd is "memfd:name". */
    bool has_parent = parent != dentry;
    u64 size = bounded(BPF_CORE_READ(dentry, d_name.len), POLICY_NAME_SIZE_MAX);
    if (!has_parent && size == 1) {
        char name = 0;
        bpf_probe_read_kernel(&name, 1, BPF_CORE_READ(dentry, d_name.name));
        /* A root of a file system, or of what was opened by a handle, but of no mount. */
        if (name == '/')
            return POLICY_WALK_OUTSIDE;
    }
    u64 start = bounded(walk->start, POLICY_TEXT_SIZE_MAX);
    if (size + 1 > start)
        return POLICY_WALK_CUT;
    start = bounded(start - size, POLICY_TEXT_SIZE_MAX);
    if (bpf_probe_read_kernel(&work->path[start], size, BPF_CORE_READ(dentry, d_name.name)))
        return POLICY_WALK_FAILED;
    if (has_parent) {
        start = bounded(start - 1, POLICY_TEXT_SIZE_MAX);
        work->path[start] = '/';
    }
    walk->start = start;
    walk->dentry = (u64)parent;
    return has_parent ? POLICY_WALK_GOING : POLICY_WALK_WHOLE;
}

__noinline int policy_walk_steps(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return POLICY_WALK_FAILED;
    for (int i = 0; i < POLICY_STEPS_PER_CALL; i++) {
        u32 state = policy_walk_step(work);
        if (state != POLICY_WALK_GOING)
            return state;
    }
    return POLICY_WALK_GOING;
}

/* What has no path begins with a word that no path begins with. */
static __always_inline u32 policy_mark_unreachable(struct policy_work *work) {
    const char mark[] = POLICY_UNREACHABLE;
    u64 start = bounded(work->walk.start, POLICY_TEXT_SIZE_MAX);
    if (start < sizeof(mark))
        return POLICY_WALK_CUT;
    if (start == POLICY_TEXT_SIZE_MAX) {
        start--;
        work->path[start] = '/';
    }
    start = bounded(start - (sizeof(mark) - 1), POLICY_TEXT_SIZE_MAX);
    __builtin_memcpy(&work->path[start], mark, sizeof(mark) - 1);
    work->walk.start = start;
    return POLICY_WALK_WHOLE;
}

/* Makes text `asked` the path of the `struct path` at `address`, as the current process sees it. */
__noinline int policy_read_path(u32 id, u32 asked, u64 address) {
    struct policy_work *work = policy_slot_of(id);
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct path *path = (const void *)address;
    if (!work || asked >= POLICY_TEXTS)
        return 0;
    u64 index = bounded(asked, POLICY_TEXTS - 1);
    struct policy_value *value = &work->values[index];
    struct policy_walk *walk = &work->walk;
    walk->dentry = (u64)BPF_CORE_READ(path, dentry);
    walk->vfsmount = (u64)BPF_CORE_READ(path, mnt);
    walk->mount_root = (u64)BPF_CORE_READ(path, mnt, mnt_root);
    walk->root_dentry = (u64)BPF_CORE_READ(task, fs, root.dentry);
    walk->root_vfsmount = (u64)BPF_CORE_READ(task, fs, root.mnt);
    walk->start = POLICY_TEXT_SIZE_MAX;
    int state = POLICY_WALK_GOING;
    for (int i = 0; i < POLICY_WALK_CALLS_MAX; i++) {
        state = policy_walk_steps(id);
        if (state != POLICY_WALK_GOING)
            break;
    }
    if (state == POLICY_WALK_OUTSIDE)
        state = policy_mark_unreachable(work);
    u64 start = bounded(walk->start, POLICY_TEXT_SIZE_MAX);
    u64 size = bounded(POLICY_TEXT_SIZE_MAX - start, POLICY_TEXT_SIZE_MAX);
    long error = bpf_probe_read_kernel(work->texts[index], size, &work->path[start]);
    if (size == 0 && state == POLICY_WALK_WHOLE) {
        work->texts[index][0] = '/';
        size = 1;
    }
    if (error || state == POLICY_WALK_FAILED) {
        value->flags |= POLICY_HIT_UNREADABLE;
        size = 0;
    } else if (state != POLICY_WALK_WHOLE) {
        value->flags |= POLICY_HIT_TEXT_CUT | POLICY_VALUE_NO_FRONT;
    }
    value->text_size = size;
    return 0;
}

#endif
