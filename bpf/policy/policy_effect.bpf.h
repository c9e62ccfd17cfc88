/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What selectors that match do: the first of each policy acts, see policy.h. */
#ifndef SHRIKE_POLICY_EFFECT_BPF_H
#define SHRIKE_POLICY_EFFECT_BPF_H

#include "policy_compat.bpf.h"
#include "policy_match.bpf.h"
#include "record.bpf.h"

/* Set by the loader: the agent, by its tgid in its own pid namespace; nothing is done to it. */
const volatile u32 policy_agent_tgid = 0;
const volatile u32 policy_agent_pid_ns = 0;

/* What is to be done about a call, as bits. */
enum policy_verdict {
    POLICY_ACTS = 1,  /* selectors act */
    POLICY_POSTS = 2, /* one of them is to be told */
    POLICY_SAVES = 4, /* something is to be done or told at the end of the call */
};

/* Leaves of each policy the first selector that matches, and in `call` what is kept; a verdict. */
__noinline int policy_decide(u32 id, u32 row) {
    struct policy_work *work = policy_slot_of(id);
    const struct policy_effects *effects = bpf_map_lookup_elem(&policy_effects, &row);
    u64 posts = 0;
    u64 all = 0;
    u64 kept = 0;
    if (!work || !effects)
        return 0;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= work->count)
            break;
        u32 word = work->index[i] & (POLICY_WORDS_MAX - 1);
        /* In this order: a guard is stored before its start and stays longer, see policy.h. */
        u64 starts = *(const volatile u64 *)&effects->starts[word];
        u64 guards = *(const volatile u64 *)&effects->guards[word];
        u64 singles = effects->singles[word];
        u64 matching = work->mask[i];
        u64 guarded = matching | guards;
        u64 first = ((~guarded + starts) & guarded & ~guards & ~singles) | (matching & singles);
        u64 saved = (matching & effects->waits[word]) | (first & effects->returns[word]);
        work->mask[i] = first;
        work->call.index[i] = word;
        work->call.mask[i] = saved;
        posts |= first & effects->post[word];
        all |= first;
        kept |= saved;
    }
    return (all ? POLICY_ACTS : 0) | (posts ? POLICY_POSTS : 0) | (kept ? POLICY_SAVES : 0);
}

/* Keeps the call for its end; false when there is no room. */
static __always_inline bool policy_save_call(struct policy_work *work) {
    struct policy_call_key key = work->call_key;
    work->call.hook = work->hook;
    work->call.count = work->count;
    struct policy_under_way *under_way = policy_calls_under_way();
    if (under_way && bpf_map_update_elem(&policy_calls, &key, &work->call, BPF_ANY) == 0) {
        __sync_fetch_and_add(&under_way->kept, 1);
        return true;
    }
    policy_count(POLICY_COUNT_CALLS_FULL);
    return false;
}

static __always_inline bool policy_is_agent(void) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    struct pid_place place;
    read_pid_place(&place, BPF_CORE_READ(task, group_leader));
    return place.number == policy_agent_tgid && place.namespace == policy_agent_pid_ns;
}

#ifdef POLICY_FAILS_LATER
/*
 * A call begins of a hook that can fail. What is left of the thread's last call was not taken: the
 * number has no function (x32 that is switched off), or the kernel skipped the program there.
 */
static __always_inline void policy_forget_failure(u32 hook) {
    u64 thread = bpf_get_current_pid_tgid();
    const volatile u32 *tables = bpf_map_lookup_elem(&policy_failing, &hook);
    if (!tables || !*tables || !bpf_map_lookup_elem(&policy_failures, &thread))
        return;
    bpf_map_delete_elem(&policy_failures, &thread);
    policy_count(POLICY_COUNT_NOT_FAILED);
}

/* The function that does the call is to return the error; false when no program stands there. */
static __always_inline bool policy_fail_later(const struct policy_work *work, u32 error) {
    u32 hook = work->hook;
    u64 thread = bpf_get_current_pid_tgid();
    struct policy_failure failure = {.hook = hook, .error = error};
    const volatile u32 *tables = bpf_map_lookup_elem(&policy_failing, &hook);
    u32 table = is_compat_call() ? POLICY_FAILS_COMPAT : POLICY_FAILS_NATIVE;
    /* What is decided at the end of a call comes too late for it. */
    if (!(work->flags & POLICY_HIT_DEFERRED) && tables && *tables & table &&
        bpf_map_update_elem(&policy_failures, &thread, &failure, BPF_ANY) == 0)
        return true;
    policy_count(POLICY_COUNT_NOT_FAILED);
    return false;
}
#else
static __always_inline bool policy_fail_later(const struct policy_work *work, u32 error) {
    return true;
}
#endif

