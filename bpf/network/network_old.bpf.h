/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets that are older than these programs: user space reads this iterator once, when all are
 * attached. Who has a descriptor of a socket that nobody was seen to use has it from the one who
 * made it, or is it.
 */
#ifndef SHRIKE_NETWORK_OLD_BPF_H
#define SHRIKE_NETWORK_OLD_BPF_H

#include "network_state.bpf.h"
#include "network_use.bpf.h"

/* uapi/linux/stat.h */
enum file_mode {
    FILE_MODE_TYPE = 0170000,
    FILE_MODE_SOCKET = 0140000,
};

struct bpf_iter_meta {
    struct seq_file *seq;
    u64 session_id;
    u64 seq_num;
};

/* include/linux/btf.h: what the iterator's program gets; each is 8 bytes. */
struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    u64 fd;
    struct file *file;
};

/* The socket of a file, by its address; 0 when it is none of IP. */
static __noinline u64 ip_socket(u64 file) {
    const struct file *opened = (const void *)file;
    u16 mode = BPF_CORE_READ(opened, f_inode, i_mode);
    if ((mode & FILE_MODE_TYPE) != FILE_MODE_SOCKET)
        return 0;
    const struct socket *socket = (const void *)BPF_CORE_READ(opened, private_data);
    /* Each socket knows the file that it was opened by. */
    if ((u64)BPF_CORE_READ(socket, file) != file)
        return 0;
    u64 sk = (u64)BPF_CORE_READ(socket, sk);
    u16 family = sk ? BPF_CORE_READ(SOCK(sk), __sk_common.skc_family) : 0;
    return family == AF_INET || family == AF_INET6 ? sk : 0;
}

/* Whose a socket is that has no owner. */
static __noinline int meet_old(struct network_socket *socket, u64 sk, u64 task) {
    u8 state = BPF_CORE_READ(SOCK(sk), __sk_common.skc_state);
    if (socket->owner.tgid)
        return 0;
    fill_owner(&socket->owner, task);
    if (socket->protocol_class != CLASS_TCP)
        return 0;
    if (state == TCP_LISTEN)
        enter_listener(socket);
    else if (state == TCP_ESTABLISHED)
        count_opened(socket);
    count_network(NETWORK_COUNT_SOCKETS_FOUND);
    return 0;
}

SEC("iter/task_file")
int on_old_socket(struct bpf_iter__task_file *ctx) {
    u64 places[4] = {};
    u8 mark = '.';
    struct file *file = ctx->file;
    if (!file)
        return 0;
    bpf_probe_read_kernel(places, sizeof(places), ctx);
    /* Something for each file, so that each read(2) looks at as many as it has room for. */
    bpf_seq_write(ctx->meta->seq, &mark, sizeof(mark));
    u64 sk = ip_socket(places[3]);
    if (!sk)
        return 0;
    struct network_socket *socket = 0;
    if (has_storage()) {
        struct socket *opened = bpf_sock_from_file(file);
        struct sock *pointer = opened ? opened->sk : 0;
        if (!pointer)
            return 0;
        socket = MAKE_SOCKET(pointer, sk, 0);
    } else {
        socket = bpf_map_lookup_elem(&sockets, &sk);
        if (!socket)
            socket = make_hashed(sk);
        if (socket && !socket->is_made)
            fill_socket(socket, sk, 0);
    }
    if (socket)
        meet_old(socket, sk, places[1]);
    return 0;
}

#endif
