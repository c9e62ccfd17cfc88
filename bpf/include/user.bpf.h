/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Who answers for a task. */
#ifndef SHRIKE_USER_BPF_H
#define SHRIKE_USER_BPF_H

#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum {
    USER_NAMESPACES_MAX = 33, /* one in the other, see create_user_ns() */
};

/*
 * The user who answers for the current task: its own, `uid`, or the maker of the outermost user
 * namespace that it is in, whatever it is called there.
 */
__noinline u64 responsible_user(u64 uid) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct user_namespace *space = BPF_CORE_READ(task, cred, user_ns);
    for (u32 i = 0; i < USER_NAMESPACES_MAX; i++) {
        if (BPF_CORE_READ(space, level) == 0)
            break;
        uid = BPF_CORE_READ(space, owner.val);
        space = BPF_CORE_READ(space, parent);
    }
    return uid;
}

#endif
