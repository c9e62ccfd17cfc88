/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which selectors match a call: the AND of one row per dimension, over those words only in which
 * the workload has policies at all.
 */
#ifndef SHRIKE_POLICY_MATCH_BPF_H
#define SHRIKE_POLICY_MATCH_BPF_H

#include "policy_text.bpf.h"
#include "policy_values.bpf.h"
#include "policy_set.bpf.h"

/*
 * Adds the bits of a row to those of the value, for values with several rows; row 0 has none. The
 * last of them goes to policy_and_row() itself.
 */
__noinline int policy_or_row(u32 id, u32 row_index) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || row_index == 0)
        return 0;
    const struct policy_row *row = bpf_map_lookup_elem(&policy_rows, &row_index);
    if (!row)
        return 0;
    for (u32 word = 0; word < POLICY_WORDS_MAX; word++) {
        u64 before = work->has_row ? work->row[word] : 0;
        work->row[word] = before | row->words[word];
    }
    work->has_row = 1;
    return 0;
}

/*
 * Leaves the selectors that accept the value with this row, and those that were added before; 0
 * when none is left. Words without any are dropped: mostly one is left, and what comes after costs
 * no more than with one.
 */
__noinline int policy_and_row(u32 id, u32 dim_id, u32 row_index) {
    struct policy_work *work = policy_slot_of(id);
    u32 base_index = POLICY_BASE_ROW + dim_id;
    const struct policy_row *base = bpf_map_lookup_elem(&policy_rows, &base_index);
    const struct policy_row *row = bpf_map_lookup_elem(&policy_rows, &row_index);
    u32 kept = 0;
    if (!work || !base || !row)
        return 0;
    const u64 *listed = row->words;
    if (work->has_row) {
        policy_or_row(id, row_index);
        work->has_row = 0;
        listed = work->row;
    }
    u32 count = work->count;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= count)
            break;
        u32 word = work->index[i] & (POLICY_WORDS_MAX - 1);
        u64 left = work->mask[i] & (base->words[word] ^ listed[word]);
        if (!left)
            continue;
        u32 place = kept & (POLICY_WORDS_MAX - 1);
        work->index[place] = word;
        work->mask[place] = left;
        kept++;
    }
    work->count = kept;
    return kept != 0;
}

static __always_inline u32 policy_row_of_number(u32 dim_id, u64 value) {
    struct policy_number_key key = {.dim = dim_id, .value = value};
    const u32 *row = bpf_map_lookup_elem(&policy_numbers, &key);
    return row ? *row : 0;
}

/* Numbers by their bits: each that is set and that somebody asks for. */
__noinline int policy_or_bits(u32 id, u32 dim_id, u64 bits) {
    for (u32 i = 0; i < 64; i++) {
        if (!bits)
            break;
        if (bits & 1)
            policy_or_row(id, policy_row_of_number(dim_id, i));
        bits >>= 1;
    }
    return 0;
}

static __always_inline u32 policy_row_of_range(u32 dim_id, u64 value, bool is_signed) {
    struct policy_range_key key = {.bits = 32 + 64};
    u32 dim = __builtin_bswap32(dim_id);
    u64 ordered = __builtin_bswap64(is_signed ? value ^ (1ULL << 63) : value);
    __builtin_memcpy(key.dim, &dim, 4);
    __builtin_memcpy(key.value, &ordered, 8);
    const u32 *row = bpf_map_lookup_elem(&policy_ranges, &key);
    return row ? *row : 0;
}

static __always_inline u32 policy_row_of_network(u32 dim_id, const u8 *address) {
    struct policy_network_key key = {.bits = 32 + 128};
    u32 dim = __builtin_bswap32(dim_id);
    __builtin_memcpy(key.dim, &dim, 4);
    __builtin_memcpy(key.address, address, 16);
    const u32 *row = bpf_map_lookup_elem(&policy_networks, &key);
    return row ? *row : 0;
}

/* Namespaces of the task by the order of process_namespaces in process.h. */
static __always_inline u64 policy_namespace(u32 which) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    struct pid_place place;
    switch (which) {
    case 0:
        return BPF_CORE_READ(task, nsproxy, uts_ns, ns.inum);
    case 1:
        return BPF_CORE_READ(task, nsproxy, ipc_ns, ns.inum);
    case 2:
        return BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
    case 3:
        read_pid_place(&place, BPF_CORE_READ(task, group_leader));
        return place.namespace;
    case 4:
        return BPF_CORE_READ(task, nsproxy, pid_ns_for_children, ns.inum);
    case 5:
        return BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
    case 6:
        return BPF_CORE_READ(task, nsproxy, time_ns, ns.inum);
    case 7:
        return BPF_CORE_READ(task, nsproxy, time_ns_for_children, ns.inum);
    case 8:
        return BPF_CORE_READ(task, nsproxy, cgroup_ns, ns.inum);
    case 9:
        return BPF_CORE_READ(task, cred, user_ns, ns.inum);
    default:
        return 0;
    }
}

