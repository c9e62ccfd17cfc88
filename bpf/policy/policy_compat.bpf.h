/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Of which table a system call is. */
#ifndef SHRIKE_POLICY_COMPAT_BPF_H
#define SHRIKE_POLICY_COMPAT_BPF_H

#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum {
    /* arch/x86/include/asm/thread_info.h: the task is in a 32-bit system call. */
    TS_COMPAT = 2,
    /* arch/arm64/include/asm/thread_info.h: a 32-bit task. */
    TIF_32BIT = 22,
};

/* Also a 64-bit process makes 32-bit calls, with int 0x80. */
static __always_inline bool is_compat_call(void) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
#if defined(__TARGET_ARCH_x86)
    return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
#else
    return BPF_CORE_READ(task, thread_info.flags) & (1UL << TIF_32BIT);
#endif
}

#endif
