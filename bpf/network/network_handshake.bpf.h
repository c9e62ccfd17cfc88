/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Packets of connections to come. The kernel runs programs for the listener then, and the accepted
 * socket is made with the last of them: what they carried is kept by both ends until it is.
 */
#ifndef SHRIKE_NETWORK_HANDSHAKE_BPF_H
#define SHRIKE_NETWORK_HANDSHAKE_BPF_H

#include "network_packet.bpf.h"
#include "network_traffic.bpf.h"

/* A packet at a listener. */
static __noinline int count_handshake(struct __sk_buff *skb, const struct network_tuple *tuple,
                                      u32 direction, u32 segments) {
    direction &= 1;
    struct network_handshake *row = bpf_map_lookup_elem(&handshakes, tuple);
    if (!row) {
        struct network_handshake fresh = {};
        bpf_map_update_elem(&handshakes, tuple, &fresh, BPF_NOEXIST);
        row = bpf_map_lookup_elem(&handshakes, tuple);
    }
    if (!row)
        return 0;
    __sync_fetch_and_add(&row->bytes[direction], wire_bytes(skb, segments));
    __sync_fetch_and_add(&row->packets[direction], segments);
    return 0;
}

/* The connection is there: what was counted so far is its own. */
static __noinline int take_handshake(struct network_socket *socket) {
    if (!report_connections)
        return 0;
    const struct network_handshake *row = bpf_map_lookup_elem(&handshakes, &socket->tuple);
    if (!row)
        return 0;
    for (int i = 0; i < NETWORK_DIRECTIONS; i++) {
        socket->bytes[i] += row->bytes[i];
        socket->packets[i] += row->packets[i];
    }
    bpf_map_delete_elem(&handshakes, &socket->tuple);
    return 0;
}

#endif
