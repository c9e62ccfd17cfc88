/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is known of sockets, and who uses them.
 *
 * A socket is handed about in two forms: as the pointer that helpers take (the context's, a
 * tracepoint's) and as its address, a plain number, from which fields are read. Addresses come from
 * memory that has them, because verifiers let no pointer become a number otherwise.
 */
#ifndef SHRIKE_NETWORK_SOCKET_BPF_H
#define SHRIKE_NETWORK_SOCKET_BPF_H

#include "kernel_types.h"
#include "network_context.bpf.h"
#include "network_maps.bpf.h"
#include "task.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define SOCK(address) ((const struct sock *)(address))

static __always_inline bool is_mapped(const u8 *address) {
    const u64 *halves = (const void *)address;
    return halves[0] == 0 && (halves[1] & 0xffffffff) == 0xffff0000;
}

/* IPv4 as IPv4, also where the socket is an IPv6 one (::ffff:a.b.c.d). */
static __always_inline void unmap_address(u8 *address) {
    u64 *halves = (void *)address;
    halves[0] = halves[1] >> 32;
    halves[1] = 0;
}

/* Both ends as the socket has them now; what it has no more stays as it is in `tuple`. */
static __noinline void read_tuple(u64 sk, struct network_tuple *tuple) {
    u64 addresses[4] = {};
    u8 *local = (u8 *)addresses, *remote = (u8 *)&addresses[2];
    u16 family = BPF_CORE_READ(SOCK(sk), __sk_common.skc_family);
    u16 local_port = BPF_CORE_READ(SOCK(sk), __sk_common.skc_num);
    u16 remote_port = from_network16(BPF_CORE_READ(SOCK(sk), __sk_common.skc_dport));
    tuple->family = 4;
    if (family == AF_INET6) {
        BPF_CORE_READ_INTO((struct in6_addr *)local, SOCK(sk), __sk_common.skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO((struct in6_addr *)remote, SOCK(sk), __sk_common.skc_v6_daddr);
        if (is_mapped(remote) || is_mapped(local)) {
            unmap_address(local);
            unmap_address(remote);
        } else {
            tuple->family = 6;
        }
    } else {
        addresses[0] = BPF_CORE_READ(SOCK(sk), __sk_common.skc_rcv_saddr);
        addresses[2] = BPF_CORE_READ(SOCK(sk), __sk_common.skc_daddr);
    }
    __builtin_memcpy(tuple->local_address, local, 16);
    __builtin_memcpy(tuple->remote_address, remote, 16);
    tuple->net_ns = BPF_CORE_READ(SOCK(sk), __sk_common.skc_net.net, ns.inum);
    tuple->protocol = BPF_CORE_READ(SOCK(sk), sk_protocol);
    if (local_port)
        tuple->local_port = local_port;
    if (remote_port)
        tuple->remote_port = remote_port;
}

/* 5.10 cannot number a socket from a tracepoint; a number of ours is as good a name. */
static __always_inline u64 own_number(void) {
    return bpf_ktime_get_ns() | 1ULL << 63;
}

/* Fills a new row; `sk` is the socket's address. */
static __noinline void fill_socket(struct network_socket *socket, u64 sk, u64 cookie) {
    socket->cookie = cookie;
    if (cookie == 0)
        cookie = BPF_CORE_READ(SOCK(sk), __sk_common.skc_cookie.counter);
    socket->cookie = cookie ? cookie : own_number();
    read_tuple(sk, &socket->tuple);
    socket->protocol_class = protocol_class(socket->tuple.protocol);
    socket->is_made = 1;
}

/* The row of a socket without storage. */
static __noinline struct network_socket *make_hashed(u64 sk) {
    struct network_socket fresh = {};
    int error = bpf_map_update_elem(&sockets, &sk, &fresh, BPF_NOEXIST);
    count_network(error ? NETWORK_COUNT_SOCKETS_FAILED : NETWORK_COUNT_SOCKETS_ENTERED);
    return bpf_map_lookup_elem(&sockets, &sk);
}

/*
 * The row of a socket, NULL when it has none. `pointer` is what bpf_sk_storage_get() takes,
 * `sk` the address; an expression, which is evaluated only where there is no storage. A socket that
 * could get none is in the hash: its memory for options may be used up, and 7.2 gives none at all
 * on CPUs without cmpxchg16b (as guests are emulated): kmalloc_nolock() needs that. With it, it
 * does.
 */
#define FIND_SOCKET(pointer, sk)                                                                   \
    ({                                                                                             \
        struct network_socket *_found = 0;                                                         \
        if (has_storage())                                                                         \
            _found = bpf_sk_storage_get(&socket_storage, pointer, 0, 0);                           \
        if (!_found) {                                                                             \
            u64 _sk = (sk);                                                                        \
            _found = bpf_map_lookup_elem(&sockets, &_sk);                                          \
        }                                                                                          \
        _found;                                                                                    \
    })

/* The same, made when there is none; NULL when there is no memory for it. */
#define MAKE_SOCKET(pointer, sk, number)                                                           \
    ({                                                                                             \
        struct network_socket *_made = 0;                                                          \
        u64 _sk = (sk);                                                                            \
        if (has_storage())                                                                         \
            _made = bpf_sk_storage_get(&socket_storage, pointer, 0, BPF_SK_STORAGE_GET_F_CREATE);  \
        if (!_made) {                                                                              \
            _made = bpf_map_lookup_elem(&sockets, &_sk);                                           \
            if (!_made)                                                                            \
                _made = make_hashed(_sk);                                                          \
        }                                                                                          \
        if (_made && !_made->is_made)                                                              \
            fill_socket(_made, _sk, number);                                                       \
        _made;                                                                                     \
    })

/* The number of a socket that a tracepoint or a trampoline has; 0 where it cannot be asked for. */
#define TRACED_COOKIE(sk) (has_storage() ? bpf_get_socket_cookie(sk) : 0)

/* Takes out the row of a socket that is no more; storage goes with its socket. */
static __always_inline void forget_socket(u64 sk) {
    if (bpf_map_delete_elem(&sockets, &sk) == 0)
        count_network(NETWORK_COUNT_SOCKETS_DELETED);
}

/* A socket begins anew: what its row, or that of its listener, said is of the past. */
static __always_inline void begin_socket(struct network_socket *socket, u8 side) {
    socket->opened_ns = bpf_ktime_get_ns();
    socket->bytes[0] = 0;
    socket->bytes[1] = 0;
    socket->packets[0] = 0;
    socket->packets[1] = 0;
    socket->retransmits = 0;
    socket->interval = 0;
    socket->side = side;
    socket->is_seen_made = 1;
    socket->carries = NETWORK_CARRIES_NOTHING;
    socket->is_told = 0;
}

/* The cgroup of a task in v2, mounted or not. */
static __always_inline u64 v2_cgroup_id(const struct task_struct *task) {
    return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/* Writes down a task as the user of a socket; `task` may be any kernel pointer. */
static __noinline void fill_owner(struct network_owner *owner, u64 address) {
    const struct task_struct *task = (const void *)address;
    const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    const struct cgroup *cgroup = (const void *)cgroup_address(task);
    struct pid_place place;
    u64 cgroup_id = 0;
    if (cgroup_source != CGROUP_SOURCE_NONE)
        cgroup_id = BPF_CORE_READ(cgroup, kn, id);
    read_pid_place(&place, leader);
    owner->leader_start_ns = BPF_CORE_READ(leader, start_boottime);
    owner->css_set = (u64)BPF_CORE_READ(task, cgroups);
    owner->tgid = BPF_CORE_READ(task, tgid);
    owner->tid = BPF_CORE_READ(task, pid);
    owner->namespace_tgid = place.number;
    owner->cgroup_id = cgroup_id;
    owner->cgroup_level = cgroup_id ? BPF_CORE_READ(cgroup, level) : 0;
    owner->tracking_id = cgroup_id ? find_tracking(cgroup_id, task) : 0;
}

/* The running task uses a socket: a system call of it is why the program runs. */
static __always_inline void own_socket(struct network_socket *socket) {
    u64 address = bpf_get_current_task();
    const struct task_struct *task = (const void *)address;
    socket->is_inherited = 0;
    if (socket->owner.tgid == (u32)(bpf_get_current_pid_tgid() >> 32) &&
        socket->owner.css_set == (u64)BPF_CORE_READ(task, cgroups) &&
        socket->owner.leader_start_ns == BPF_CORE_READ(task, group_leader, start_boottime))
        return;
    fill_owner(&socket->owner, address);
}

/* Who waits for connections at this end; any address when nobody at this one. */
static __noinline void inherit_owner(struct network_socket *socket) {
    struct listener_key key = {.net_ns = socket->tuple.net_ns, .port = socket->tuple.local_port};
    __builtin_memcpy(key.address, socket->tuple.local_address, sizeof(key.address));
    const struct network_owner *owner = bpf_map_lookup_elem(&listeners, &key);
    if (!owner) {
        __builtin_memset(key.address, 0, sizeof(key.address));
        owner = bpf_map_lookup_elem(&listeners, &key);
    }
    if (!owner)
        return;
    socket->owner = *owner;
    socket->is_inherited = 1;
}

static __always_inline void fill_listener_key(struct listener_key *key,
                                              const struct network_socket *socket) {
    __builtin_memcpy(key->address, socket->tuple.local_address, sizeof(key->address));
    key->net_ns = socket->tuple.net_ns;
    key->port = socket->tuple.local_port;
    key->_reserved = 0;
}

/* For accepted sockets that do not get a copy of their listener's row. */
static __noinline void enter_listener(const struct network_socket *socket) {
    struct listener_key key;
    fill_listener_key(&key, socket);
    if (bpf_map_update_elem(&listeners, &key, &socket->owner, BPF_ANY) != 0)
        count_network(NETWORK_COUNT_LISTENERS_FULL);
}

static __noinline void forget_listener(const struct network_socket *socket) {
    struct listener_key key;
    fill_listener_key(&key, socket);
    bpf_map_delete_elem(&listeners, &key);
}

#endif
