/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The cgroup sensor: keeps the map `cgroups` and reports what becomes of the cgroups of the tracked
 * hierarchy. Of other hierarchies it sees nothing: their ids may be the same.
 *
 * BTF tracepoints (tp_btf, since 5.5). All are called through TRACE_CGROUP_PATH of
 * kernel/cgroup/cgroup-internal.h: with the path in a buffer of the kernel's and under its one
 * spinlock. So no two of these programs run at the same time, none can be preempted (on PREEMPT_RT
 * none is entered meanwhile), and they need no spares as described in preemption.bpf.h.
 */
#include "kernel_types.h"
#include "cgroup.h"
#include "cgroup_asked.bpf.h"
#include "cgroup_share.bpf.h"
#include "policy_set.bpf.h"
#include "record.bpf.h"
#include "scratch.bpf.h"
#include "task.bpf.h"
#include <bpf/bpf_tracing.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

/* Set by the loader: report every task that is moved. */
const volatile bool report_attach = false;
/* Set by the loader: the agent, by its tgid in its own pid namespace; its moves are reported. */
const volatile u32 agent_tgid = 0;
const volatile u32 agent_pid_ns = 0;

enum change_limit {
    CHANGE_SIZE_MAX = sizeof(struct cgroup_change) + CGROUP_PATH_SIZE_MAX + CGROUP_NAME_SIZE_MAX,
};

/* A record in the making, with room for the NULs behind path and name. */
struct change_buffer {
    union {
        struct cgroup_change change;
        u8 bytes[CHANGE_SIZE_MAX + 2];
    };
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, u32);
    __type(value, struct change_buffer);
    __uint(max_entries, 1);
} change_buffers SEC(".maps");

/* Its address as a plain number, as find_ancestor_tracking() takes it. */
static __always_inline u64 address_of(const struct cgroup *cgroup) {
    return (u64)BPF_CORE_READ(cgroup, self.cgroup);
}

/* Whether a cgroup is of the hierarchy that is tracked. */
static __always_inline bool is_tracked(const struct cgroup *cgroup) {
    if (cgroup_source == CGROUP_SOURCE_NONE)
        return false;
    return (u32)BPF_CORE_READ(cgroup, root, hierarchy_id) == cgroup_hierarchy;
}

static __always_inline struct cgroup_entry *find_entry(const struct cgroup *cgroup) {
    struct cgroup_key key = {.id = id_of(cgroup), .hierarchy = cgroup_hierarchy};
    return bpf_map_lookup_elem(&cgroups, &key);
}

enum name_limit {
    SCOPE_SIZE = 6,   /* ".scope" */
    SERVICE_SIZE = 8, /* ".service" */
    CONTAINER_ID_SIZE = 64,
};

static __always_inline bool is_hexadecimal(char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
}

/* Whether the 64 characters that end at `end` of `name` are a container's id. */
static __always_inline bool has_container_id(const char *name, u32 end) {
    char id[CONTAINER_ID_SIZE];
    if (end < CONTAINER_ID_SIZE)
        return false;
    if (bpf_probe_read_kernel(id, sizeof(id), name + end - CONTAINER_ID_SIZE))
        return false;
    for (int i = 0; i < CONTAINER_ID_SIZE; i++)
        if (!is_hexadecimal(id[i]))
            return false;
    return true;
}

/*
 * What a name says about a new cgroup, until user space has looked at the whole path: flags of a
 * workload of its own, or 0. `size` is the name's, without NUL.
 */
