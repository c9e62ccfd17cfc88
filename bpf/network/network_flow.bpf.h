/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows: traffic by workload, process and both ends, gathered in one of two maps while user space
 * reads the other. What is one too many of its workload, or in all, is added to the row `other` of
 * the workload, and what has no room even there to the one that user space has made.
 */
#ifndef SHRIKE_NETWORK_FLOW_BPF_H
#define SHRIKE_NETWORK_FLOW_BPF_H

#include "network_packet.bpf.h"
#include "network_traffic.bpf.h"

static __always_inline struct network_flow *find_flow(u64 interval,
                                                      const struct network_flow_key *key) {
    if (interval & 1)
        return bpf_map_lookup_elem(&flows_b, key);
    return bpf_map_lookup_elem(&flows_a, key);
}

/* A row that was not there; NULL when there is no room. Another CPU may have been faster. */
static __always_inline struct network_flow *enter_flow(u64 interval,
                                                       const struct network_flow_key *key) {
    struct network_flow fresh = {};
    if (interval & 1)
        bpf_map_update_elem(&flows_b, key, &fresh, BPF_NOEXIST);
    else
        bpf_map_update_elem(&flows_a, key, &fresh, BPF_NOEXIST);
    return find_flow(interval, key);
}

/* Counts one more flow of a workload, or of all; whether it is one too many. */
static __noinline int exceeds_flows(u64 tracking_id, u64 interval, u32 max) {
    struct network_flow_count_key key = {.tracking_id = tracking_id, .interval = interval};
    u64 one = 1;
    u64 *count = bpf_map_lookup_elem(&flow_counts, &key);
    if (!count) {
        if (bpf_map_update_elem(&flow_counts, &key, &one, BPF_NOEXIST) == 0)
            return 0;
        count = bpf_map_lookup_elem(&flow_counts, &key);
    }
    if (!count || *count >= max)
        return 1;
    __sync_fetch_and_add(count, 1);
    return 0;
}

/* The row `other` of a workload, or of all. Makes `key` its key. */
static __noinline struct network_flow *find_other_flow(u64 interval, struct network_flow_key *key) {
    u64 tracking_id = key->tracking_id;
    __builtin_memset(key, 0, sizeof(*key));
    key->tracking_id = tracking_id;
    struct network_flow *flow = find_flow(interval, key);
    if (!flow)
        flow = enter_flow(interval, key);
    if (flow)
        return flow;
    key->tracking_id = NETWORK_OTHER_ROW;
    flow = find_flow(interval, key);
    if (!flow)
        count_network(NETWORK_COUNT_FLOWS_LOST);
    return flow;
}

/* The row of a flow, made when it is new and there is room. */
static __noinline struct network_flow *take_flow(u64 interval, struct network_flow_key *key) {
    struct network_flow *flow = find_flow(interval, key);
    if (flow)
        return flow;
    if (exceeds_flows(key->tracking_id, interval, workload_flows_max)) {
        count_network(NETWORK_COUNT_FLOWS_OVER);
        return find_other_flow(interval, key);
    }
    if (!exceeds_flows(NETWORK_OTHER_ROW, interval, flows_max)) {
        flow = enter_flow(interval, key);
        if (flow)
            return flow;
    }
    count_network(NETWORK_COUNT_FLOWS_FULL);
    return find_other_flow(interval, key);
}

/* Who it is between. A client's port says little: folded, all its connections are one flow. */
static __always_inline void fill_flow_key(struct network_flow_key *key,
                                          const struct network_socket *socket,
                                          const struct network_tuple *tuple) {
    key->tracking_id = socket->owner.tracking_id;
    key->leader_start_ns = socket->owner.leader_start_ns;
    key->tgid = socket->owner.tgid;
    key->tuple = *tuple;
    if (fold_ports && socket->side == NETWORK_SIDE_LOCAL)
        key->tuple.local_port = 0;
    if (fold_ports && socket->side == NETWORK_SIDE_REMOTE)
        key->tuple.remote_port = 0;
}

/* Adds a packet to its flow. `starts`: it is the first of a socket whose beginning was seen. */
static __noinline int count_flow(struct __sk_buff *skb, struct network_socket *socket,
                                 const struct network_tuple *tuple, u32 direction, u32 segments) {
    struct network_flow_key key;
    u64 now_ns = bpf_ktime_get_ns();
    u64 interval = control(NETWORK_CONTROL_INTERVAL);
    fill_flow_key(&key, socket, tuple);
    struct network_flow *flow = take_flow(interval, &key);
    if (!flow)
        return 0;
    direction &= 1;
    __sync_fetch_and_add(&flow->bytes[direction], wire_bytes(skb, segments));
    __sync_fetch_and_add(&flow->packets[direction], segments);
    if (flow->first_ns == 0)
        flow->first_ns = now_ns;
    flow->last_ns = now_ns;
    if (socket->side)
        flow->side = socket->side;
    if (socket->interval == (u32)interval)
        return 0;
    /* The socket's first packet in this interval. A listener's are of connections to come. */
    if (socket->tuple.remote_port || socket->protocol_class != CLASS_TCP)
        __sync_fetch_and_add(&flow->connections, 1);
    if (socket->interval == 0 && socket->is_seen_made)
        flow->is_started = 1;
    socket->interval = interval;
    return 0;
}

/* The row of a connection in this interval, for what is not a packet. */
static __always_inline struct network_flow *flow_of_socket(const struct network_socket *socket,
                                                           bool is_made) {
    struct network_flow_key key;
    u64 interval = control(NETWORK_CONTROL_INTERVAL);
    fill_flow_key(&key, socket, &socket->tuple);
    return is_made ? take_flow(interval, &key) : find_flow(interval, &key);
}

/* A connection has ended. What carried nothing ever has no flow. */
static __noinline int end_flow(const struct network_socket *socket) {
    if (!report_flows || !socket->carries || socket->tuple.remote_port == 0)
        return 0;
    struct network_flow *flow = flow_of_socket(socket, true);
    if (!flow)
        return 0;
    flow->is_ended = 1;
    u64 now_ns = bpf_ktime_get_ns();
    if (flow->first_ns == 0) {
        flow->first_ns = now_ns;
        flow->last_ns = now_ns;
        flow->side = socket->side;
    }
    return 0;
}

static __noinline int count_flow_retransmits(const struct network_socket *socket, u32 segments) {
    if (!report_flows)
        return 0;
    struct network_flow *flow = flow_of_socket(socket, false);
    if (flow)
        __sync_fetch_and_add(&flow->retransmits, segments);
    return 0;
}

#endif
