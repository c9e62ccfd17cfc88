/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The network sensor: traffic by workload, and on request flows, connections and DNS.
 *
 * Packets are counted by two programs at the root of the v2 tree; several programs may be attached
 * there (they run one after the other). Who uses a socket is learned in the system calls that use
 * it, for the rest from the listener or from the cgroup that the kernel keeps with a socket. No
 * program here ever returns anything but LET_PASS: nothing is dropped or refused.
 */
#include "kernel_types.h"
#include "network.h"
#include "network_trampoline.bpf.h"
#include "network_socket.bpf.h"
#include "network_traffic.bpf.h"
#include "network_record.bpf.h"
#include "network_flow.bpf.h"
#include "network_dns.bpf.h"
#include "network_state.bpf.h"
#include "network_use.bpf.h"
#include "network_old.bpf.h"
#include <bpf/bpf_tracing.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

/* A datagram to the peer of connect(2) is as much of a connection as UDP has. */
static __always_inline void tell_udp_connect(struct __sk_buff *skb, struct network_socket *socket) {
    if (socket->protocol_class != CLASS_UDP || socket->is_told)
        return;
    struct bpf_sock *pointer = skb->sk;
    if (!pointer || pointer->state != TCP_ESTABLISHED)
        return;
    socket->is_told = 1;
    read_tuple(skb_socket(skb), &socket->tuple);
    tell_socket(skb, socket, NETWORK_CONNECT, 0, 0);
}

/* What is done only on request. */
static __noinline int look_closer(struct __sk_buff *skb, struct network_socket *socket,
                                  u32 direction, u32 segments) {
    struct packet packet;
    if (report_connections && direction == NETWORK_SENT)
        tell_udp_connect(skb, socket);
    bool counts_handshake = report_connections && is_handshake(skb, socket);
    if (!report_flows && !report_dns && !counts_handshake)
        return 0;
    if (read_packet(skb, &packet, direction, socket->tuple.net_ns))
        return 0;
    if (counts_handshake && packet.has_ports)
        count_handshake(skb, &packet.tuple, direction, segments);
    if (report_flows)
        count_flow(skb, socket, &packet.tuple, direction, segments);
    if (report_dns)
        tell_dns(skb, socket, &packet, direction);
    return 0;
}

/* The first packet of a socket, and each one of which more is to be known than its size. */
static __noinline int take_packet(struct __sk_buff *skb, u32 direction) {
    struct network_socket *socket = take_socket(skb);
    if (report_connections && socket)
        see_disconnect(skb, socket, skb_socket(skb));
    u32 segments = segments_of(skb);
    direction &= 1;
    count_traffic(skb, socket, direction, segments);
    if ((report_flows || report_dns || report_connections) && socket)
        look_closer(skb, socket, direction, segments);
    return 0;
}

static __always_inline int see_packet(struct __sk_buff *skb, u32 direction) {
    if (!count_plain(skb, direction))
        take_packet(skb, direction);
    return LET_PASS;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb) {
    return see_packet(skb, NETWORK_RECEIVED);
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb) {
    return see_packet(skb, NETWORK_SENT);
}
