/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * System calls whose arguments are in memory that is not there: never touched, dropped, swapped
 * out. A program must not wait for it. The kernel does, when it reads the same memory, so who looks
 * at it is decided when the call ends, or when the image that exec was asked for is there. What is
 * not there then either, the kernel has not read.
 */
#ifndef SHRIKE_POLICY_DEFER_BPF_H
#define SHRIKE_POLICY_DEFER_BPF_H

#include "policy_room.bpf.h"

enum policy_defer_limit {
    POLICY_NO_NAME = 255,
    POLICY_NO_NUMBER = ~0U,
    POLICY_ALL_ARGS = (1 << POLICY_ARGS_MAX) - 1,
    EFAULT_ERROR = 14,
    /* connect(2) goes on behind them. */
    EINPROGRESS_ERROR = 115,
    ERESTARTSYS_ERROR = 512,
};

/* What stands before the name that execveat is given, where that is relative to a descriptor. */
enum policy_fd_name {
    POLICY_FD_NAME_FRONT = 8, /* "/dev/fd/" */
    POLICY_FD_DIGITS_MAX = 10,
};

#if defined(__TARGET_ARCH_x86)
#define IS_EXECVE(number, compat) ((compat) ? (number) == 11 : (number) == 59 || (number) == 520)
#define IS_EXECVEAT(number, compat)                                                                \
    ((compat) ? (number) == 358 : (number) == 322 || (number) == 545)
#else
#define IS_EXECVE(number, compat) ((number) == ((compat) ? 11 : 221))
#define IS_EXECVEAT(number, compat) ((number) == ((compat) ? 387 : 281))
#endif

/* The argument that exec takes its name from; POLICY_NO_NAME of other calls. */
static __always_inline u32 policy_name_index(u32 number, bool is_compat) {
    if (IS_EXECVE(number, is_compat))
        return 0;
    return IS_EXECVEAT(number, is_compat) ? 1 : POLICY_NO_NAME;
}

/*
 * Moves the selectors that look at missing memory from `work` into a deferral; of a policy all or
 * none. 0 when there is no room for it, and then `work` is of no use any more.
 */
__noinline int policy_defer(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    u32 row = work->hook * 2 + POLICY_AT_CALL;
    const struct policy_effects *effects = bpf_map_lookup_elem(&policy_effects, &row);
    if (!effects)
        return 0;
    struct policy_deferral *to = &work->deferral;
    u64 any = 0;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= work->count)
            break;
        u32 word = work->index[i] & (POLICY_WORDS_MAX - 1);
        u64 deferred = work->mask[i] & effects->defers[word];
        work->mask[i] &= ~deferred;
        to->index[i] = word;
        to->mask[i] = deferred;
        any |= deferred;
    }
    if (!any) {
        policy_count(POLICY_COUNT_UNREADABLE);
        return 1;
    }
    to->hook = work->hook;
    to->count = work->count;
    to->number = work->number;
    to->missing = work->missing;
    to->name_index = work->name_index;
    for (u32 i = 0; i < POLICY_RAW_ARGS; i++)
        to->raw[i] = work->raw[i];
    bool is_kept = policy_keep_deferral(id);
    policy_count(is_kept ? POLICY_COUNT_DEFERRED : POLICY_COUNT_DEFERRALS_FULL);
    return is_kept;
}

/* policy_on_call() of a system call; `missing` is POLICY_MISSING_RAW or 0. */
static __always_inline void policy_on_user_call(void *ctx, struct policy_work *work, u32 id,
                                                u32 set, u32 missing) {
    policy_begin(work, POLICY_AT_CALL, 0);
    work->missing = missing;
    work->may_defer = 1;
    if (!policy_select(id, set) || !policy_match(id))
        return;
    work->may_defer = 0;
    if (work->missing && !policy_defer(id)) {
        policy_begin(work, POLICY_AT_CALL, 0);
        work->missing = missing;
        if (!policy_select(id, set) || !policy_match(id))
            work->count = 0;
        if (!policy_close(id, POLICY_HIT_NO_ROOM))
            return;
    }
    policy_conclude(ctx, work, id);
}

/* Takes up what the current task has deferred, once: its policy_missing, -1 when there is nothing.
 */
__noinline int policy_take_deferral(u32 id, u32 number) {
    struct policy_work *work = policy_slot_of(id);
    u64 task = bpf_get_current_task();
    const struct policy_deferral *from = bpf_map_lookup_elem(&policy_deferrals, &task);
    if (!work || !from)
        return -1;
    /* Decided at exec, by the program whose spare this is: it is for the end of the call. */
    if (!from->missing && number == POLICY_NO_NUMBER)
        return -1;
    /* Of a task that ended in its call, at the same address. */
    bool is_other = from->missing && from->number != number && number != POLICY_NO_NUMBER;
    u32 missing = from->missing;
    u32 words = from->count;
    work->hook = from->hook;
    work->number = from->number;
    work->name_index = from->name_index;
    work->has_row = 0;
    work->count = words > POLICY_WORDS_MAX ? POLICY_WORDS_MAX : words;
    bpf_probe_read_kernel(work->raw, sizeof(from->raw), from->raw);
    bpf_probe_read_kernel(work->index, sizeof(work->index), from->index);
    bpf_probe_read_kernel(work->mask, sizeof(work->mask), from->mask);
    /* Looked at again by policy_close(). */
    work->deferral.count = work->count;
    bpf_probe_read_kernel(work->deferral.index, sizeof(work->index), from->index);
    bpf_probe_read_kernel(work->deferral.mask, sizeof(work->mask), from->mask);
    policy_end_deferral(task, from);
    return is_other ? -1 : (int)missing;
}

