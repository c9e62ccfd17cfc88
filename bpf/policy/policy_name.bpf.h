/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The name that was given to exec, as one of the spellings that policies can write: from the root
 * on, without "//", "." and "..". What the kernel has gone through symbolic links is not known any
 * more, so ".." takes the name before it away, as people read it.
 */
#ifndef SHRIKE_POLICY_NAME_BPF_H
#define SHRIKE_POLICY_NAME_BPF_H

#include "policy_values.bpf.h"

enum policy_shorten_limit {
    POLICY_SHORTEN_STEPS = 32,
    /* Each byte of a name is taken in once, and each that stayed may be taken away once. */
    POLICY_SHORTEN_CALLS = 3 * POLICY_TEXT_SIZE_MAX / POLICY_SHORTEN_STEPS + 1,
    POLICY_NAME_DIGITS_MAX = 10,
};

enum policy_shorten_state {
    POLICY_SHORTEN_GOING = 0,
    POLICY_SHORTEN_DONE = 1,
    POLICY_SHORTEN_CUT = 2,
};

/* A part of the name ends. */
static __always_inline void policy_end_part(struct policy_shortening *at, u8 *to) {
    u32 size = at->size;
    bool is_all_dots = at->dots == size;
    if (size == 2 && is_all_dots) {
        at->is_going_up = 1;
    } else if (size > 0 && !(size == 1 && is_all_dots)) {
        to[bounded(at->out, POLICY_TEXT_SIZE_MAX)] = '/';
        at->out += 1 + size;
    }
    at->size = 0;
    at->dots = 0;
}

/* One byte. */
static __always_inline u32 policy_shorten_step(struct policy_work *work) {
    struct policy_shortening *at = &work->shortening;
    u8 *to = work->texts[POLICY_NAME_TEXT];
    if (at->is_going_up) {
        u32 out = at->out;
        if (out > 0)
            out--;
        at->out = out;
        if (out == 0 || to[bounded(out, POLICY_TEXT_SIZE_MAX)] == '/')
            at->is_going_up = 0;
        return POLICY_SHORTEN_GOING;
    }
    u32 in = at->in;
    u32 size = work->values[POLICY_RAW_NAME_TEXT].text_size;
    if (in > size)
        return POLICY_SHORTEN_DONE;
    at->in = in + 1;
    u8 byte = '/';
    if (in < size)
        byte = work->texts[POLICY_RAW_NAME_TEXT][bounded(in, POLICY_TEXT_SIZE_MAX)];
    if (byte == '/') {
        policy_end_part(at, to);
        return POLICY_SHORTEN_GOING;
    }
    u32 place = at->out + 1 + at->size;
    if (place >= POLICY_TEXT_SIZE_MAX)
        return POLICY_SHORTEN_CUT;
    to[bounded(place, POLICY_TEXT_SIZE_MAX)] = byte;
    if (byte == '.' && at->dots == at->size)
        at->dots++;
    at->size++;
    return POLICY_SHORTEN_GOING;
}

__noinline int policy_shorten_steps(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return POLICY_SHORTEN_CUT;
    for (u32 i = 0; i < POLICY_SHORTEN_STEPS; i++) {
        u32 state = policy_shorten_step(work);
        if (state != POLICY_SHORTEN_GOING)
            return state;
    }
    return POLICY_SHORTEN_GOING;
}

/* execveat(2): "/dev/fd/3" and "/dev/fd/3/name". Where the rest begins, 0 for other names. */
static __always_inline u32 policy_fd_name(const struct policy_work *work, u64 *fd) {
    const u8 *name = work->texts[POLICY_RAW_NAME_TEXT];
    const char folder[] = "/dev/fd/";
    for (u32 i = 0; i < sizeof(folder) - 1; i++) {
        if (name[i] != folder[i])
            return 0;
    }
    u32 size = work->values[POLICY_RAW_NAME_TEXT].text_size;
    u64 number = 0;
    u32 at = sizeof(folder) - 1;
    for (u32 i = 0; i < POLICY_NAME_DIGITS_MAX; i++) {
        u8 byte = name[at];
        if (at >= size || byte < '0' || byte > '9')
            break;
        number = number * 10 + (byte - '0');
        at++;
    }
    if (at == sizeof(folder) - 1 || (at < size && name[at] != '/'))
        return 0;
    *fd = number;
    return at;
}

/* Reads the name of `bprm` into text POLICY_NAME_TEXT; unreadable when it is not known. */
static __always_inline void policy_read_given_name(struct policy_work *work, u32 id,
                                                   const struct linux_binprm *bprm) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    struct policy_value *name = &work->values[POLICY_NAME_TEXT];
    u64 base = 0;
    u64 fd = 0;
    name->flags = 0;
    name->text_size = 0;
    work->values[POLICY_RAW_NAME_TEXT].flags = 0;
    __builtin_memset(&work->shortening, 0, sizeof(work->shortening));
    policy_read_string(work, POLICY_RAW_NAME_TEXT, BPF_CORE_READ(bprm, filename), false);
    if (work->values[POLICY_RAW_NAME_TEXT].flags) {
        name->flags = POLICY_HIT_UNREADABLE;
        return;
    }
    u32 rest = policy_fd_name(work, &fd);
    if (rest) {
        const struct file *file = policy_file_of_fd(fd);
        base = file ? (u64)file + bpf_core_field_offset(struct file, f_path) : 0;
        if (base)
            work->shortening.in = rest;
    } else if (work->texts[POLICY_RAW_NAME_TEXT][0] != '/') {
        base = (u64)BPF_CORE_READ(task, fs) + bpf_core_field_offset(struct fs_struct, pwd);
    }
    if (base)
        policy_read_path(id, POLICY_NAME_TEXT, base);
    /* Of the root nothing stays: each part brings its own "/". */
    work->shortening.out = name->text_size == 1 ? 0 : name->text_size;
    u32 state = POLICY_SHORTEN_GOING;
    for (u32 i = 0; i < POLICY_SHORTEN_CALLS; i++) {
        state = policy_shorten_steps(id);
        if (state != POLICY_SHORTEN_GOING)
            break;
    }
    name->text_size = work->shortening.out;
    if (state != POLICY_SHORTEN_DONE || name->flags)
        name->flags |= POLICY_HIT_UNREADABLE;
}

#endif