/* Does an effect if a selector that acts asks for it. */
__noinline int policy_do_effect(u32 id, u32 row, u32 asked) {
    struct policy_work *work = policy_slot_of(id);
    const struct policy_effects *effects = bpf_map_lookup_elem(&policy_effects, &row);
    u64 any = 0;
    u64 enforced = 0;
    if (!work || !effects)
        return 0;
    const struct policy_effect *effect = &effects->effects[bounded(asked, POLICY_EFFECTS_MAX - 1)];
    u32 kind = effect->kind;
    u32 parameter = effect->parameter;
    if (kind == POLICY_EFFECT_NONE)
        return 0;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= work->count)
            break;
        u32 word = work->index[i] & (POLICY_WORDS_MAX - 1);
        u64 bits = work->mask[i] & effect->bits[word];
        any |= bits;
        enforced |= bits & effects->enforce[word];
    }
    if (!any)
        return 0;
    bool is_enforced = enforced && !policy_is_agent();
    if (is_enforced && kind == POLICY_EFFECT_SIGNAL && bpf_send_signal(parameter)) {
        policy_count(POLICY_COUNT_SIGNAL_FAILED);
        is_enforced = false;
    }
    if (is_enforced && kind == POLICY_EFFECT_OVERRIDE && !work->override_errno) {
        if (policy_fail_later(work, parameter))
            work->override_errno = parameter;
        else
            is_enforced = false;
    }
    /* Told is the first, but what was done before what would have been. */
    if (work->hit.effect_kind == POLICY_EFFECT_NONE ||
        (is_enforced && !(work->flags & POLICY_HIT_ENFORCED))) {
        work->hit.effect_kind = kind;
        work->hit.effect_parameter = parameter;
    }
    if (is_enforced)
        work->flags |= POLICY_HIT_ENFORCED;
    return 0;
}

/*
 * Does what the selectors that act ask for; `override_errno` is what the call is to fail with.
 * Programs that cannot override ignore it: user space does not put overrides there, or another
 * program takes it from policy_failures.
 */
__noinline int policy_act(u32 id, u32 row) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    work->override_errno = 0;
    work->hit.effect_kind = POLICY_EFFECT_NONE;
    work->hit.effect_parameter = 0;
    for (u32 i = 0; i < POLICY_EFFECTS_MAX; i++)
        policy_do_effect(id, row, i);
    return 0;
}

/* Appends argument `index` to the record; returns where it ends. */
__noinline int policy_append_arg(u32 id, u32 asked, u32 start) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_ARGS_MAX)
        return start;
    u64 index = bounded(asked, POLICY_ARGS_MAX - 1);
    u32 hook_index = work->hook;
    const struct policy_hook *hook = bpf_map_lookup_elem(&policy_hooks, &hook_index);
    if (!hook)
        return start;
    u64 at = bounded(start, POLICY_HIT_SIZE_MAX);
    const struct policy_value *value = &work->values[index];
    u64 text_size = bounded(value->text_size, POLICY_TEXT_SIZE_MAX);
    struct policy_hit_arg arg = {.type = hook->args[index].type};
    arg.flags = value->flags & (POLICY_HIT_UNREADABLE | POLICY_HIT_TEXT_CUT);
    u64 body = bounded(at + sizeof(arg), POLICY_HIT_SIZE_MAX);
    const struct cred *cred = (const void *)value->address;
    u64 sets[3];
    switch (arg.type) {
    case POLICY_ARG_NONE:
        break;
    case POLICY_ARG_STRING:
    case POLICY_ARG_BUFFER:
        bpf_probe_read_kernel(&work->record[body], text_size, work->texts[index]);
        arg.size = text_size;
        break;
    case POLICY_ARG_FD:
    case POLICY_ARG_FILE:
    case POLICY_ARG_PATH:
    case POLICY_ARG_BINPRM:
        bpf_probe_read_kernel(&work->record[body], sizeof(work->files[0]), &work->files[index]);
        body = bounded(body + sizeof(work->files[0]), POLICY_HIT_SIZE_MAX);
        bpf_probe_read_kernel(&work->record[body], text_size, work->texts[index]);
        arg.size = sizeof(work->files[0]) + text_size;
        break;
    case POLICY_ARG_SOCK:
    case POLICY_ARG_SOCKADDR:
        bpf_probe_read_kernel(&work->record[body], sizeof(work->sockets[0]), &work->sockets[index]);
        arg.size = sizeof(work->sockets[0]);
        break;
    case POLICY_ARG_CRED:
        sets[0] = policy_capabilities(cred, 2);
        sets[1] = policy_capabilities(cred, 0);
        sets[2] = policy_capabilities(cred, 1);
        bpf_probe_read_kernel(&work->record[body], sizeof(sets), sets);
        arg.size = sizeof(sets);
        break;
    default:
        bpf_probe_read_kernel(&work->record[body], sizeof(value->number), &value->number);
        arg.size = sizeof(value->number);
        break;
    }
    bpf_probe_read_kernel(&work->record[at], sizeof(arg), &arg);
    return at + ((sizeof(arg) + arg.size + 7) & ~7ULL);
}

