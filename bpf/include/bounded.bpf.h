/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SHRIKE_BOUNDED_BPF_H
#define SHRIKE_BOUNDED_BPF_H

#include "wire_types.h"

/*
 * min(value, max) in a way that the verifier sees: it forgets bounds of values that went through
 * memory, and clang removes comparisons it can prove.
 */
static __always_inline u64 bounded(u64 value, u64 max) {
    asm volatile("" : "+r"(value));
    return value > max ? max : value;
}

#endif
