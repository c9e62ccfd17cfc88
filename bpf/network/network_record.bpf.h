/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records about sockets. Programs in interrupts write them as well as those in system calls, so
 * they are built on the stack, and their header is of the socket's owner, not of the task that
 * happens to run.
 */
#ifndef SHRIKE_NETWORK_RECORD_BPF_H
#define SHRIKE_NETWORK_RECORD_BPF_H

#include "network_socket.bpf.h"
#include "record.bpf.h"

/* Everything of a header but the time. */
static __always_inline void fill_owner_header(struct record_header *header, u16 kind, u32 size,
                                              const struct network_owner *owner) {
    header->size = size;
    header->kind = kind;
    header->flags = owner->cgroup_id == 0 ? RECORD_NO_CGROUP : 0;
    if (owner->cgroup_level > CGROUP_LEVEL_MAX)
        header->flags |= RECORD_CGROUP_TOO_DEEP;
    header->leader_start_ns = owner->leader_start_ns;
    header->cpu = bpf_get_smp_processor_id();
    header->tgid = owner->tgid;
    header->tid = owner->tid;
    header->namespace_tgid = owner->namespace_tgid;
    header->cgroup_id = owner->cgroup_id;
    header->tracking_id = owner->tracking_id;
    header->cgroup_level = owner->cgroup_level;
    header->cgroup_hierarchy = cgroup_hierarchy;
}

/* Tells what has become of a socket. `change` is the change, the state before and the error. */
static __noinline int tell_socket(void *ctx, const struct network_socket *socket, u32 change,
                                  u32 state, u32 error) {
    struct network_socket_record record;
    if (!report_connections)
        return 0;
    fill_owner_header(&record.header, NETWORK_SOCKET_RECORD, sizeof(record), &socket->owner);
    record.cookie = socket->cookie;
    record.opened_ns = socket->opened_ns;
    record.bytes[NETWORK_SENT] = socket->bytes[NETWORK_SENT];
    record.bytes[NETWORK_RECEIVED] = socket->bytes[NETWORK_RECEIVED];
    record.packets[NETWORK_SENT] = socket->packets[NETWORK_SENT];
    record.packets[NETWORK_RECEIVED] = socket->packets[NETWORK_RECEIVED];
    record.retransmits = socket->retransmits;
    record.error = error;
    record.change = change;
    record.state = state;
    record.tuple = socket->tuple;
    emit_record(ctx, &record.header, sizeof(record));
    return 0;
}

#endif