static __always_inline u64 policy_part(const struct policy_work *work, u32 slot, u32 part) {
    const struct policy_socket_value *socket = &work->sockets[slot];
    switch (part) {
    case POLICY_PART_SOURCE_PORT:
        return socket->source_port;
    case POLICY_PART_DESTINATION_PORT:
        return socket->destination_port;
    case POLICY_PART_PROTOCOL:
        return socket->protocol;
    case POLICY_PART_FAMILY:
        return socket->family;
    case POLICY_PART_STATE:
        return socket->state;
    default:
        return work->values[slot].number;
    }
}

static __always_inline u64 policy_trees_of_current(void) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    const struct policy_process *process = bpf_map_lookup_elem(&policy_processes, &tgid);
    return process ? process->trees : 0;
}

/* The number a dimension looks at. */
static __always_inline u64 policy_dim_number(const struct policy_work *work, u32 slot,
                                             const struct policy_dim *dim) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    struct pid_place place;
    switch (dim->source) {
    case POLICY_FROM_RETURN:
        return work->return_value;
    case POLICY_FROM_TGID:
        return bpf_get_current_pid_tgid() >> 32;
    case POLICY_FROM_NAMESPACE_TGID:
        read_pid_place(&place, BPF_CORE_READ(task, group_leader));
        return place.level ? place.number : 0;
    case POLICY_FROM_TREE:
        return policy_trees_of_current();
    case POLICY_FROM_NAMESPACE:
        return policy_namespace(dim->part);
    case POLICY_FROM_CAPABILITIES:
        return policy_capabilities(BPF_CORE_READ(task, cred), dim->part);
    default:
        return policy_part(work, slot, dim->part);
    }
}

/* The row of text `text`. */
static __always_inline u32 policy_row_of_text(struct policy_work *work, u32 id, u32 dim_id,
                                              u32 test, u32 text) {
    u32 flags = work->values[text].flags;
    /* What could not be read, or not to where it is compared, is none that anybody has listed. */
    bool has_front = !(flags & (POLICY_HIT_UNREADABLE | POLICY_VALUE_NO_FRONT));
    bool has_end = !(flags & (POLICY_HIT_UNREADABLE | POLICY_VALUE_NO_END));
    if (test == POLICY_TEST_PREFIX)
        return has_front ? policy_row_of_prefix(id, dim_id, text) : 0;
    if (test == POLICY_TEST_POSTFIX)
        return has_end ? policy_row_of_postfix(id, dim_id, text) : 0;
    if (!has_front || !has_end)
        return 0;
    u64 hash = policy_hash_text(id, text);
    return policy_row_of_hash(dim_id, work->values[text].text_size, hash);
}

/*
 * The row of the program that runs, and where a row is wanted that of the name it was given. Of a
 * process that nobody knows from its exec on, its file is what it is now.
 */
static __always_inline u32 policy_row_of_binary(struct policy_work *work, u32 id, u32 dim_id,
                                                const struct policy_dim *dim) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    u32 test = dim->test;
    const struct policy_process *process = bpf_map_lookup_elem(&policy_processes, &tgid);
    if (process && process->given.size && !(dim->flags & POLICY_DIM_RESOLVED_ONLY))
        policy_or_row(id, policy_row_of_name(id, dim_id, test, POLICY_NAME_GIVEN));
    if (process && process->file.size)
        return policy_row_of_name(id, dim_id, test, POLICY_NAME_FILE);
    policy_read_binary(id);
    return policy_row_of_text(work, id, dim_id, test, POLICY_BINARY_TEXT);
}

/*
 * Whether there is what a dimension compares. Addresses and ports are those of IP: of a path of
 * AF_UNIX, and of no address at all, nothing is read as one. That an address was left out is known,
 * so its family can be compared.
 */
static __always_inline bool policy_has_value(const struct policy_work *work, u32 slot,
                                             const struct policy_dim *dim) {
    if (dim->source != POLICY_FROM_ARG)
        return true;
    u32 flags = work->values[slot].flags;
    switch (dim->part) {
    case POLICY_PART_SOURCE_ADDRESS:
    case POLICY_PART_DESTINATION_ADDRESS:
    case POLICY_PART_SOURCE_PORT:
    case POLICY_PART_DESTINATION_PORT:
        return !(flags & POLICY_HIT_UNREADABLE) && policy_is_ip(work->sockets[slot].family);
    case POLICY_PART_FAMILY:
        return !(flags & POLICY_HIT_UNREADABLE) || flags & POLICY_VALUE_NONE;
    default:
        return !(flags & POLICY_HIT_UNREADABLE);
    }
}

static __always_inline const u8 *policy_address(const struct policy_work *work, u32 slot,
                                                const struct policy_dim *dim) {
    return dim->part == POLICY_PART_SOURCE_ADDRESS ? work->sockets[slot].source_address
                                                   : work->sockets[slot].destination_address;
}

