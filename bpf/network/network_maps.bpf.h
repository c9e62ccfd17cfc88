/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Maps and settings of the network sensor.
 *
 * What is known of a socket is kept with the socket itself (BPF_MAP_TYPE_SK_STORAGE) where all
 * kinds of programs can reach that, since 5.12: found in some nanoseconds, never pushed out by
 * others, gone with the socket, and an accepted socket gets a copy of its listener's. Before, an
 * LRU hash by the socket's address stands in for it, and a hash of listeners for the copy.
 */
#ifndef SHRIKE_NETWORK_MAPS_BPF_H
#define SHRIKE_NETWORK_MAPS_BPF_H

#include "kernel_types.h"
#include "network.h"
#include "preemption.bpf.h"
#include <bpf/bpf_helpers.h>

/* Set by the loader. */
const volatile bool report_connections = false;
const volatile bool report_dns = false;
const volatile bool report_flows = false;
/* Flows that differ in the client's port only are one. */
const volatile bool fold_ports = false;
/* Flows in all and of one workload, in one interval. */
const volatile u32 flows_max = 0;
const volatile u32 workload_flows_max = 0;
/* Ports of DNS, four to a word, of the host's byte order; 0 is none. */
const volatile u64 dns_ports_low = 53;
const volatile u64 dns_ports_high = 0;
/* For tests: what kernels before 5.12 do. */
const volatile bool use_socket_hash = false;

#define SOCKET_STORAGE_KERNEL_VERSION ((5 << 16) + (12 << 8))

/* A constant to the verifier, which drops what is not for this kernel. */
static __always_inline bool has_storage(void) {
    return !use_socket_hash && LINUX_KERNEL_VERSION >= SOCKET_STORAGE_KERNEL_VERSION;
}

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct network_socket);
} socket_storage SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, u64);
    __type(value, struct network_socket);
    __uint(max_entries, NETWORK_SOCKET_ENTRIES);
} sockets SEC(".maps");

struct listener_key {
    u8 address[16];
    u32 net_ns;
    u16 port;
    u16 _reserved;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct listener_key);
    __type(value, struct network_owner);
    __uint(max_entries, NETWORK_LISTENER_ENTRIES);
} listeners SEC(".maps");

/* Where connections are told, the loader gives it room. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct network_tuple);
    __type(value, struct network_handshake);
    __uint(max_entries, NETWORK_HANDSHAKE_ENTRIES);
} handshakes SEC(".maps");

/* Not preallocated: a row is 192 bytes for each CPU, and most hosts have few workloads. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, u64);
    __type(value, struct network_traffic);
    __uint(max_entries, NETWORK_TRAFFIC_ENTRIES);
} traffic SEC(".maps");

/* Of the workloads that have a slot: no hash to follow, one line of the cache instead of three. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, struct network_traffic_slot);
    __uint(max_entries, NETWORK_TRAFFIC_SLOTS);
} traffic_slots SEC(".maps");

/* The loader sets max_entries of the three where there are flows. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct network_flow_key);
    __type(value, struct network_flow);
    __uint(max_entries, 1);
} flows_a SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct network_flow_key);
    __type(value, struct network_flow);
    __uint(max_entries, 1);
} flows_b SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct network_flow_count_key);
    __type(value, u64);
    __uint(max_entries, 1);
} flow_counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, NETWORK_CONTROLS);
} network_control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, u64);
    __uint(max_entries, NETWORK_COUNTS);
} network_counts SEC(".maps");

static __always_inline void count_network(u32 which) {
    u64 *count = bpf_map_lookup_elem(&network_counts, &which);
    if (count)
        __sync_fetch_and_add(count, 1);
}

static __always_inline u64 control(u32 which) {
    u64 *value = bpf_map_lookup_elem(&network_control, &which);
    return value ? *value : 0;
}

#endif