#if defined(__TARGET_ARCH_x86)

enum {
    /* include/uapi/linux/net.h: send and recv have no system call of their own. */
    SYS_SEND_CALL = 9,
    SYS_RECV_CALL = 10,
    SEND_ARGS = 4,
};

/*
 * Arguments of socketcall(call, args), from memory of the caller; what is missing of them. If they
 * are, the raw arguments are those of socketcall itself.
 */
static __always_inline u32 policy_read_socketcall(struct policy_work *work, u32 call, u64 address) {
    u32 args[POLICY_RAW_ARGS] = {};
    if (bpf_probe_read_user(args, sizeof(args), (const void *)address)) {
        work->raw[0] = call;
        work->raw[1] = address;
        return POLICY_MISSING_RAW;
    }
    bool is_short = call == SYS_SEND_CALL || call == SYS_RECV_CALL;
    for (u32 i = 0; i < POLICY_RAW_ARGS; i++)
        work->raw[i] = is_short && i >= SEND_ARGS ? 0 : args[i];
    return 0;
}

#else

static __always_inline u32 policy_read_socketcall(struct policy_work *work, u32 call, u64 address) {
    return POLICY_MISSING_RAW;
}

#endif

/* Whether a call has done something: one that failed may never have read its memory. */
static __always_inline bool policy_is_done(s64 result) {
    return result >= 0 || result == -EINPROGRESS_ERROR || result == -ERESTARTSYS_ERROR;
}

/*
 * Decides what was deferred, by what is there now; `missing` is what was not. `image_name` is the
 * kernel's copy of the name exec was given, 0 while the memory of the call is still there.
 */
static __always_inline void policy_decide_deferred(void *ctx, struct policy_work *work, u32 id,
                                                   u32 missing, u64 image_name, s64 result) {
    policy_begin(work, POLICY_AT_CALL, POLICY_HIT_DEFERRED);
    work->image_name = image_name;
    work->only_args = missing & POLICY_ALL_ARGS;
    if (missing & POLICY_MISSING_RAW) {
        work->only_args = POLICY_ALL_ARGS;
        work->missing = policy_read_socketcall(work, work->raw[0], work->raw[1]);
    }
    work->call_key.thread = bpf_get_current_pid_tgid();
    work->call_key.hook = POLICY_DEFERRED_CALL;
    bool is_matched = policy_match(id);
    if (work->missing && result != -EFAULT_ERROR)
        policy_count(POLICY_COUNT_UNSEEN);
    if (work->missing && policy_is_done(result)) {
        if (!is_matched)
            work->count = 0;
        is_matched = policy_close(id, POLICY_HIT_MEMORY_GONE);
    }
    if (is_matched)
        policy_conclude(ctx, work, id);
    work->call_key.hook = 0;
}

/* A call ends: what of it was deferred, if anything. */
static __always_inline void policy_end_deferred(void *ctx, u32 id, u32 number, s64 result) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return;
    int missing = policy_take_deferral(id, number);
    if (missing < 0)
        return;
    if (missing)
        policy_decide_deferred(ctx, work, id, missing, 0, result);
    struct policy_call_key key = {.thread = bpf_get_current_pid_tgid(),
                                  .hook = POLICY_DEFERRED_CALL};
    policy_on_return(ctx, id, &key, result);
}

/* The kernel's copy of the name that exec was given. */
static __always_inline u64 policy_image_name(const struct linux_binprm *bprm, u32 name_index) {
    u64 name = (u64)bprm->filename;
    u64 fd_name = (u64)bprm->fdpath;
    char digits[POLICY_FD_DIGITS_MAX + 2];
    if (name_index == 0 || !fd_name)
        return name;
    name = fd_name + POLICY_FD_NAME_FRONT;
    if (bpf_probe_read_kernel(digits, sizeof(digits), (const void *)name))
        return 0;
    for (u32 i = 0; i < sizeof(digits); i++) {
        if (digits[i] == '/')
            return name + i + 1;
        if (digits[i] == 0)
            return name + i;
    }
    return 0;
}

/* exec has succeeded: the memory that the call was given is gone, and its end still to come. */
static __always_inline void policy_begin_image(void *ctx, u32 id, const struct linux_binprm *bprm) {
    const volatile struct policy_under_way *under_way = policy_calls_under_way();
    struct policy_work *work = policy_slot_of(id);
    if (!under_way || !under_way->deferred || !work)
        return;
    int missing = policy_take_deferral(id, POLICY_NO_NUMBER);
    if (missing <= 0)
        return;
    policy_decide_deferred(ctx, work, id, missing, policy_image_name(bprm, work->name_index), 0);
    if (!(work->flags & POLICY_HIT_RETURNS))
        return;
    work->deferral.missing = 0;
    work->deferral.number = work->number;
    work->deferral.hook = work->hook;
    work->deferral.count = 0;
    if (!policy_keep_deferral(id))
        policy_count(POLICY_COUNT_DEFERRALS_FULL);
}

#endif
