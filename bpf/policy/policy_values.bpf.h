/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The values of a call: numbers, texts, files, sockets. What cannot be read counts as a value that
 * nobody lists, and the record says so.
 */
#ifndef SHRIKE_POLICY_VALUES_BPF_H
#define SHRIKE_POLICY_VALUES_BPF_H

#include "compat.bpf.h"
#include "policy_maps.bpf.h"
#include "policy_path.bpf.h"
#include "policy_work.bpf.h"
#include "task.bpf.h"
#include <bpf/bpf_core_read.h>

enum {
    AF_UNSPEC_FAMILY = 0,
    AF_INET_FAMILY = 2,
    AF_INET6_FAMILY = 10,
    POLICY_NO_FAMILY = 0xffff, /* of an address that was left out */
    SOCKADDR_SIZE = 28,        /* struct sockaddr_in6 */
    SOCK_RAW_TYPE = 3,
    FILE_TYPE_MASK = 0170000,
    FILE_TYPE_SOCKET = 0140000,
    /* Pages may be bigger; then a piece of one is taken for the whole. */
    POLICY_PAGE_SIZE = 4096,
};

/* ---- files ---- */

static __always_inline void policy_read_inode(struct policy_work *work, u32 index,
                                              const struct inode *inode) {
    if (index >= POLICY_ARGS_MAX)
        return;
    struct policy_file_value *to = &work->files[bounded(index, POLICY_ARGS_MAX - 1)];
    to->inode = BPF_CORE_READ(inode, i_ino);
    to->device = BPF_CORE_READ(inode, i_sb, s_dev);
    to->mode = BPF_CORE_READ(inode, i_mode);
}

/* A `struct file`: what it is, and its path. */
static __always_inline void policy_read_file(struct policy_work *work, u32 id, u32 index,
                                             const struct file *file) {
    if (!file) {
        work->values[bounded(index, POLICY_TEXTS - 1)].flags |= POLICY_HIT_UNREADABLE;
        return;
    }
    policy_read_inode(work, index, BPF_CORE_READ(file, f_inode));
    policy_read_path(id, index, (u64)file + bpf_core_field_offset(struct file, f_path));
}

/* The open file behind a descriptor of the current process; NULL when there is none. */
static __always_inline const struct file *policy_file_of_fd(u64 fd) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    const struct file *file = 0;
    if ((u32)fd >= BPF_CORE_READ(table, max_fds))
        return 0;
    bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + (u32)fd);
    return file;
}

/* ---- sockets ---- */

static __always_inline void policy_map_ipv4(u8 *to, u32 address) {
    __builtin_memset(to, 0, 10);
    to[10] = 0xff;
    to[11] = 0xff;
    __builtin_memcpy(to + 12, &address, 4);
}

