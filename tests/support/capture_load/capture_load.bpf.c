/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Makes records of any size at will: one at each system call of a given number by a given process.
 * For the test of capture; goes out through the same emit_record() as the sensors.
 */
#include "kernel_types.h"
#include "record.bpf.h"

enum {
    LOAD_RECORD_KIND = 0x0707,
    LOAD_SIZE_MIN = 80, /* header, number, stamp at the end */
};

/* What is wanted of a CPU; written by the test. */
struct load_order {
    u32 tgid;
    u32 syscall;
    u32 size_min;
    u32 size_span; /* sizes are spread over size_min .. size_min + size_span - 1 */
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct load_order);
    __uint(max_entries, 1); /* the test sets it to the number of possible CPUs */
} load_orders SEC(".maps");

/* Records made on each CPU, whether they got out or not. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, 1);
} load_counts SEC(".maps");

struct load_record {
    struct record_header header;
    u64 number; /* on this CPU, from 0 */
};

struct load_scratch {
    union {
        struct load_record record;
        u8 bytes[RECORD_SIZE_MAX + 16];
    };
};

/* One per possible CPU; the test sets max_entries. Its process runs one thread per CPU. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct load_scratch);
    __uint(max_entries, 1);
} load_scratch SEC(".maps");

struct sys_enter_args {
    u64 regs;
    u64 id;
};

static __always_inline u32 spread(u64 number, u32 span) {
    return span == 0 ? 0 : (u32)(number * 2654435761ULL >> 7) % span;
}

SEC("raw_tp/sys_enter")
int on_load_syscall(struct sys_enter_args *ctx) {
    u32 zero = 0;
    u32 cpu = bpf_get_smp_processor_id();
    struct load_order *order = bpf_map_lookup_elem(&load_orders, &cpu);
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    if (!order || tgid != order->tgid || ctx->id != order->syscall)
        return 0;
    struct load_scratch *scratch = bpf_map_lookup_elem(&load_scratch, &cpu);
    u64 *count = bpf_map_lookup_elem(&load_counts, &zero);
    if (!scratch || !count)
        return 0;
    struct load_record *record = &scratch->record;
    u64 number = (*count)++;
    u32 size = (order->size_min + spread(number, order->size_span)) & ~3U;
    if (size < LOAD_SIZE_MIN)
        size = LOAD_SIZE_MIN;
    if (size > RECORD_SIZE_MAX)
        size = RECORD_SIZE_MAX;
    __builtin_memset(record, 0, sizeof(*record));
    record->header.size = size;
    record->header.kind = LOAD_RECORD_KIND;
    record->header.time_ns = bpf_ktime_get_ns();
    record->header.cpu = cpu;
    record->header.tgid = tgid;
    record->header.tid = tgid;
    record->number = number;
    /* The stamp: a record whose end is missing or of another one shows. */
    u32 end = size - 4;
    if (end > RECORD_SIZE_MAX - 4)
        return 0;
    *(u32 *)(scratch->bytes + end) = (u32)number;
    emit_record(ctx, &record->header, size);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
