/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a program of a hook does: at a call, and at its end. */
#ifndef SHRIKE_POLICY_CALL_BPF_H
#define SHRIKE_POLICY_CALL_BPF_H

#include "policy_effect.bpf.h"

/* Does and tells what the selectors in `work` ask for; the errno that the call is to fail with. */
static __always_inline u32 policy_conclude(void *ctx, struct policy_work *work, u32 id) {
    u32 row = work->hook * 2 + POLICY_AT_CALL;
    u32 verdict = policy_decide(id, row);
    if (!verdict)
        return 0;
    policy_act(id, row);
    bool is_saved = verdict & POLICY_SAVES && policy_save_call(work);
    if (is_saved)
        work->flags |= POLICY_HIT_RETURNS;
    if (verdict & POLICY_POSTS || is_saved) {
        policy_tell(ctx, work, id, policy_read_args(id));
    } else if (work->hit.effect_kind != POLICY_EFFECT_NONE) {
        work->flags |= POLICY_HIT_SILENT;
        policy_tell(ctx, work, id, 0);
    }
    return work->override_errno;
}

/*
 * A call of a hook begins; `work` has hook, key and raw arguments, `set` is that of the current
 * task. Returns the errno that it is to fail with, 0 for none.
 */
static __always_inline u32 policy_on_call(void *ctx, struct policy_work *work, u32 id, u32 set) {
    policy_begin(work, POLICY_AT_CALL, 0);
    if (!policy_select(id, set) || !policy_match(id))
        return 0;
    return policy_conclude(ctx, work, id);
}

/* Takes up what was kept of the call that ends; false when it is of no hook. */
static __always_inline bool policy_resume(u32 id, const struct policy_call_key *key) {
    struct policy_work *work = policy_slot_of(id);
    const struct policy_call *call = bpf_map_lookup_elem(&policy_calls, key);
    if (!work || !call)
        return false;
    u32 count = call->count;
    work->hook = call->hook;
    work->has_row = 0;
    work->count = count > POLICY_WORDS_MAX ? POLICY_WORDS_MAX : count;
    /* No loop: clang lets it begin below the row and count up, which 7.2 refuses. */
    bpf_probe_read_kernel(work->index, sizeof(work->index), call->index);
    bpf_probe_read_kernel(work->mask, sizeof(work->mask), call->mask);
    struct policy_under_way *under_way = policy_calls_under_way();
    if (bpf_map_delete_elem(&policy_calls, key) == 0 && under_way)
        __sync_fetch_and_add(&under_way->kept, -1);
    return true;
}

/* A call ends; if it was kept, it is taken up again in slot `id`. */
static __always_inline void policy_on_return(void *ctx, u32 id, const struct policy_call_key *key,
                                             s64 value) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || !policy_resume(id, key))
        return;
    u32 hook_index = work->hook;
    const struct policy_hook *hook = bpf_map_lookup_elem(&policy_hooks, &hook_index);
    if (!hook)
        return;
    bool is_deferred = key->hook == POLICY_DEFERRED_CALL;
    policy_begin(work, POLICY_AT_RETURN, is_deferred ? POLICY_HIT_DEFERRED : 0);
    work->return_value = policy_number(hook->returns.type, value);
    u32 row = hook_index * 2 + POLICY_AT_RETURN;
    u32 verdict = policy_match(id) ? policy_decide(id, row) : 0;
    work->hit.effect_kind = POLICY_EFFECT_NONE;
    if (verdict)
        policy_act(id, row);
    else
        work->count = 0;
    if (!(verdict & POLICY_POSTS))
        work->flags |= POLICY_HIT_SILENT;
    /* Also when nothing matches: user space waits with the record of the call for this one. */
    policy_tell(ctx, work, id, 0);
}

#endif