static __always_inline u32 flags_of_name(const char *name, u32 size) {
    char end[SERVICE_SIZE + 1] = {};
    char start[5] = {};
    if (size < SERVICE_SIZE || bpf_probe_read_kernel(end, SERVICE_SIZE, name + size - SERVICE_SIZE))
        return 0;
    bool is_scope = end[2] == '.' && end[3] == 's' && end[4] == 'c' && end[5] == 'o' &&
                    end[6] == 'p' && end[7] == 'e';
    if (has_container_id(name, is_scope ? size - SCOPE_SIZE : size))
        return CGROUP_LEAF | CGROUP_CONTAINER;
    if (is_scope)
        return CGROUP_LEAF;
    bool is_service = end[0] == '.' && end[1] == 's' && end[2] == 'e' && end[3] == 'r' &&
                      end[4] == 'v' && end[5] == 'i' && end[6] == 'c' && end[7] == 'e';
    if (!is_service)
        return 0;
    /* user@UID.service is the manager of a user's units, not a unit that holds processes. */
    bpf_probe_read_kernel(start, sizeof(start), name);
    bool is_manager =
        start[0] == 'u' && start[1] == 's' && start[2] == 'e' && start[3] == 'r' && start[4] == '@';
    return is_manager ? 0 : CGROUP_LEAF;
}

/* Bytes of a cgroup's name, without NUL. The name itself is read to where the record will be. */
static __always_inline u32 name_size(const struct cgroup *cgroup) {
    u32 zero = 0;
    struct change_buffer *buffer = bpf_map_lookup_elem(&change_buffers, &zero);
    if (!buffer)
        return 0;
    const char *name = name_of(cgroup);
    long size = bpf_probe_read_kernel_str(buffer->bytes, CGROUP_NAME_SIZE_MAX + 1, name);
    return size > 0 ? size - 1 : 0;
}

/*
 * Whose workload a new cgroup is: what is made below a leaf is part of it, but a container below a
 * unit is one of its own (a unit may run a container engine), and everything else is its own until
 * user space knows better. Fills tracking_id and flags.
 */
static __always_inline void decide_tracking(struct cgroup_entry *entry,
                                            const struct cgroup *cgroup) {
    u32 container = CGROUP_LEAF | CGROUP_CONTAINER;
    u32 own = flags_of_name(name_of(cgroup), name_size(cgroup));
    u64 address = address_of(cgroup);
    u64 inherited = find_ancestor_tracking(address, container);
    if (inherited) {
        entry->tracking_id = inherited;
        entry->flags = container;
        return;
    }
    inherited = own & CGROUP_CONTAINER ? 0 : find_ancestor_tracking(address, CGROUP_LEAF);
    entry->tracking_id = inherited ? inherited : id_of(cgroup);
    entry->flags = inherited ? CGROUP_LEAF : own;
}

/* Takes a cgroup out of the map; its row may be another's as soon as it is out. */
static __always_inline void forget_cgroup(const struct cgroup_key *key) {
    const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, key);
    if (!entry)
        return;
    u16 user_share = entry->user_share;
    u16 workload_share = entry->workload_share;
    if (bpf_map_delete_elem(&cgroups, key) == 0)
        count_shares(user_share, workload_share, -1);
}

/*
 * Enters a new cgroup; one that is there already is of a cgroup with the same id before it. Returns
 * flags for the record.
 */
static __always_inline u32 enter_cgroup(const struct cgroup *cgroup) {
    struct cgroup_entry entry = {};
    struct cgroup_key key = {.id = id_of(cgroup), .hierarchy = cgroup_hierarchy};
    if (level_of(cgroup) > CGROUP_LEVEL_MAX) {
        count_cgroup(CGROUP_COUNT_TOO_DEEP);
        return 0;
    }
    entry.parent_id = parent_id_of(cgroup);
    entry.created_ns = bpf_ktime_get_ns();
    entry.level = level_of(cgroup);
    entry.state = CGROUP_NEW;
    entry.policy_set = find_ancestor_policy_set(address_of(cgroup));
    decide_tracking(&entry, cgroup);
    forget_cgroup(&key);
    if (!fill_shares(&entry, find_ancestor_tracking(address_of(cgroup), CGROUP_LEAF))) {
        count_cgroup(CGROUP_COUNT_SHARE_FULL);
        return CGROUP_OVER_SHARE;
    }
    bpf_probe_read_kernel_str(entry.name, sizeof(entry.name), name_of(cgroup));
    /*
     * An int: up to 6.3 the kernel replaces this call by one of a function that returns int, and
     * the upper half of the register is then 0 also for negative numbers.
     */
    int error = bpf_map_update_elem(&cgroups, &key, &entry, BPF_ANY);
    if (error)
        count_cgroup(error == -E2BIG ? CGROUP_COUNT_FULL : CGROUP_COUNT_FAILED);
    else
        count_shares(entry.user_share, entry.workload_share, 1);
    return 0;
}

