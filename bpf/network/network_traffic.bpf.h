/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Traffic by workload: what is done for each packet. The common path is the row of the socket, the
 * row of its workload and two additions; everything else happens once per socket.
 */
#ifndef SHRIKE_NETWORK_TRAFFIC_BPF_H
#define SHRIKE_NETWORK_TRAFFIC_BPF_H

#include "bounded.bpf.h"
#include "network_socket.bpf.h"

/* The address of the socket a packet is run for. */
static __always_inline u64 skb_socket(struct __sk_buff *skb) {
    return (u64)BPF_CORE_READ((struct sk_buff *)skb, sk);
}

/* A row of a workload that has none yet; the row `other` when there is no room. */
static __noinline struct network_traffic *make_traffic(u64 tracking_id) {
    struct network_traffic zero = {};
    u64 other = NETWORK_OTHER_ROW;
    bpf_map_update_elem(&traffic, &tracking_id, &zero, BPF_NOEXIST);
    struct network_traffic *row = bpf_map_lookup_elem(&traffic, &tracking_id);
    if (row)
        return row;
    count_network(NETWORK_COUNT_TRAFFIC_FULL);
    return bpf_map_lookup_elem(&traffic, &other);
}

/*
 * Whose socket it is by the cgroup that the kernel keeps with it, where v2 is what is tracked; for
 * sockets that nobody was seen to use. The depth of that cgroup is not told.
 */
static __noinline int guess_owner(struct __sk_buff *skb, struct network_socket *socket) {
    struct cgroup_key key = {.hierarchy = cgroup_hierarchy};
    if (cgroup_source != CGROUP_SOURCE_V2 || control(NETWORK_CONTROL_DISTRUST_SOCKETS))
        return 0;
    key.id = bpf_skb_cgroup_id(skb);
    socket->owner.cgroup_id = key.id;
    const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
    if (entry) {
        socket->owner.cgroup_level = entry->level;
        socket->owner.tracking_id = entry->tracking_id;
        return 0;
    }
    /* Not in the map: the nearest ancestor that is, from the root down. */
    for (int level = 0; level <= CGROUP_LEVEL_MAX; level++) {
        key.id = bpf_skb_ancestor_cgroup_id(skb, level);
        if (key.id == 0)
            break;
        entry = bpf_map_lookup_elem(&cgroups, &key);
        if (entry)
            socket->owner.tracking_id = entry->tracking_id;
    }
    return 0;
}

/*
 * Whether the kernel names the cgroup of sockets rightly: before 5.15 it does not any more once
 * net_cls or net_prio were used. A socket's maker was seen in a cgroup; its first packet must be
 * of that. The root says nothing: it is also the wrong answer.
 */
static __always_inline void check_cgroup(struct __sk_buff *skb, struct network_socket *socket) {
    u64 made = socket->made_cgroup_id;
    if (made == 0 || made == bpf_skb_ancestor_cgroup_id(skb, 0))
        return;
    socket->made_cgroup_id = 0;
    count_network(made == bpf_skb_cgroup_id(skb) ? NETWORK_COUNT_CGROUP_CONFIRMED
                                                 : NETWORK_COUNT_CGROUP_CONTRADICTED);
}

/* What a socket's first packet is good for. */
static __noinline int see_first_packet(struct __sk_buff *skb, struct network_socket *socket) {
    bool is_plain = !report_connections && !report_dns && !report_flows;
    socket->carries = is_plain ? NETWORK_CARRIES_PLAIN : NETWORK_CARRIES;
    /* A connection gets its own port between the change of state and the first packet. */
    read_tuple(skb_socket(skb), &socket->tuple);
    check_cgroup(skb, socket);
    if (socket->owner.tgid == 0)
        inherit_owner(socket);
    if (socket->owner.tracking_id == 0)
        guess_owner(skb, socket);
    return 0;
}

/*
 * A cgroup that was not in the map when its socket was first seen may be by now: when the agent
 * starts, it enters those that exist after the programs are attached.
 */
static __noinline int retry_tracking(struct network_socket *socket) {
    struct cgroup_key key = {.id = socket->owner.cgroup_id, .hierarchy = cgroup_hierarchy};
    if (key.id == 0)
        return 0;
    const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
    if (entry)
        socket->owner.tracking_id = entry->tracking_id;
    return 0;
}

/* The row of a packet's socket, made when it has none: it is older than the agent. */
static __noinline struct network_socket *take_socket(struct __sk_buff *skb) {
    struct bpf_sock *pointer = skb->sk;
    if (!pointer)
        return 0;
    struct network_socket *socket = FIND_SOCKET(pointer, skb_socket(skb));
    if (!socket || !socket->is_made)
        socket = MAKE_SOCKET(pointer, skb_socket(skb), bpf_get_socket_cookie(skb));
    if (socket && !socket->carries)
        see_first_packet(skb, socket);
    if (socket && socket->owner.tracking_id == 0)
        retry_tracking(socket);
    return socket;
}

static __always_inline u32 segments_of(struct __sk_buff *skb) {
    u32 segments = skb->gso_segs;
    if (segments)
        return segments;
    /* Some drivers give the size only. */
    u32 size = skb->gso_size;
    return size ? (skb->len + size - 1) / size : 1;
}

