/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Programs of TCP's tracepoints: connections that come and go.
 */
#ifndef SHRIKE_NETWORK_STATE_BPF_H
#define SHRIKE_NETWORK_STATE_BPF_H

#include "network_flow.bpf.h"
#include "network_handshake.bpf.h"
#include "network_record.bpf.h"
#include "network_traffic.bpf.h"
#include <bpf/bpf_tracing.h>

/* What a socket has failed with; the soft error is what ICMP has said meanwhile. */
static __always_inline u32 error_of(u64 sk) {
    int error = BPF_CORE_READ(SOCK(sk), sk_err);
    return error ? error : BPF_CORE_READ(SOCK(sk), sk_err_soft);
}

/* A connection is there. One of which it is not known whose it is is on no row. */
static __noinline int count_opened(struct network_socket *socket) {
    u64 id = socket->owner.tracking_id;
    if (socket->open_id || id == 0)
        return 0;
    struct network_traffic *row = bpf_map_lookup_elem(&traffic, &id);
    if (!row)
        row = make_traffic(id);
    if (!row)
        return 0;
    socket->open_id = id;
    __sync_fetch_and_add(&row->open, 1);
    return 0;
}

/* It is no more; its row may be gone with its workload. */
static __noinline int count_closed(struct network_socket *socket) {
    u64 id = socket->open_id;
    if (id == 0)
        return 0;
    socket->open_id = 0;
    struct network_traffic *row = bpf_map_lookup_elem(&traffic, &id);
    if (row)
        __sync_fetch_and_add(&row->open, -1);
    return 0;
}

/* The end of a connection, of a listener, or of an attempt. */
static __noinline int see_end(void *ctx, struct network_socket *socket, u64 sk, u32 before) {
    u32 change = NETWORK_CLOSE;
    count_closed(socket);
    if (before == TCP_SYN_SENT || (before == TCP_SYN_RECV && socket->side == NETWORK_SIDE_LOCAL))
        change = NETWORK_CONNECT_FAILED;
    else if (before == TCP_SYN_RECV)
        return 0; /* the other side gave up before it was there; it was not told */
    if (before == TCP_LISTEN)
        forget_listener(socket);
    else
        socket->retransmits = BPF_CORE_READ((const struct tcp_sock *)sk, total_retrans);
    tell_socket(ctx, socket, change, before, error_of(sk));
    return change == NETWORK_CLOSE ? end_flow(socket) : 0;
}

/* Whether an accepted socket has got its listener's row. */
static __always_inline bool is_copied(const struct network_socket *socket) {
    return has_storage() && socket->owner.tgid != 0;
}

static __always_inline u32 transition_of(u32 before, u32 after) {
    return before << 8 | after;
}

static __noinline int see_transition(void *ctx, struct network_socket *socket, u64 sk, u32 before,
                                     u32 after) {
    u32 transition = transition_of(before, after);
    if (socket->transition == transition)
        return 0; /* the other program of this hook has seen it */
    socket->transition = transition;
    if (after == TCP_CLOSE)
        return see_end(ctx, socket, sk, before);
    if (after == TCP_SYN_SENT) {
        begin_socket(socket, NETWORK_SIDE_LOCAL);
        own_socket(socket);
        socket->tuple.local_port = 0; /* of a connection before; it gets one in a moment */
    }
    if (before == TCP_LISTEN && after == TCP_SYN_RECV) {
        begin_socket(socket, NETWORK_SIDE_REMOTE);
        socket->is_inherited = 1;
    }
    if (after == TCP_LISTEN)
        own_socket(socket);
    read_tuple(sk, &socket->tuple);
    if (before == TCP_LISTEN && after == TCP_SYN_RECV && !is_copied(socket))
        inherit_owner(socket);
    if (before == TCP_LISTEN && after == TCP_SYN_RECV)
        take_handshake(socket);
    if (after == TCP_LISTEN) {
        enter_listener(socket);
        return tell_socket(ctx, socket, NETWORK_LISTEN, before, 0);
    }
    if (after != TCP_ESTABLISHED)
        return 0;
    count_opened(socket);
    if (socket->side == NETWORK_SIDE_LOCAL)
        return tell_socket(ctx, socket, NETWORK_CONNECT, before, 0);
    if (!control(NETWORK_CONTROL_ACCEPT_HOOKED))
        return tell_socket(ctx, socket, NETWORK_ACCEPT, before, 0);
    return 0;
}

/*
 * inet_sock_set_state(sk, before, after): in tcp_set_state() and inet_csk_clone_lock(), in system
 * calls, timers and interrupts. The kernel skips a program that it interrupts itself, so there are
 * two.
 */
static __always_inline void see_state(u64 *ctx, struct sock *sk, int before, int after) {
    u64 address = 0;
    if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
        return;
    bpf_probe_read_kernel(&address, sizeof(address), ctx);
    bool is_copy = before == TCP_LISTEN && after == TCP_SYN_RECV;
    u64 cookie = TRACED_COOKIE(sk);
    struct network_socket *socket = MAKE_SOCKET(sk, address, cookie);
    if (!socket)
        return;
    if (is_copy && socket->transition != transition_of(before, after)) {
        /* The row is a copy of the listener's, and the kernel's number may still be, too. */
        if (!has_storage() || socket->cookie == cookie)
            cookie = own_number();
        socket->cookie = cookie;
    }
    see_transition(ctx, socket, address, before, after);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int before, int after) {
    hook_enter();
    see_state(ctx, sk, before, after);
    hook_leave();
    return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state_spare, struct sock *sk, int before, int after) {
    hook_enter();
    see_state(ctx, sk, before, after);
    hook_leave();
    return 0;
}

/* tcp_destroy_sock(sk): in tcp_v4_destroy_sock(), also for IPv6; nothing comes after it. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_tcp_destroy, struct sock *sk) {
    u64 address = 0;
    bpf_probe_read_kernel(&address, sizeof(address), ctx);
    forget_socket(address);
    return 0;
}

/* tcp_retransmit_skb(sk, skb): in __tcp_retransmit_skb(); one skb may stand for many segments. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, struct sock *sk, struct sk_buff *skb) {
    u64 address = 0;
    bpf_probe_read_kernel(&address, sizeof(address), ctx);
    struct network_socket *socket = FIND_SOCKET(sk, address);
    if (!socket)
        return 0;
    const struct tcp_skb_cb *block = (const void *)&skb->cb;
    u32 segments = BPF_CORE_READ(block, tcp_gso_segs);
    if (segments == 0)
        segments = 1;
    __sync_fetch_and_add(&socket->retransmits, segments);
    count_flow_retransmits(socket, segments);
    return 0;
}

#endif
