/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The way out of the kernel: the maps that all objects share and emit_record(), the only place that
 * writes to a ring.
 */
#ifndef SHRIKE_RECORD_BPF_H
#define SHRIKE_RECORD_BPF_H

#include "kernel_types.h"
#include "record.h"
#include <bpf/bpf_helpers.h>

#define ENOENT 2
#define E2BIG 7
#define ENOSPC 28
#define EOPNOTSUPP 95

/* One perf ring per CPU; the loader sets max_entries to the number of possible CPUs. */
struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(u32));
    __uint(value_size, sizeof(u32));
    __uint(max_entries, 1);
} records SEC(".maps");

/* What did not get out, per CPU and kind. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, struct record_drop);
    __uint(max_entries, RECORD_DROP_SLOTS);
} record_drops SEC(".maps");

/*
 * Counts a record that is lost. Atomic, because programs of different hooks may interrupt each
 * other on one CPU: since 7.0 by preemption (see preemption.bpf.h), and later sensors run in
 * interrupts.
 */
static __always_inline void count_drop(u32 kind, u64 time_ns, enum drop_reason reason) {
    u32 slot = RECORD_DROP_SLOT(kind);
    struct record_drop *drop = bpf_map_lookup_elem(&record_drops, &slot);
    if (!drop)
        return; /* cannot be: the slot is below RECORD_DROP_SLOTS by its masks */
    drop->kind = kind;
    if (drop->first_ns == 0)
        drop->first_ns = time_ns;
    drop->last_ns = time_ns;
    __sync_fetch_and_add(&drop->count[reason & (DROP_REASONS - 1)], 1);
}

/* Counts a record that bpf_perf_event_output() did not take. */
static __always_inline void count_failure(u32 kind, u64 time_ns, long error) {
    if (error == -ENOSPC) {
        count_drop(kind, time_ns, DROP_RING_FULL);
    } else if (error == -ENOENT || error == -EOPNOTSUPP) {
        count_drop(kind, time_ns, DROP_NO_RING);
    } else {
        count_drop(kind, time_ns, DROP_OTHER);
    }
}

/*
 * Stamps a record with the time and sends it to the ring of this CPU. The time is taken here, last
 * of all, so that records stand in a ring in the order of their times. A failure is counted by kind
 * and reason; the caller has nothing to do about it.
 */
static __always_inline void emit_record(void *ctx, struct record_header *record, u64 size) {
    u32 kind = record->kind;
    u64 time_ns = bpf_ktime_get_ns();
    record->time_ns = time_ns;
    long error = bpf_perf_event_output(ctx, &records, BPF_F_CURRENT_CPU, record, size);
    if (error)
        count_failure(kind, time_ns, error);
}

#endif