/* The task fields of a header; `task` may be any kernel pointer. */
static __always_inline void fill_task(struct record_header *header,
                                      const struct task_struct *task) {
    struct pid_place place;
    const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    read_pid_place(&place, leader);
    header->leader_start_ns = BPF_CORE_READ(leader, start_boottime);
    header->cpu = bpf_get_smp_processor_id();
    header->tgid = BPF_CORE_READ(task, tgid);
    header->tid = BPF_CORE_READ(task, pid);
    header->namespace_tgid = place.number;
}

/* The cgroup fields of a record, header included. */
static __always_inline void fill_cgroup_fields(struct cgroup_change *change,
                                               const struct cgroup *cgroup) {
    const struct cgroup_entry *entry = find_entry(cgroup);
    change->header.cgroup_id = id_of(cgroup);
    change->header.cgroup_level = level_of(cgroup);
    change->header.cgroup_hierarchy = cgroup_hierarchy;
    change->parent_id = parent_id_of(cgroup);
    change->header.flags = level_of(cgroup) > CGROUP_LEVEL_MAX ? RECORD_CGROUP_TOO_DEEP : 0;
    change->header.tracking_id =
        entry ? entry->tracking_id : find_ancestor_tracking(address_of(cgroup), CGROUP_LEAF);
    if (change->header.tracking_id == 0)
        change->header.tracking_id = id_of(cgroup);
    change->created_ns = entry ? entry->created_ns : 0;
    change->entry_flags = entry ? entry->flags : 0;
}

/* Appends a string of kernel memory without its NUL; returns the size of the record with it. */
static __always_inline u32 append_text(struct change_buffer *buffer, u32 at, const char *text,
                                       u32 size_max) {
    u64 offset = bounded(at, CHANGE_SIZE_MAX - size_max);
    long size = bpf_probe_read_kernel_str(&buffer->bytes[offset], size_max + 1, text);
    return size > 0 ? offset + size - 1 : offset;
}

/* Sends a record about a cgroup; `task` is the one that is moved, else the one that acts. */
static __always_inline void report_change(void *ctx, u32 kind, const struct cgroup *cgroup,
                                          const char *path, const struct task_struct *task,
                                          u32 change_flags) {
    u32 zero = 0;
    struct change_buffer *buffer = bpf_map_lookup_elem(&change_buffers, &zero);
    if (!buffer)
        return; /* cannot be: row 0 is there on every CPU */
    struct cgroup_change *change = &buffer->change;
    change->header.kind = kind;
    fill_task(&change->header, task);
    fill_cgroup_fields(change, cgroup);
    change->change_flags = change_flags;
    change->actor_tgid = bpf_get_current_pid_tgid() >> 32;
    change->_reserved = 0;
    u32 path_end = append_text(buffer, sizeof(*change), path, CGROUP_PATH_SIZE_MAX);
    u32 name_end = append_text(buffer, path_end, name_of(cgroup), CGROUP_NAME_SIZE_MAX);
    change->path_size = path_end - sizeof(*change);
    change->name_size = name_end - path_end;
    change->header.size = name_end;
    emit_record(ctx, &change->header, bounded(name_end, CHANGE_SIZE_MAX));
}

