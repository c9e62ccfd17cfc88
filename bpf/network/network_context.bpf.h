/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What programs at a cgroup are given (uapi/linux/bpf.h, a stable interface), and the numbers of
 * the protocols. The offsets of these structs are as written here: the verifier translates them.
 */
#ifndef SHRIKE_NETWORK_CONTEXT_BPF_H
#define SHRIKE_NETWORK_CONTEXT_BPF_H

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>

struct bpf_sock {
    u32 bound_dev_if;
    u32 family;
    u32 type;
    u32 protocol;
    u32 mark;
    u32 priority;
    u32 src_ip4;
    u32 src_ip6[4];
    u32 src_port; /* of the host's byte order */
    u16 dst_port; /* of the network's */
    u16 _reserved;
    u32 dst_ip4;
    u32 dst_ip6[4];
    u32 state;
};

struct __sk_buff {
    u32 len;
    u32 pkt_type;
    u32 mark;
    u32 queue_mapping;
    u32 protocol; /* ETH_P_*, of the network's byte order */
    u32 _unused[36];
    u32 gso_segs;
    struct bpf_sock *sk __attribute__((aligned(8)));
    u32 gso_size;
};

struct bpf_sock_addr {
    u32 user_family;
    u32 user_ip4;
    u32 user_ip6[4];
    u32 user_port; /* of the network's byte order */
    u32 family;
    u32 type;
    u32 protocol;
    u32 msg_src_ip4;
    u32 msg_src_ip6[4];
    struct bpf_sock *sk __attribute__((aligned(8)));
};

/* What bpf_tcp_sock() gives, of uapi/linux/bpf.h too. */
struct bpf_tcp_sock {
    u32 _before[4];
    u32 rcv_nxt;
    u32 snd_nxt;
    u32 snd_una;
    u32 _between[13];
    u64 bytes_received;
    u64 bytes_acked;
};

_Static_assert(__builtin_offsetof(struct bpf_tcp_sock, bytes_received) == 80, "");
_Static_assert(__builtin_offsetof(struct bpf_sock, state) == 72, "");
_Static_assert(__builtin_offsetof(struct __sk_buff, gso_segs) == 164, "");
_Static_assert(__builtin_offsetof(struct __sk_buff, sk) == 168, "");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, sk) == 64, "");

/* No program here ever returns anything else: the others drop packets and refuse calls. */
#define LET_PASS 1

#define AF_INET 2
#define AF_INET6 10
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

/* include/net/tcp_states.h */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_LISTEN 10

/* Next headers and protocols (IANA). */
#define IPPROTO_HOPOPTS 0
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_DSTOPTS 60

/* Place of a protocol in a traffic class. */
enum protocol_class {
    CLASS_TCP = 0,
    CLASS_UDP = 1,
    CLASS_OTHER = 2,
};

static __always_inline u8 protocol_class(u32 protocol) {
    return protocol == IPPROTO_TCP ? CLASS_TCP : protocol == IPPROTO_UDP ? CLASS_UDP : CLASS_OTHER;
}

/* A 16-bit number of the network's byte order, on our little-endian machines. */
static __always_inline u16 from_network16(u16 value) {
    return __builtin_bswap16(value);
}

#endif
