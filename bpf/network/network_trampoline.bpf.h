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
        socket = MAKE_SOCKET(sk, address, has_storage() ? bpf_get_socket_cookie(sk) : 0);
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

/*
 * inet_csk_accept(sk, flags, error, kern), since 6.10 (sk, argument): what it returns stands behind
 * its arguments.
 */
SEC("fexit/inet_csk_accept")
int on_accept(u64 *context) {
    u64 address = 0;
    u32 at = LINUX_KERNEL_VERSION >= ACCEPT_ARGUMENT_KERNEL_VERSION ? 2 : 4;
    bpf_probe_read_kernel(&address, sizeof(address), &context[at]);
    if (address == 0)
        return 0;
    struct network_socket *socket;
    if (LINUX_KERNEL_VERSION >= ACCEPT_ARGUMENT_KERNEL_VERSION) {
        struct sock *sk = (void *)context[2];
        if (!sk)
            return 0;
        socket = MAKE_SOCKET(sk, address, has_storage() ? bpf_get_socket_cookie(sk) : 0);
    } else {
        struct sock *sk = (void *)context[4];
        if (!sk)
            return 0;
        socket = MAKE_SOCKET(sk, address, has_storage() ? bpf_get_socket_cookie(sk) : 0);
    }
    if (!socket)
        return 0;
    own_socket(socket);
    if (control(NETWORK_CONTROL_ACCEPT_HOOKED))
        tell_socket(context, socket, NETWORK_ACCEPT, TCP_SYN_RECV, 0);
    return 0;
}

#endif