/* Looks up the value of one dimension; 0 when no selector is left. */
__noinline int policy_match_dim(u32 id, u32 asked) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_DIMS_MAX)
        return 0;
    u64 index = bounded(asked, POLICY_DIMS_MAX - 1);
    u32 hook_index = work->hook;
    const struct policy_hook *hook = bpf_map_lookup_elem(&policy_hooks, &hook_index);
    if (!hook)
        return 0;
    const struct policy_dim *dim = &hook->dim[index];
    u32 dim_id = POLICY_DIM_ID(hook_index, index);
    u32 slot = bounded(dim->slot, POLICY_ARGS_MAX - 1);
    if (work->only_args && !(dim->source == POLICY_FROM_ARG && work->only_args >> slot & 1))
        return 1;
    if (dim->source == POLICY_FROM_ARG) {
        policy_read_arg(id, slot);
        /* Whoever compares it is decided later, see policy_defer(). */
        if (work->may_defer && work->missing >> slot & 1)
            return 1;
    }
    u32 row = 0;
    switch (policy_has_value(work, slot, dim) ? dim->test : 0) {
    case POLICY_TEST_TEXT:
    case POLICY_TEST_PREFIX:
    case POLICY_TEST_POSTFIX:
        row = dim->source == POLICY_FROM_BINARY
                  ? policy_row_of_binary(work, id, dim_id, dim)
                  : policy_row_of_text(work, id, dim_id, dim->test, slot);
        break;
    case POLICY_TEST_NUMBER:
        row = policy_row_of_number(dim_id, policy_dim_number(work, slot, dim));
        break;
    case POLICY_TEST_RANGE:
        row = policy_row_of_range(dim_id, policy_dim_number(work, slot, dim),
                                  dim->flags & POLICY_DIM_SIGNED);
        break;
    case POLICY_TEST_BITS:
        policy_or_bits(id, dim_id, policy_dim_number(work, slot, dim) & dim->bits);
        break;
    case POLICY_TEST_NETWORK:
        row = policy_row_of_network(dim_id, policy_address(work, slot, dim));
        break;
    }
    return policy_and_row(id, dim_id, row);
}

/* Looks at the dimensions of a phase until no selector is left; 0 then. */
__noinline int policy_match(u32 id) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    u32 hook_index = work->hook;
    const struct policy_hook *hook = bpf_map_lookup_elem(&policy_hooks, &hook_index);
    if (!hook)
        return 0;
    const volatile u64 *list =
        work->phase == POLICY_AT_CALL ? &hook->call_dims : &hook->return_dims;
    u64 dims = *list;
    for (u32 i = 0; i < POLICY_DIMS_MAX; i++) {
        u32 dim = dims & (POLICY_DIMS_MAX - 1);
        if (dim == POLICY_NO_DIM)
            break;
        if (!policy_match_dim(id, dim))
            return 0;
        dims >>= 4;
    }
    return 1;
}

/* Which policies concern the current task: 0 those that select no workloads. */
static __always_inline u32 policy_current_set(void) {
    const struct task_struct *task = (const void *)bpf_get_current_task();
    const struct cgroup *cgroup = (const void *)cgroup_address(task);
    struct cgroup_key key = {.id = BPF_CORE_READ(cgroup, kn, id), .hierarchy = cgroup_hierarchy};
    if (cgroup_source == CGROUP_SOURCE_NONE || key.id == 0)
        return 0;
    const struct cgroup_entry *entry = bpf_map_lookup_elem(&cgroups, &key);
    return entry ? entry->policy_set : find_ancestor_policy_set((u64)cgroup);
}

/* Begins with all selectors that concern workloads of `set`; 0 when there are none. */
__noinline int policy_select(u32 id, u32 set) {
    struct policy_work *work = policy_slot_of(id);
    if (!work)
        return 0;
    u32 key = POLICY_MASK_INDEX(set, work->hook);
    const volatile u32 *mask = bpf_map_lookup_elem(&policy_masks, &key);
    if (!mask)
        return 0;
    u32 slot_index = *mask;
    if (slot_index == 0)
        return 0;
    slot_index -= 1;
    const volatile struct policy_slot *slot = bpf_map_lookup_elem(&policy_slots, &slot_index);
    if (!slot)
        return 0;
    u32 count = slot->count;
    u64 any = 0;
    work->has_row = 0;
    work->count = count > POLICY_WORDS_MAX ? POLICY_WORDS_MAX : count;
    for (u32 i = 0; i < POLICY_WORDS_MAX; i += 8)
        *(u64 *)&work->index[i] = *(const volatile u64 *)&slot->index[i];
    for (u32 i = 0; i < POLICY_WORDS_MAX; i++) {
        if (i >= count)
            break;
        u64 bits = slot->mask[i];
        work->mask[i] = bits;
        any |= bits;
    }
    return any != 0;
}

#endif
