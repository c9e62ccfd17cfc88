/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Headers of a packet; only read where flows or DNS are asked for. A socket's own ends would not
 * do: one without a connection has many peers.
 */
#ifndef SHRIKE_NETWORK_PACKET_BPF_H
#define SHRIKE_NETWORK_PACKET_BPF_H

#include "bounded.bpf.h"
#include "network_socket.bpf.h"

enum packet_limit {
    IPV4_HEADER_SIZE = 20,
    IPV6_HEADER_SIZE = 40,
    PORTS_SIZE = 4,
    UDP_HEADER_SIZE = 8,
    TCP_HEADER_SIZE = 20,
    /* Headers of IPv6 before that of the protocol; more than this is not for us. */
    EXTENSIONS_MAX = 4,
};

struct packet {
    struct network_tuple tuple; /* as the socket sees it; ports 0 where there are none */
    u32 transport_offset;       /* where the header of the protocol is */
    bool has_ports;
};

/* Walks over the headers between IPv6 and the protocol, such as that of jumbo packets on lo. */
static __always_inline u32 skip_extensions(struct __sk_buff *skb, u32 *offset) {
    u8 header[2];
    bpf_skb_load_bytes(skb, 6, header, 1);
    u32 next = header[0];
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
            break;
        if (bpf_skb_load_bytes(skb, *offset, header, sizeof(header)))
            break;
        next = header[0];
        *offset += (header[1] + 1) * 8;
    }
    return next;
}

/* Addresses of the sender and the receiver as the local and the remote one. */
static __always_inline void read_addresses(struct __sk_buff *skb, struct network_tuple *tuple,
                                           u32 direction) {
    u32 size = tuple->family == 4 ? 4 : 16;
    u32 at = tuple->family == 4 ? 12 : 8;
    u8 *source = direction == NETWORK_SENT ? tuple->local_address : tuple->remote_address;
    u8 *target = direction == NETWORK_SENT ? tuple->remote_address : tuple->local_address;
    if (size == 4) {
        bpf_skb_load_bytes(skb, at, source, 4);
        bpf_skb_load_bytes(skb, at + 4, target, 4);
    } else {
        bpf_skb_load_bytes(skb, at, source, 16);
        bpf_skb_load_bytes(skb, at + 16, target, 16);
    }
}

/* Reads the headers; 0, or -1 when this is no IP packet. */
static __noinline int read_packet(struct __sk_buff *skb, struct packet *packet, u32 direction,
                                  u32 net_ns) {
    u8 byte = 0;
    u16 ports[2] = {};
    u32 offset = IPV6_HEADER_SIZE, protocol;
    __builtin_memset(packet, 0, sizeof(*packet));
    if (bpf_skb_load_bytes(skb, 0, &byte, 1))
        return -1;
    packet->tuple.family = byte >> 4;
    packet->tuple.net_ns = net_ns;
    if (packet->tuple.family == 4) {
        offset = (byte & 15) * 4;
        bpf_skb_load_bytes(skb, 9, &byte, 1);
        protocol = byte;
    } else if (packet->tuple.family == 6) {
        protocol = skip_extensions(skb, &offset);
    } else {
        return -1;
    }
    packet->tuple.protocol = protocol;
    packet->transport_offset = offset;
    read_addresses(skb, &packet->tuple, direction);
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
        return 0;
    if (bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)))
        return 0;
    packet->has_ports = true;
    u16 source = from_network16(ports[0]), target = from_network16(ports[1]);
    packet->tuple.local_port = direction == NETWORK_SENT ? source : target;
    packet->tuple.remote_port = direction == NETWORK_SENT ? target : source;
    return 0;
}

#endif
