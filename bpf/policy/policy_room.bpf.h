/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The room for deferred calls: whose share a row is, and what is done when there is none. */
#ifndef SHRIKE_POLICY_ROOM_BPF_H
#define SHRIKE_POLICY_ROOM_BPF_H

#include "policy_call.bpf.h"
#include "user.bpf.h"

/* Deferred calls of one process, user and workload at most; the loader may set others. */
const volatile u32 policy_share_process = 256;
const volatile u32 policy_share_user = 1024;
const volatile u32 policy_share_workload = 1024;

/* Row of policy_shares. */
static __always_inline u16 policy_share_row(u32 kind, u64 owner) {
    u64 mixed = (owner ^ policy_secret_0) * (policy_secret_1 | 1);
    mixed ^= mixed >> 32;
    mixed *= 0x9e3779b97f4a7c15ULL;
    return kind * POLICY_SHARE_ROWS + (mixed >> 52);
}

/* The tracking id of the current task's cgroup, 0 when it has none. */
static __always_inline u64 policy_current_workload(void) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    u64 address = cgroup_source == CGROUP_SOURCE_NONE ? 0 : cgroup_address(task);
    const struct cgroup *cgroup = (const void *)address;
    struct cgroup_key key = {.id = BPF_CORE_READ(cgroup, kn, id), .hierarchy = cgroup_hierarchy};
    if (key.id == 0)
        return 0;
    const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
    return entry ? entry->tracking_id : find_ancestor_tracking(address, 0);
}

static __always_inline void policy_add_share(u16 row, s32 change) {
    u32 index = row;
    u32 *count = bpf_map_lookup_elem(&policy_shares, &index);
    if (count)
        __sync_fetch_and_add(count, change);
}

static __always_inline bool policy_has_share(u16 row, u32 most) {
    u32 index = row;
    const volatile u32 *count = bpf_map_lookup_elem(&policy_shares, &index);
    return !count || *count < most;
}

/* Ends the deferral of a task, if there is one; whoever comes first does. */
static __always_inline void policy_end_deferral(u64 task, const struct policy_deferral *from) {
    struct policy_under_way *under_way = policy_calls_under_way();
    u16 process = from->shares[POLICY_SHARE_PROCESS];
    u16 user = from->shares[POLICY_SHARE_USER];
    u16 workload = from->shares[POLICY_SHARE_WORKLOAD];
    if (bpf_map_delete_elem(&policy_deferrals, &task))
        return;
    policy_add_share(process, -1);
    policy_add_share(user, -1);
    policy_add_share(workload, -1);
    if (under_way)
        __sync_fetch_and_add(&under_way->deferred, -1);
}

/* A thread ends: what it has deferred is nobody's any more. */
static __always_inline void policy_forget_deferral(void) {
    const volatile struct policy_under_way *under_way = policy_calls_under_way();
    u64 task = bpf_get_current_task();
    if (!under_way || !under_way->deferred)
        return;
    const struct policy_deferral *from = bpf_map_lookup_elem(&policy_deferrals, &task);
    if (from)
        policy_end_deferral(task, from);
}

/* Keeps `deferral` of the slot; false when there is no room, or the share is used up. */
__noinline int policy_keep_deferral(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    struct policy_under_way *under_way = policy_calls_under_way();
    if (!work || !under_way)
        return 0;
    policy_forget_deferral();
    u64 task = bpf_get_current_task();
    const struct task_struct *current = (const void *)task;
    u64 user_id = responsible_user(BPF_CORE_READ(current, cred, uid.val));
    u64 tracking_id = policy_current_workload();
    u16 process = policy_share_row(POLICY_SHARE_PROCESS, bpf_get_current_pid_tgid() >> 32);
    u16 user = user_id ? policy_share_row(POLICY_SHARE_USER, user_id) : POLICY_NO_SHARE;
    u16 workload =
        tracking_id ? policy_share_row(POLICY_SHARE_WORKLOAD, tracking_id) : POLICY_NO_SHARE;
    if (!policy_has_share(process, policy_share_process) ||
        !policy_has_share(user, policy_share_user) ||
        !policy_has_share(workload, policy_share_workload)) {
        policy_count(POLICY_COUNT_SHARE_FULL);
        return 0;
    }
    work->deferral.shares[POLICY_SHARE_PROCESS] = process;
    work->deferral.shares[POLICY_SHARE_USER] = user;
    work->deferral.shares[POLICY_SHARE_WORKLOAD] = workload;
    if (bpf_map_update_elem(&policy_deferrals, &task, &work->deferral, BPF_ANY))
        return 0;
    policy_add_share(process, 1);
    policy_add_share(user, 1);
    policy_add_share(workload, 1);
    __sync_fetch_and_add(&under_way->deferred, 1);
    return 1;
}

/* All bits of the policies that have one of `chosen`; `ends` are the last bits of policies. */
__noinline u64 policy_bits_around(u64 chosen, u64 ends) {
    u64 around = 0;
    u64 policy = 0;
    for (u32 i = 0; i < 64; i++) {
        u64 bit = 1ULL << i;
        policy |= bit;
        if (!(ends & bit))
            continue;
        around |= policy & chosen ? policy : 0;
        policy = 0;
    }
    return around;
}

/*
 * Memory that a call looks at cannot be looked at. `work` has what matches without it: what is not
 * there counts as none that anybody has listed. Of policies that close, those selectors act instead
 * that act then and that all else has left in `deferral`, as if the memory were what they look for.
 * `why` is a policy_hit_flag.
 */
__noinline int policy_close(u32 id, u32 why) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    u32 at_call = work->hook * 2 + POLICY_AT_CALL;
    u32 at_end = work->hook * 2 + POLICY_AT_RETURN;
    const struct policy_effects *effects = bpf_map_lookup_elem(&policy_effects, &at_call);
    const struct policy_effects *ends = bpf_map_lookup_elem(&policy_effects, &at_end);
    u64 any = 0;
    if (!effects || !ends)
        return 0;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++)
        work->row[i] = 0;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= work->count)
            break;
        work->row[work->index[i] & (POLICY_WORDS_MAX - 1)] = work->mask[i];
    }
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= work->deferral.count)
            break;
        u32 word = work->deferral.index[i] & (POLICY_WORDS_MAX - 1);
        u64 closed = work->deferral.mask[i] & effects->closes[word] & effects->enforce[word];
        if (!closed)
            continue;
        u64 last = effects->guards[word] | effects->singles[word] | ends->guards[word] |
                   (ends->singles[word] & effects->waits[word]);
        work->row[word] = (work->row[word] & ~policy_bits_around(closed, last)) | closed;
        any |= closed;
    }
    u32 kept = 0;
    for (u32 word = 0; word < POLICY_WORDS_MAX; word++) {
        u64 bits = work->row[word];
        if (!bits)
            continue;
        u32 place = kept & (POLICY_WORDS_MAX - 1);
        work->index[place] = word;
        work->mask[place] = bits;
        kept++;
    }
    work->count = kept;
    work->has_row = 0;
    if (any) {
        work->flags |= why;
        policy_count(POLICY_COUNT_CLOSED);
    }
    return kept != 0;
}

#endif