/* Appends the words that act; returns where they end. */
__noinline int policy_append_words(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    u32 at = sizeof(work->hit);
    u32 count = 0;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= work->count)
            break;
        if (!work->mask[i])
            continue;
        struct policy_hit_word word = {.index = work->index[i], .bits = work->mask[i]};
        u64 place = bounded(at, sizeof(work->hit) + (POLICY_WORDS_MAX - 1) * sizeof(word));
        bpf_probe_read_kernel(&work->record[place], sizeof(word), &word);
        at = place + sizeof(word);
        count++;
    }
    work->hit.word_count = count;
    return at;
}

/* As fill_cgroup(), by the address of the cgroup. */
static __always_inline void policy_fill_cgroup(struct record_header *header, u64 address) {
    const struct cgroup *cgroup = (const void *)address;
    struct cgroup_key key = {.hierarchy = cgroup_hierarchy};
    key.id = cgroup_source == CGROUP_SOURCE_NONE ? 0 : BPF_CORE_READ(cgroup, kn, id);
    header->cgroup_id = key.id;
    header->cgroup_level = key.id ? BPF_CORE_READ(cgroup, level) : 0;
    header->cgroup_hierarchy = cgroup_hierarchy;
    header->tracking_id = 0;
    if (key.id == 0) {
        header->flags |= RECORD_NO_CGROUP;
        return;
    }
    const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
    header->tracking_id = entry ? entry->tracking_id : find_ancestor_tracking(address, 0);
}

static __always_inline void policy_fill_hit(struct policy_work *work) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    const struct cred *cred = BPF_CORE_READ(task, cred);
    struct record_header *header = &work->hit.header;
    struct pid_place place;
    read_pid_place(&place, leader);
    header->kind = POLICY_HIT_RECORD;
    header->flags = 0;
    header->leader_start_ns = BPF_CORE_READ(leader, start_boottime);
    header->cpu = bpf_get_smp_processor_id();
    header->tgid = bpf_get_current_pid_tgid() >> 32;
    header->tid = bpf_get_current_pid_tgid();
    header->namespace_tgid = place.number;
    policy_fill_cgroup(header, cgroup_address(task));
    work->hit.hook = work->hook;
    work->hit.phase = work->phase;
    work->hit.flags = work->flags;
    work->hit.uid = BPF_CORE_READ(cred, uid.val);
    work->hit.gid = BPF_CORE_READ(cred, gid.val);
    work->hit.euid = BPF_CORE_READ(cred, euid.val);
    work->hit.egid = BPF_CORE_READ(cred, egid.val);
    work->hit._reserved = 0;
    work->hit.cap_effective = policy_capabilities(cred, 0);
    work->hit.return_value = work->return_value;
}

/* Builds the record of a match; its size. */
__noinline u64 policy_fill_record(u32 id, u32 arg_count) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    policy_fill_hit(work);
    u32 at = policy_append_words(id);
    u32 told = 0;
    for (u32 i = 0; i < POLICY_ARGS_MAX; i++) {
        if (i >= arg_count)
            break;
        at = policy_append_arg(id, i, at);
        told++;
    }
    work->hit.arg_count = told;
    work->hit.header.size = at;
    return at;
}

/* Sends the record of a match. */
static __always_inline void policy_tell(void *ctx, struct policy_work *work, u32 id,
                                        u32 arg_count) {
    u64 size = bounded(policy_fill_record(id, arg_count), POLICY_HIT_SIZE_MAX);
    emit_record(ctx, &work->hit.header, size);
}

#endif
