// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Emits records on every system call of one process: load for the capture bench, nothing the agent
 * ships. Both readers, ours and the C one, load this object and read the same map.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "record.h"

enum generator_limit {
    RECORD_SIZE = 200,
    RECORDS_PER_CALL_MAX = 8,
};

struct generated_record {
    struct record_header header;
    u8 payload[RECORD_SIZE - sizeof(struct record_header)];
};

struct generator_control {
    u32 tgid; /* whose system calls; 0: none */
    u32 records_per_call;
};

struct generator_counts {
    u64 written;
    u64 lost;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __type(key, u32);
    __type(value, u32);
} records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, struct generator_control);
} control SEC(".maps");

/* The generating process is pinned to one CPU, so plain additions are enough. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, struct generator_counts);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, struct generated_record);
} scratch SEC(".maps");

/* raw_tp/sys_enter (since 4.17): the cheapest hook a process can fire millions of times a second.
 */
SEC("raw_tp/sys_enter")
int on_sys_enter(void *ctx) {
    u32 zero = 0;
    struct generator_control *wanted = bpf_map_lookup_elem(&control, &zero);
    if (!wanted || !wanted->tgid || wanted->tgid != bpf_get_current_pid_tgid() >> 32)
        return 0;

    struct generated_record *record = bpf_map_lookup_elem(&scratch, &zero);
    struct generator_counts *count = bpf_map_lookup_elem(&counts, &zero);
    if (!record || !count)
        return 0;

    u32 records_per_call = wanted->records_per_call;
    record->header.size = sizeof(*record);
    record->header.kind = 0x0707; /* a block no sensor has */
    record->header.cpu = bpf_get_smp_processor_id();
    record->header.tgid = wanted->tgid;
    for (u32 i = 0; i < RECORDS_PER_CALL_MAX; i++) {
        if (i >= records_per_call)
            break;
        record->header.time_ns = bpf_ktime_get_ns();
        if (bpf_perf_event_output(ctx, &records, BPF_F_CURRENT_CPU, record, sizeof(*record)))
            count->lost++;
        else
            count->written++;
    }
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
