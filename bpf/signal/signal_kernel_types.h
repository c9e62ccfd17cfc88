/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's types that only the signal sensor reads; see kernel_types.h. */
#ifndef SHRIKE_SIGNAL_KERNEL_TYPES_H
#define SHRIKE_SIGNAL_KERNEL_TYPES_H

#include "kernel_types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sigaction {
    void *sa_handler;
};

struct k_sigaction {
    struct sigaction sa;
};

struct sighand_struct {
    struct k_sigaction action[1];
};

struct kernel_siginfo {
    int si_code;
};

struct page_counter {
    atomic64_t usage;
    unsigned long max;
};

struct mem_cgroup {
    struct page_counter memory;
};

/* What the tracepoint tells: with `uid`, its argument is the task. */
struct trace_event_raw_mark_victim {
    u32 uid;
};

#pragma clang attribute pop

#endif
