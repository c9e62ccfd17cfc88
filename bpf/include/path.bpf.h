/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A file's path by its names, from the file up to the root of a process, across mounts.
 *
 * bpf_d_path() is only allowed in a few hooks, none of them a tracepoint, so the dentries are
 * walked here, without the locks the kernel would take: a rename during the walk may mix old and
 * new names. The memory stays valid, because dentries and mounts are freed after an RCU grace
 * period.
 *
 * A path may have 2048 names. Unrolled for the verifier that is too much, bpf_loop() is there since
 * 5.17 only, so the loop is cut in two: a global function, which the verifier checks once by
 * itself, walks a few steps and keeps its place in the scratch slot, and the caller calls it until
 * it is done.
 */
#ifndef SHRIKE_PATH_BPF_H
#define SHRIKE_PATH_BPF_H

#include "kernel_types.h"
#include "scratch.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

enum path_limit {
    /* NAME_MAX and a NUL. */
    PATH_NAME_SIZE_MAX = 256,
    PATH_STEPS_PER_CALL = 64,
    /* 34 x 64 steps: the 2048 names that 4096 bytes can hold and 128 mount points. */
    PATH_CALLS_MAX = 34,
};

enum walk_state {
    WALK_GOING = 0,
    WALK_AT_ROOT = 1, /* the root of the process: the path is whole */
    WALK_AT_TOP = 2,  /* the top of the mount tree, and the process's root was not on the way */
    WALK_CUT = 3,     /* no room, or too many steps */
    WALK_FAILED = 4,
};

/* From the root of a mount to the place where it is mounted. */
static __always_inline u32 walk_to_parent_mount(struct path_walk *walk) {
    u64 vfsmount_offset = bpf_core_field_offset(struct mount, mnt);
    const struct mount *mount = (const void *)(walk->vfsmount - vfsmount_offset);
    const struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
    if (parent == mount)
        return WALK_AT_TOP;
    walk->dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
    walk->vfsmount = (u64)parent + vfsmount_offset;
    walk->mount_root = (u64)BPF_CORE_READ(parent, mnt.mnt_root);
    return WALK_GOING;
}

/* One name, or one mount point. */
static __always_inline u32 walk_step(struct scratch *slot) {
    struct path_walk *walk = &slot->walk;
    const struct dentry *dentry = (const void *)walk->dentry;
    if (!dentry || !walk->vfsmount)
        return WALK_FAILED;
    if (walk->dentry == walk->root_dentry && walk->vfsmount == walk->root_vfsmount)
        return WALK_AT_ROOT;
    if (walk->dentry == walk->mount_root)
        return walk_to_parent_mount(walk);
    const struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
    if (parent == dentry)
        return WALK_AT_TOP;
    u64 offset = bounded(slot->header.size, SCRATCH_SIZE - PATH_NAME_SIZE_MAX);
    const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
    long size = bpf_probe_read_kernel_str(&slot->bytes[offset], PATH_NAME_SIZE_MAX, name);
    if (size <= 1)
        return WALK_FAILED;
    if (offset + size > walk->end)
        return WALK_CUT;
    slot->header.size = offset + size;
    walk->dentry = (u64)parent;
    return WALK_GOING;
}

/* Walks a few steps of the walk in slot `id`; a walk_state. */
__noinline int walk_path_steps(u32 id) {
    struct scratch *slot = bpf_map_lookup_elem(&scratch, &id);
    if (!slot)
        return WALK_FAILED;
    for (int i = 0; i < PATH_STEPS_PER_CALL; i++) {
        u32 state = walk_step(slot);
        if (state != WALK_GOING)
            return state;
    }
    return WALK_GOING;
}

/*
 * Appends the names of `path` to the record in the slot of this CPU, leaf first, each with a NUL,
 * up to the root `root` and at most `size_max` bytes. Returns a walk_state; after WALK_CUT the
 * names nearest to the root are missing.
 */
static __always_inline u32 append_path(struct scratch *slot, u32 id, u32 size_max,
                                       const struct path *path, const struct path *root) {
    struct path_walk *walk = &slot->walk;
    walk->dentry = (u64)path->dentry;
    walk->vfsmount = (u64)path->mnt;
    walk->mount_root = (u64)path->mnt->mnt_root;
    walk->root_dentry = (u64)root->dentry;
    walk->root_vfsmount = (u64)root->mnt;
    walk->end = slot->header.size + size_max;
    for (int i = 0; i < PATH_CALLS_MAX; i++) {
        u32 state = walk_path_steps(id);
        if (state != WALK_GOING)
            return state;
    }
    return WALK_CUT;
}

#endif
