/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Programs of system calls that make or use a socket: they say whose it is. A socket may change
 * hands: by fork, by a descriptor that is passed on, by socket activation.
 */
#ifndef SHRIKE_NETWORK_USE_BPF_H
#define SHRIKE_NETWORK_USE_BPF_H

#include "network_flow.bpf.h"
#include "network_record.bpf.h"
#include "network_trampoline.bpf.h"
#include <bpf/bpf_tracing.h>

/* The address of the socket that a program of cgroup/sock_* is run for; see inet_create(). */
static __always_inline u64 own_address(struct bpf_sock *context) {
    return (u64)BPF_CORE_READ((struct sock *)context, sk_socket, sk);
}

static __always_inline u64 called_address(struct bpf_sock_addr *context) {
    return (u64)BPF_CORE_READ((struct bpf_sock_addr_kern *)context, sk);
}

SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *context) {
    u64 sk = own_address(context);
    forget_socket(sk); /* of a socket that was at this address before */
    struct network_socket *socket = MAKE_SOCKET(context, sk, bpf_get_socket_cookie(context));
    if (!socket)
        return LET_PASS;
    socket->made_cgroup_id = v2_cgroup_id((const void *)bpf_get_current_task());
    begin_socket(socket, NETWORK_SIDE_UNKNOWN);
    own_socket(socket);
    return LET_PASS;
}

/*
 * What went to the peer of a UDP socket ends: it gets another one, or none. The row keeps the peer
 * that it had, because the socket may not have it any more.
 */
static __noinline int end_peer(void *ctx, struct network_socket *socket) {
    if (socket->protocol_class != CLASS_UDP || !socket->carries)
        return 0;
    tell_socket(ctx, socket, NETWORK_CLOSE, 0, 0);
    end_flow(socket);
    __builtin_memset(socket->tuple.remote_address, 0, sizeof(socket->tuple.remote_address));
    socket->tuple.remote_port = 0;
    begin_socket(socket, NETWORK_SIDE_UNKNOWN);
    return 0;
}

/*
 * connect(2) to AF_UNSPEC takes the peer away, and runs no program: the next packet, datagram or
 * the end of the socket shows it.
 */
static __noinline int see_disconnect(void *ctx, struct network_socket *socket, u64 sk) {
    if (socket->is_told && BPF_CORE_READ(SOCK(sk), __sk_common.skc_state) != TCP_ESTABLISHED)
        end_peer(ctx, socket);
    return 0;
}

/* Of UDP and the like, which have no other end; connections of TCP live on, see on_tcp_destroy. */
SEC("cgroup/sock_release")
int on_sock_release(struct bpf_sock *context) {
    struct network_socket *socket = FIND_SOCKET(context, own_address(context));
    if (!socket || socket->protocol_class == CLASS_TCP)
        return LET_PASS;
    see_disconnect(context, socket, own_address(context));
    read_tuple(own_address(context), &socket->tuple);
    if (socket->protocol_class == CLASS_UDP && (socket->carries || socket->is_bound))
        tell_socket(context, socket, NETWORK_CLOSE, 0, 0);
    end_flow(socket);
    forget_socket(own_address(context));
    return LET_PASS;
}

/* connect(2), for TCP before the change of state. */
static __always_inline int see_connect(struct bpf_sock_addr *context) {
    struct network_socket *socket =
        MAKE_SOCKET(context->sk, called_address(context), bpf_get_socket_cookie(context));
    if (!socket)
        return LET_PASS;
    if (socket->protocol_class != CLASS_TCP) {
        end_peer(context, socket);
        begin_socket(socket, NETWORK_SIDE_LOCAL);
    }
    own_socket(socket);
    return LET_PASS;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *context) {
    return see_connect(context);
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *context) {
    return see_connect(context);
}

/* A datagram with an address: before its packet is made. */
static __always_inline int see_datagram(struct bpf_sock_addr *context) {
    struct network_socket *socket =
        MAKE_SOCKET(context->sk, called_address(context), bpf_get_socket_cookie(context));
    if (!socket)
        return LET_PASS;
    if (report_connections)
        see_disconnect(context, socket, called_address(context));
    own_socket(socket);
    return LET_PASS;
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *context) {
    return see_datagram(context);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *context) {
    return see_datagram(context);
}

/* bind(2), which may go wrong afterwards; see on_post_bind4(). */
static __always_inline int see_bind(struct bpf_sock_addr *context) {
    struct network_socket *socket =
        MAKE_SOCKET(context->sk, called_address(context), bpf_get_socket_cookie(context));
    if (!socket)
        return LET_PASS;
    socket->is_bound = context->user_port != 0;
    own_socket(socket);
    return LET_PASS;
}

SEC("cgroup/bind4")
int on_bind4(struct bpf_sock_addr *context) {
    return see_bind(context);
}

SEC("cgroup/bind6")
int on_bind6(struct bpf_sock_addr *context) {
    return see_bind(context);
}

/* Who is bound to a port of his choice waits for datagrams; TCP says so by listen(2). */
static __always_inline int see_bound(struct bpf_sock *context) {
    struct network_socket *socket = FIND_SOCKET(context, own_address(context));
    if (!socket || socket->protocol_class != CLASS_UDP || !socket->is_bound)
        return LET_PASS;
    read_tuple(own_address(context), &socket->tuple);
    tell_socket(context, socket, NETWORK_LISTEN, 0, 0);
    return LET_PASS;
}

SEC("cgroup/post_bind4")
int on_post_bind4(struct bpf_sock *context) {
    return see_bound(context);
}

SEC("cgroup/post_bind6")
int on_post_bind6(struct bpf_sock *context) {
    return see_bound(context);
}

/*
 * Whether the task's process began then, where a process of its number did. Most tasks are their
 * own leader; no other thread has begun when an earlier leader of this number did.
 */
static __always_inline bool is_started_at(const struct task_struct *task, u64 start_ns) {
    return task->start_boottime == start_ns || task->group_leader->start_boottime == start_ns;
}

/*
 * Whether the running task owns a socket already, as most times: read by plain loads, which are
 * safe in the kernels that have these tracepoints (see task.bpf.h).
 */
static __always_inline bool is_owner(const struct network_socket *socket) {
    const struct task_struct *task = bpf_get_current_task_btf();
    return socket->owner.tgid == (u32)task->tgid && socket->owner.css_set == (u64)task->cgroups &&
           !socket->is_inherited && is_started_at(task, socket->owner.leader_start_ns);
}

/* Apart, so that what runs each time is short: most of its cost is to fetch the instructions. */
static __noinline int see_new_use(struct sock *sk) {
    see_use(sk, (u64)BPF_CORE_READ(sk, sk_socket, sk));
    return 0;
}

/* sock_send_length(sk, ret, flags), sock_recv_length(): in sock_sendmsg(), sock_recvmsg(), 6.3. */
static __always_inline void see_length(struct sock *sk) {
    u16 family = sk->__sk_common.skc_family;
    if (family != AF_INET && family != AF_INET6)
        return;
    const struct network_socket *socket = bpf_sk_storage_get(&socket_storage, sk, 0, 0);
    if (!socket || !is_owner(socket))
        see_new_use(sk);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send_length, struct sock *sk, int result, int flags) {
    see_length(sk);
    return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_recv_length, struct sock *sk, int result, int flags) {
    see_length(sk);
    return 0;
}

#endif