/*
 * Bytes of headers that each segment of a buffer has on the wire. The buffer has them once: it is
 * cut behind this program, or was put together before it.
 */
static __noinline u32 segment_headers(struct __sk_buff *skb) {
    const struct sk_buff *buffer = (const void *)skb;
    u8 byte = 0;
    u32 size =
        (u16)(BPF_CORE_READ(buffer, transport_header) - BPF_CORE_READ(buffer, network_header));
    if (BPF_CORE_READ(SOCK(skb_socket(skb)), sk_protocol) != IPPROTO_TCP)
        return size + 8;
    bpf_skb_load_bytes(skb, size + 12, &byte, 1);
    return size + (byte >> 4) * 4;
}

/* Bytes of a packet as on the wire. */
static __always_inline u64 wire_bytes(struct __sk_buff *skb, u32 segments) {
    u64 bytes = skb->len;
    if (segments > 1)
        bytes += (u64)segment_headers(skb) * (segments - 1);
    return bytes;
}

/* Place of a packet's direction and family: received over IPv4, over IPv6, sent over the two. */
static __always_inline u32 line_of(struct __sk_buff *skb, u32 direction) {
    u32 line = direction == NETWORK_SENT ? 2 : 0;
    return skb->protocol == __builtin_bswap16(ETH_P_IPV6) ? line + 1 : line;
}

/* Atomic, because an interrupt may send and receive in the middle of this. */
static __always_inline void add_sums(u64 *sums, struct __sk_buff *skb, u32 segments) {
    __sync_fetch_and_add(&sums[0], wire_bytes(skb, segments));
    __sync_fetch_and_add(&sums[1], segments);
}

/* Adds a packet to the row of a workload. */
static __always_inline void add_packet(struct network_traffic *row, struct __sk_buff *skb,
                                       u32 direction, u32 class, u32 segments) {
    class += line_of(skb, direction) * NETWORK_LINE_CLASSES;
    add_sums(&row->sums[bounded(class, NETWORK_CLASSES - 1) * NETWORK_SUMS], skb, segments);
}

/* Adds a packet to the slot of a workload, if it has one; whether it has. */
static __always_inline bool add_to_slot(u64 tracking_id, struct __sk_buff *skb, u32 direction,
                                        u32 class) {
    u32 index = tracking_id & (NETWORK_TRAFFIC_SLOTS - 1);
    struct network_traffic_slot *slot = bpf_map_lookup_elem(&traffic_slots, &index);
    if (!slot)
        return false;
    struct network_traffic_line *line =
        &slot->lines[bounded(line_of(skb, direction), NETWORK_SLOT_LINES - 1)];
    if (line->tracking_id != tracking_id)
        return false;
    class = bounded(class, NETWORK_LINE_CLASSES - 1);
    add_sums(&line->sums[class * NETWORK_SUMS], skb, segments_of(skb));
    return true;
}

/* The same in its row; apart, so that the code for slots is short. */
static __noinline int add_to_row(struct __sk_buff *skb, struct network_socket *socket,
                                 u32 direction) {
    struct network_traffic *row = bpf_map_lookup_elem(&traffic, &socket->owner.tracking_id);
    if (!row)
        return false;
    add_packet(row, skb, direction, socket->protocol_class, segments_of(skb));
    return true;
}

/*
 * Counts a packet of a socket that needs no closer look, as nearly all are; whether it was one.
 * What this costs is memory that is not in the cache, of code and of data: hence no settings and
 * no branch to anything else. Before 5.12 no socket has storage, and it is never one.
 */
static __always_inline bool count_plain(struct __sk_buff *skb, u32 direction) {
    struct bpf_sock *pointer = skb->sk;
    if (!pointer)
        return false;
    struct network_socket *socket = bpf_sk_storage_get(&socket_storage, pointer, 0, 0);
    if (!socket || socket->carries != NETWORK_CARRIES_PLAIN || socket->owner.tracking_id == 0)
        return false;
    if (add_to_slot(socket->owner.tracking_id, skb, direction, socket->protocol_class))
        return true;
    return add_to_row(skb, socket, direction);
}

/* Packets at a listener are of connections to come: they count there, see count_handshake(). */
static __always_inline bool is_handshake(struct __sk_buff *skb,
                                         const struct network_socket *socket) {
    struct bpf_sock *pointer = skb->sk;
    return pointer && socket->protocol_class == CLASS_TCP && pointer->state == TCP_LISTEN;
}

static __always_inline void count_traffic(struct __sk_buff *skb, struct network_socket *socket,
                                          u32 direction, u32 segments) {
    u64 tracking_id = socket ? socket->owner.tracking_id : 0;
    struct network_traffic *row = bpf_map_lookup_elem(&traffic, &tracking_id);
    if (!row)
        row = make_traffic(tracking_id);
    if (!row) {
        count_network(NETWORK_COUNT_TRAFFIC_LOST);
        return;
    }
    if (tracking_id == 0)
        count_network(NETWORK_COUNT_NO_OWNER);
    add_packet(row, skb, direction, socket ? socket->protocol_class : CLASS_OTHER, segments);
    if (report_connections && socket && !is_handshake(skb, socket)) {
        __sync_fetch_and_add(&socket->bytes[direction], wire_bytes(skb, segments));
        __sync_fetch_and_add(&socket->packets[direction], segments);
    }
}

#endif
