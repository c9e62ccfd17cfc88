/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Programs that need trampolines (fentry, fexit), which not all kernels have. They stand first in
 * the object: the kernel refuses them before it has looked at anything else, and the loader then
 * does without.
 */
#ifndef SHRIKE_NETWORK_TRAMPOLINE_BPF_H
#define SHRIKE_NETWORK_TRAMPOLINE_BPF_H

#include "network_record.bpf.h"
#include <bpf/bpf_tracing.h>

/*
 * The running task sends or receives; `sk` is of the tracepoint's or function's type. Most times it
 * is the owner, and then nothing else is read.
 */
static __always_inline void see_use(struct sock *sk, u64 address) {
    u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (family != AF_INET && family != AF_INET6)
        return;
    struct network_socket *socket = FIND_SOCKET(sk, address);
    if (!socket || !socket->is_made)
        socket = MAKE_SOCKET(sk, address, TRACED_COOKIE(sk));
    if (socket)
        own_socket(socket);
}

/* Functions that send and receive, before 6.3 had tracepoints for that. */
SEC("fentry/inet_sendmsg")
int BPF_PROG(on_inet_sendmsg, struct socket *socket) {
    see_use(socket->sk, (u64)BPF_CORE_READ(socket, sk));
    return 0;
}

SEC("fentry/inet6_sendmsg")
int BPF_PROG(on_inet6_sendmsg, struct socket *socket) {
    see_use(socket->sk, (u64)BPF_CORE_READ(socket, sk));
    return 0;
}

SEC("fentry/inet_recvmsg")
int BPF_PROG(on_inet_recvmsg, struct socket *socket) {
    see_use(socket->sk, (u64)BPF_CORE_READ(socket, sk));
    return 0;
}

SEC("fentry/inet6_recvmsg")
int BPF_PROG(on_inet6_recvmsg, struct socket *socket) {
    see_use(socket->sk, (u64)BPF_CORE_READ(socket, sk));
    return 0;
}

#define ACCEPT_ARGUMENT_KERNEL_VERSION ((6 << 16) + (10 << 8))

/* A listener that nobody was seen to make is older than these programs: who accepts waits at it. */
static __noinline int meet_listener(struct sock *sk, u64 address) {
    struct network_socket *socket = MAKE_SOCKET(sk, address, TRACED_COOKIE(sk));
    if (!socket || socket->owner.tgid)
        return 0;
    own_socket(socket);
    enter_listener(socket);
    return 0;
}

/*
 * Another CPU may take a connection out of its listener's queue before its state changes to
 * established: then its row has no other end yet (inet_csk_complete_hashdance(), tcp_check_req()).
 */
static __noinline int see_accepted(u64 *context, struct sock *sk, u64 address) {
    struct network_socket *socket = MAKE_SOCKET(sk, address, TRACED_COOKIE(sk));
    if (!socket)
        return 0;
    read_tuple(address, &socket->tuple);
    own_socket(socket);
    if (control(NETWORK_CONTROL_ACCEPT_HOOKED))
        tell_socket(context, socket, NETWORK_ACCEPT, TCP_SYN_RECV, 0);
    return 0;
}

/*
 * inet_csk_accept(sk, flags, error, kern), since 6.10 (sk, argument): what it returns stands behind
 * its arguments.
 */
SEC("fexit/inet_csk_accept")
int on_accept(u64 *context) {
    u64 address = 0;
    u32 at = LINUX_KERNEL_VERSION >= ACCEPT_ARGUMENT_KERNEL_VERSION ? 2 : 4;
    bpf_probe_read_kernel(&address, sizeof(address), &context[0]);
    struct sock *listener = (void *)context[0];
    if (listener)
        meet_listener(listener, address);
    bpf_probe_read_kernel(&address, sizeof(address), &context[at]);
    /* A place that the verifier knows: one of the two is dropped. */
    struct sock *sk;
    if (LINUX_KERNEL_VERSION >= ACCEPT_ARGUMENT_KERNEL_VERSION)
        sk = (void *)context[2];
    else
        sk = (void *)context[4];
    return address && sk ? see_accepted(context, sk, address) : 0;
}

#endif