static __always_inline void policy_read_sock(struct policy_socket_value *to,
                                             const struct sock *sock) {
    to->family = BPF_CORE_READ(sock, __sk_common.skc_family);
    to->state = BPF_CORE_READ(sock, __sk_common.skc_state);
    to->type = BPF_CORE_READ(sock, sk_type);
    to->protocol = BPF_CORE_READ(sock, sk_protocol);
    to->mark = BPF_CORE_READ(sock, sk_mark);
    to->cookie = BPF_CORE_READ(sock, __sk_common.skc_cookie.counter);
    to->source_port = BPF_CORE_READ(sock, __sk_common.skc_num);
    to->destination_port = __builtin_bswap16(BPF_CORE_READ(sock, __sk_common.skc_dport));
    if (to->family == AF_INET_FAMILY) {
        policy_map_ipv4(to->source_address, BPF_CORE_READ(sock, __sk_common.skc_rcv_saddr));
        policy_map_ipv4(to->destination_address, BPF_CORE_READ(sock, __sk_common.skc_daddr));
    } else if (to->family == AF_INET6_FAMILY) {
        BPF_CORE_READ_INTO(&to->source_address, sock, __sk_common.skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO(&to->destination_address, sock, __sk_common.skc_v6_daddr);
    }
}

/* The socket behind a descriptor of the current process; NULL when there is none. */
static __always_inline const struct sock *policy_sock_of_fd(u64 fd) {
    const struct file *file = policy_file_of_fd(fd);
    u16 mode = BPF_CORE_READ(file, f_inode, i_mode);
    if (!file || (mode & FILE_TYPE_MASK) != FILE_TYPE_SOCKET)
        return 0;
    const struct socket *socket = BPF_CORE_READ(file, private_data);
    return BPF_CORE_READ(socket, sk);
}

/*
 * As what the kernel takes an address of AF_UNSPEC: inet_bind() and udp_sendmsg() as AF_INET,
 * rawv6_sendmsg() as AF_INET6, udpv6_sendmsg() as none. Where the socket is not known it counts as
 * AF_INET, so that no rule is passed that way.
 */
static __always_inline u16 policy_unspec_family(const struct policy_work *work, u32 arg_flags) {
    if (arg_flags & POLICY_ARG_DISCONNECTS)
        return AF_UNSPEC_FAMILY;
    const struct sock *sock =
        arg_flags & POLICY_ARG_OF_SOCKET ? policy_sock_of_fd(work->raw[0]) : 0;
    if (!sock)
        return AF_INET_FAMILY;
    u16 family = BPF_CORE_READ(sock, __sk_common.skc_family);
    if (family == AF_INET6_FAMILY && BPF_CORE_READ(sock, sk_type) != SOCK_RAW_TYPE)
        return AF_UNSPEC_FAMILY;
    return family == AF_INET_FAMILY || family == AF_INET6_FAMILY ? family : AF_UNSPEC_FAMILY;
}

static __always_inline bool policy_is_ip(u16 family) {
    return family == AF_INET_FAMILY || family == AF_INET6_FAMILY;
}

/* False when it could not be read. Only its end is told: a sockaddr is one. */
static __always_inline bool policy_read_sockaddr(const struct policy_work *work,
                                                 struct policy_socket_value *to,
                                                 const void *address, u32 arg_flags) {
    bool is_user = arg_flags & POLICY_ARG_USER;
    u8 bytes[SOCKADDR_SIZE] = {};
    u16 family = 0;
    u16 port = 0;
    u32 ipv4 = 0;
    /* An IPv4 address ends after 16 bytes, perhaps at the end of a page. */
    long error = is_user ? bpf_probe_read_user(bytes, 16, address)
                         : bpf_probe_read_kernel(bytes, 16, address);
    bool is_short = error;
    /* A family alone, or a short path of AF_UNIX. Of others the rest is looked at too. */
    if (is_short)
        error = is_user ? bpf_probe_read_user(bytes, 2, address)
                        : bpf_probe_read_kernel(bytes, 2, address);
    if (error)
        return false;
    __builtin_memcpy(&family, bytes, 2);
    __builtin_memcpy(&port, bytes + 2, 2);
    if (family == AF_UNSPEC_FAMILY)
        family = policy_unspec_family(work, arg_flags);
    to->family = family;
    if (!policy_is_ip(family))
        return true;
    if (is_short)
        return false;
    if (family == AF_INET_FAMILY) {
        __builtin_memcpy(&ipv4, bytes + 4, 4);
        policy_map_ipv4(to->destination_address, ipv4);
    } else {
        error = is_user ? bpf_probe_read_user(bytes, SOCKADDR_SIZE, address)
                        : bpf_probe_read_kernel(bytes, SOCKADDR_SIZE, address);
        __builtin_memcpy(to->destination_address, bytes + 8, 16);
    }
    to->destination_port = __builtin_bswap16(port);
    return !error;
}

/* A capability set of credentials, see read_capabilities(): 0 effective, 1 inheritable, 2
 * permitted. */
static __always_inline u64 policy_capabilities(const struct cred *cred, u32 set) {
    u64 bits = 0;
    const void *address;
    if (set == 1)
        address = __builtin_preserve_access_index(&cred->cap_inheritable);
    else if (set == 2)
        address = __builtin_preserve_access_index(&cred->cap_permitted);
    else
        address = __builtin_preserve_access_index(&cred->cap_effective);
    bpf_probe_read_kernel(&bits, sizeof(bits), address);
    return bits;
}

/* ---- arguments ---- */

static __always_inline u64 policy_raw(const struct policy_work *work, u32 index) {
    return index < POLICY_RAW_VALUES ? work->raw[index] : 0;
}

static __always_inline void policy_read_string(struct policy_work *work, u32 index,
                                               const void *address, bool is_user) {
    struct policy_value *value = &work->values[index];
    u8 *text = work->texts[index];
    /* With one byte more than is compared, and the NUL, it shows whether there is more. */
    long size = is_user ? bpf_probe_read_user_str(text, POLICY_TEXT_SIZE_MAX + 2, address)
                        : bpf_probe_read_kernel_str(text, POLICY_TEXT_SIZE_MAX + 2, address);
    if (size < 0) {
        value->flags |= POLICY_HIT_UNREADABLE;
        value->text_size = 0;
        return;
    }
    /* Of an empty text of user memory kernels up to 6.12 say 0, without the NUL. */
    value->text_size = size > 0 ? size - 1 : 0;
    if (size - 1 > POLICY_TEXT_SIZE_MAX) {
        value->text_size = POLICY_TEXT_SIZE_MAX;
        value->flags |= POLICY_HIT_TEXT_CUT | POLICY_VALUE_NO_END;
    }
}

static __always_inline void policy_read_buffer(struct policy_work *work, u32 index,
                                               const struct policy_arg *arg, bool is_user) {
    struct policy_value *value = &work->values[index];
    const void *address = (const void *)policy_raw(work, arg->index);
    u64 asked = arg->size_index == 255 ? arg->size_max : policy_raw(work, arg->size_index);
    u64 size = bounded(asked, POLICY_TEXT_SIZE_MAX);
    if (arg->size_max && size > arg->size_max)
        size = bounded(arg->size_max, POLICY_TEXT_SIZE_MAX);
    value->text_size = size;
    if (size < asked)
        value->flags |= POLICY_HIT_TEXT_CUT;
    long error = is_user ? bpf_probe_read_user(work->texts[index], size, address)
                         : bpf_probe_read_kernel(work->texts[index], size, address);
    if (error && is_user && !work->may_defer) {
        /* Its memory ends before it does: calls take what is there, so that is what it is. */
        u64 whole = POLICY_PAGE_SIZE - ((u64)address & (POLICY_PAGE_SIZE - 1));
        size = bounded(size < whole ? size : whole, POLICY_TEXT_SIZE_MAX);
        error = bpf_probe_read_user(work->texts[index], size, address);
        value->text_size = size;
        value->flags |= POLICY_HIT_TEXT_CUT;
    }
    if (error) {
        value->flags |= POLICY_HIT_UNREADABLE;
        value->text_size = 0;
    }
}

/* The number an argument is, by its width. */
static __always_inline u64 policy_number(u32 type, u64 raw) {
    switch (type) {
    case POLICY_ARG_S8:
        return (s64)(signed char)raw;
    case POLICY_ARG_U8:
        return (u8)raw;
    case POLICY_ARG_S16:
        return (s64)(short)raw;
    case POLICY_ARG_U16:
        return (u16)raw;
    case POLICY_ARG_S32:
    case POLICY_ARG_FD:
    case POLICY_ARG_CAPABILITY:
        return (s64)(s32)raw;
    case POLICY_ARG_U32:
        return (u32)raw;
    default:
        return raw;
    }
}

/*
 * Argument `index` could not be read. While it may be looked at again that is no loss yet. When it
 * may not, a null pointer is none either: there are calls that go without.
 */
static __always_inline void policy_note_unreadable(struct policy_work *work,
                                                   const struct policy_arg *arg, u32 index) {
    bool is_memory = work->missing & POLICY_MISSING_RAW ||
                     (arg->flags & POLICY_ARG_USER &&
                      (arg->type == POLICY_ARG_STRING || arg->type == POLICY_ARG_BUFFER ||
                       arg->type == POLICY_ARG_SOCKADDR));
    if (is_memory && (work->may_defer || policy_raw(work, arg->index) != 0))
        work->missing |= 1 << index;
    if (!is_memory || !work->may_defer)
        policy_count(POLICY_COUNT_UNREADABLE);
}

/* Reads argument `asked` of the hook into its value, text, file or socket; once per call. */
__noinline int policy_read_arg(u32 id, u32 asked) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_ARGS_MAX || work->has_args & (1 << asked))
        return 0;
    work->has_args |= 1 << asked;
    u64 index = bounded(asked, POLICY_ARGS_MAX - 1);
    u32 hook_index = work->hook;
    const struct policy_hook *hook = bpf_map_lookup_elem(&policy_hooks, &hook_index);
    if (!hook)
        return 0;
    const struct policy_arg *arg = &hook->args[index];
    struct policy_value *value = &work->values[index];
    struct policy_file_value *file = &work->files[index];
    struct policy_socket_value *socket = &work->sockets[index];
    u64 raw = policy_raw(work, arg->index);
    bool is_user = arg->flags & POLICY_ARG_USER;
    value->number = policy_number(arg->type, raw);
    value->text_size = 0;
    value->flags = 0;
    value->address = raw;
    __builtin_memset(file, 0, sizeof(*file));
    __builtin_memset(socket, 0, sizeof(*socket));
    file->fd = arg->type == POLICY_ARG_FD ? (s32)raw : -1;
    switch (arg->type) {
    case POLICY_ARG_STRING:
        if (work->image_name && arg->index == work->name_index)
            policy_read_string(work, index, (const void *)work->image_name, false);
        else
            policy_read_string(work, index, (const void *)raw, is_user);
        break;
    case POLICY_ARG_BUFFER:
        policy_read_buffer(work, index, arg, is_user);
        break;
    case POLICY_ARG_FD:
        policy_read_file(work, id, index, policy_file_of_fd(raw));
        break;
    case POLICY_ARG_FILE:
        policy_read_file(work, id, index, (const void *)raw);
        break;
    case POLICY_ARG_BINPRM:
        policy_read_file(work, id, index, BPF_CORE_READ((const struct linux_binprm *)raw, file));
        break;
    case POLICY_ARG_PATH:
        policy_read_inode(work, index, BPF_CORE_READ((const struct path *)raw, dentry, d_inode));
        policy_read_path(id, index, raw);
        break;
    case POLICY_ARG_SOCK:
        policy_read_sock(socket, (const void *)raw);
        break;
    case POLICY_ARG_SOCKADDR:
        if (!policy_read_sockaddr(work, socket, (const void *)raw, arg->flags))
            value->flags |= POLICY_HIT_UNREADABLE;
        break;
    case POLICY_ARG_CRED:
        value->number = policy_capabilities((const struct cred *)raw, 0);
        break;
    }
    if (work->missing & POLICY_MISSING_RAW)
        value->flags |= POLICY_HIT_UNREADABLE;
    else if (arg->type == POLICY_ARG_SOCKADDR && !raw) {
        value->flags |= POLICY_HIT_UNREADABLE | POLICY_VALUE_NONE;
        socket->family = POLICY_NO_FAMILY;
        return 0;
    }
    work->flags |= value->flags & (POLICY_HIT_UNREADABLE | POLICY_HIT_TEXT_CUT);
    if (value->flags & POLICY_HIT_UNREADABLE)
        policy_note_unreadable(work, arg, index);
    return 0;
}

/* Reads what no dimension asked for, to be told; the number of arguments. */
__noinline int policy_read_args(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    u32 hook_index = work->hook;
    const struct policy_hook *hook = bpf_map_lookup_elem(&policy_hooks, &hook_index);
    if (!hook)
        return 0;
    int args = 0;
    /* A slot in between may be free: its policy is gone, those behind it keep their places. */
    for (u32 i = 0; i < POLICY_ARGS_MAX; i++) {
        if (hook->args[i].type == POLICY_ARG_NONE)
            continue;
        policy_read_arg(id, i);
        args = i + 1;
    }
    return args;
}

/* The path of the program that runs, once per call. */
__noinline int policy_read_binary(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    const struct task_struct *task = (const void *)bpf_get_current_task();
    if (!work || work->has_binary)
        return 0;
    work->has_binary = 1;
    work->values[POLICY_BINARY_TEXT].text_size = 0;
    work->values[POLICY_BINARY_TEXT].flags = 0;
    policy_read_file(work, id, POLICY_BINARY_TEXT, BPF_CORE_READ(task, mm, exe_file));
    return 0;
}

#endif
