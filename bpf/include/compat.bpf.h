/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where kernels differ in more than an offset: each variant with the version and the reason.
 * Everything else is settled by CO-RE field names in kernel_types.h.
 *
 * Variants that need no code here:
 *   5.17  dentry pointers may be followed with bpf_loop(); path.bpf.h does without, see there
 *   6.16  sched_process_exit has a second argument; process.bpf.c reads signal->live instead
 *   6.18  f_path and d_name stand in anonymous unions; CO-RE looks through them
 */
#ifndef SHRIKE_COMPAT_BPF_H
#define SHRIKE_COMPAT_BPF_H

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/*
 * A capability set as one number. Up to 6.2 kernel_cap_t is u32 cap[2], since 6.3 it is u64 val
 * (f122a08b197d); two 32-bit loads are the same bits on both, and the verifier of 5.10 refuses one
 * 64-bit load that spans two array elements.
 */
static __always_inline u64 read_capabilities(const kernel_cap_t *set) {
    const u32 *words = (const u32 *)set;
    return words[0] | (u64)words[1] << 32;
}

/*
 * The audit login uid and session of a task; false when the kernel has no CONFIG_AUDIT and so no
 * such fields.
 */
static __always_inline bool read_audit_ids(const struct task_struct *task, u32 *login_uid,
                                           u32 *session_id) {
    *login_uid = ~0U;
    *session_id = ~0U;
    if (!bpf_core_field_exists(task->loginuid))
        return false;
    *login_uid = task->loginuid.val;
    *session_id = task->sessionid;
    return true;
}

#endif