/*
 * cgroup_mkdir(cgroup, path): in cgroup_mkdir(), all of it made and not yet visible in the file
 * system, so nothing can have entered it.
 */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_cgroup_mkdir, struct cgroup *cgroup, const char *path) {
    if (!is_tracked(cgroup))
        return 0;
    u32 flags = enter_cgroup(cgroup);
    report_change(ctx, CGROUP_CREATED_RECORD, cgroup, path, (void *)bpf_get_current_task(), flags);
    return 0;
}

/*
 * cgroup_rmdir(cgroup, path): in cgroup_rmdir() when it cannot fail any more. No task is in it, and
 * none can come: nobody looks it up any more, and the room is free for others at once. User space
 * knows it on for late records.
 */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cgroup, const char *path) {
    if (!is_tracked(cgroup))
        return 0;
    struct cgroup_key key = {.id = id_of(cgroup), .hierarchy = cgroup_hierarchy};
    report_change(ctx, CGROUP_REMOVED_RECORD, cgroup, path, (void *)bpf_get_current_task(), 0);
    forget_cgroup(&key);
    return 0;
}

/*
 * cgroup_release(cgroup, path): in css_release_work_fn(), in a worker of the kernel, when nothing
 * refers to it any more.
 */
SEC("tp_btf/cgroup_release")
int BPF_PROG(on_cgrp_release, struct cgroup *cgroup, const char *path) {
    if (!is_tracked(cgroup))
        return 0;
    report_change(ctx, CGROUP_RELEASED_RECORD, cgroup, path, (void *)bpf_get_current_task(), 0);
    return 0;
}

/*
 * cgroup_rename(cgroup, path): in cgroup1_rename(), after it. Only v1 can rename, and only within
 * the parent. Whose workload it is by its new name, and what is below it, user space decides.
 */
SEC("tp_btf/cgroup_rename")
int BPF_PROG(on_cgrp_rename, struct cgroup *cgroup, const char *path) {
    if (!is_tracked(cgroup))
        return 0;
    struct cgroup_entry *entry = find_entry(cgroup);
    if (entry)
        bpf_probe_read_kernel_str(entry->name, sizeof(entry->name), name_of(cgroup));
    report_change(ctx, CGROUP_RENAMED_RECORD, cgroup, path, (void *)bpf_get_current_task(), 0);
    return 0;
}

/* The agent's own moves prove to it that it reads the right hierarchy. */
static __always_inline bool is_agent(const struct task_struct *task) {
    struct pid_place place;
    read_pid_place(&place, BPF_CORE_READ(task, group_leader));
    return place.number == agent_tgid && place.namespace == agent_pid_ns;
}

static __always_inline void report_move(void *ctx, const struct cgroup *cgroup, const char *path,
                                        const struct task_struct *task, u32 change_flags) {
    if (!is_tracked(cgroup))
        return;
    struct cgroup_entry *entry = find_entry(cgroup);
    if (entry)
        entry->flags |= CGROUP_ATTACHED;
    if (report_attach || is_agent(task))
        report_change(ctx, CGROUP_ATTACHED_RECORD, cgroup, path, task, change_flags);
}

/*
 * cgroup_attach_task(cgroup, path, task, threadgroup): in cgroup_attach_task() when the move is
 * done, also when it was there before. clone3() with CLONE_INTO_CGROUP does not come here: such a
 * task is born in its cgroup.
 */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_cgrp_attach, struct cgroup *cgroup, const char *path, struct task_struct *task,
             bool threadgroup) {
    report_move(ctx, cgroup, path, task, threadgroup ? CGROUP_WHOLE_GROUP : 0);
    return 0;
}

/* cgroup_transfer_tasks(cgroup, path, task, threadgroup): in cgroup_transfer_tasks(), each task. */
SEC("tp_btf/cgroup_transfer_tasks")
int BPF_PROG(on_cgrp_transfer, struct cgroup *cgroup, const char *path, struct task_struct *task,
             bool threadgroup) {
    report_move(ctx, cgroup, path, task, CGROUP_TRANSFERRED);
    return 0;
}
