/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Packets from and to ports of DNS: handed to user space as they are. */
#ifndef SHRIKE_NETWORK_DNS_BPF_H
#define SHRIKE_NETWORK_DNS_BPF_H

#include "network_packet.bpf.h"
#include "network_record.bpf.h"

static __always_inline bool is_among(u64 ports, u16 port) {
    return (u16)ports == port || (u16)(ports >> 16) == port || (u16)(ports >> 32) == port ||
           (u16)(ports >> 48) == port;
}

static __always_inline bool is_dns_port(u16 port) {
    return port && (is_among(dns_ports_low, port) || is_among(dns_ports_high, port));
}

/* As emit_record(), with the first `packet_size` bytes of the packet behind the record. */
static __always_inline void emit_packet(struct __sk_buff *skb, struct network_dns_record *record,
                                        u32 packet_size) {
    u64 flags = BPF_F_CURRENT_CPU | (u64)packet_size << 32;
    u64 time_ns = bpf_ktime_get_ns();
    record->header.time_ns = time_ns;
    long error = bpf_perf_event_output(skb, &records, flags, record, sizeof(*record));
    if (error)
        count_failure(NETWORK_DNS_RECORD, time_ns, error);
}

enum tcp_header {
    TCP_SEQUENCE_AT = 4,
    TCP_SIZE_AT = 12,
    TCP_FLAGS_AT = 13,
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
};

/* Fills what is TCP's of the record. */
static __always_inline u32 read_tcp_header(struct __sk_buff *skb, u32 offset,
                                           struct network_dns_record *record) {
    u8 header[TCP_HEADER_SIZE] = {};
    bpf_skb_load_bytes(skb, offset, header, sizeof(header));
    record->sequence = (u32)header[TCP_SEQUENCE_AT] << 24 | header[TCP_SEQUENCE_AT + 1] << 16 |
                       header[TCP_SEQUENCE_AT + 2] << 8 | header[TCP_SEQUENCE_AT + 3];
    if (header[TCP_FLAGS_AT] & TCP_SYN) {
        record->flags |= NETWORK_DNS_START;
        record->sequence++; /* SYN has a number of its own */
    }
    if (header[TCP_FLAGS_AT] & (TCP_FIN | TCP_RST))
        record->flags |= NETWORK_DNS_END;
    return (header[TCP_SIZE_AT] >> 4) * 4;
}

/*
 * Whether a segment has the first bytes of its direction, of a socket that has seen no SYN: at a
 * server that is the listener's. What comes is not counted yet when the program runs, and what goes
 * is not acknowledged.
 */
static __always_inline bool is_first_data(struct __sk_buff *skb, u32 direction, u32 sequence) {
    struct bpf_sock *socket = skb->sk;
    if (!socket)
        return false;
    socket = bpf_sk_fullsock(socket);
    if (!socket)
        return false;
    /* Volatile, because compilers would choose the field by adding to the pointer. */
    const volatile struct bpf_tcp_sock *tcp = bpf_tcp_sock(socket);
    if (!tcp)
        return false;
    u64 acknowledged = tcp->bytes_acked, received = tcp->bytes_received;
    u32 first_sent = tcp->snd_una, next_received = tcp->rcv_nxt;
    if (direction == NETWORK_SENT)
        return acknowledged == 0 && first_sent == sequence;
    return received == 0 && next_received == sequence;
}

/* Tells a packet of DNS; of TCP only segments that carry something, begin or end. */
static __noinline int tell_dns(struct __sk_buff *skb, const struct network_socket *socket,
                               const struct packet *packet, u32 direction) {
    struct network_dns_record record = {};
    if (!packet->has_ports)
        return 0;
    if (!is_dns_port(packet->tuple.local_port) && !is_dns_port(packet->tuple.remote_port))
        return 0;
    u32 size = skb->len;
    record.flags = direction == NETWORK_SENT ? NETWORK_DNS_SENT : 0;
    record.payload_offset = packet->transport_offset;
    if (packet->tuple.protocol == IPPROTO_TCP)
        record.payload_offset += read_tcp_header(skb, packet->transport_offset, &record);
    else
        record.payload_offset += UDP_HEADER_SIZE;
    if (record.payload_offset > size)
        return 0;
    if (record.payload_offset == size && !(record.flags & (NETWORK_DNS_START | NETWORK_DNS_END)))
        return 0;
    if (packet->tuple.protocol == IPPROTO_TCP && is_first_data(skb, direction, record.sequence))
        record.flags |= NETWORK_DNS_START;
    u32 included = bounded(size, NETWORK_DNS_PACKET_SIZE_MAX);
    if (included < size)
        count_network(NETWORK_COUNT_DNS_CUT);
    record.cookie = socket->cookie;
    record.tuple = packet->tuple;
    record.packet_size = size;
    record.included_size = included;
    record.segment_size = packet->tuple.protocol == IPPROTO_UDP ? skb->gso_size : 0;
    fill_owner_header(&record.header, NETWORK_DNS_RECORD, sizeof(record) + included,
                      &socket->owner);
    emit_packet(skb, &record, included);
    return 0;
}

#endif
