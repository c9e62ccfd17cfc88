/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Byte strings appended to the record in the scratch slot.
 *
 * They are global functions: the verifier checks each once by itself (since 5.6), while inlined one
 * after the other their paths would multiply (320,000 instructions for exec instead of some
 * thousands). On 5.10 such functions take only numbers and no kernel pointers, hence the id of the
 * slot, and pointers handed over in the slot.
 */
#ifndef SHRIKE_APPEND_BPF_H
#define SHRIKE_APPEND_BPF_H

#include "kernel_types.h"
#include "scratch.bpf.h"
#include <bpf/bpf_helpers.h>

enum append_limit {
    APPEND_STRING_SIZE_MAX = 4096,
    /* Pages may be bigger than this; a chunk never crosses one. */
    APPEND_CHUNK_SIZE = 4096,
};

/* What became of an append; header.size has grown by what was appended. */
enum append_state {
    APPEND_WHOLE = 0,
    APPEND_CUT = 1,
    APPEND_FAILED = 2, /* memory could not be read; what is before it was appended */
};

/*
 * Appends the string at slot->string, see append_string(). One byte more than it may have and a NUL
 * are asked for, to know whether it is longer.
 */
__noinline int append_slot_string(u32 id, u32 size_max) {
    struct scratch *slot = bpf_map_lookup_elem(&scratch, &id);
    if (!slot)
        return APPEND_FAILED;
    u64 room = bounded(size_max, APPEND_STRING_SIZE_MAX) + 2;
    u64 offset = bounded(slot->header.size, SCRATCH_SIZE - APPEND_STRING_SIZE_MAX - 2);
    const void *string = (const void *)slot->string;
    long read = bpf_probe_read_kernel_str(&slot->bytes[offset], room, string);
    if (read <= 0)
        return APPEND_FAILED;
    bool cut = (u64)read == room;
    slot->header.size = offset + read - (cut ? 2 : 1);
    return cut ? APPEND_CUT : APPEND_WHOLE;
}

/* Appends a string of kernel memory without its NUL, at most `size_max` (4096) bytes of it. */
static __always_inline int append_string(struct scratch *slot, u32 id, const void *string,
                                         u32 size_max) {
    slot->string = (u64)string;
    return append_slot_string(id, size_max);
}

/* Appends what of user memory [start, start + size) is before the first page that is not there. */
static __always_inline void append_user_chunks(struct scratch *slot, u64 offset, u64 size_max,
                                               u64 start, u64 size) {
    u64 done = 0;
    for (u64 i = 0; i < size_max / APPEND_CHUNK_SIZE + 1; i++) {
        u64 chunk = APPEND_CHUNK_SIZE - ((start + done) & (APPEND_CHUNK_SIZE - 1));
        if (chunk > size - done)
            chunk = size - done;
        chunk = bounded(chunk, APPEND_CHUNK_SIZE);
        done = bounded(done, size_max);
        if (chunk == 0)
            break;
        if (bpf_probe_read_user(&slot->bytes[offset + done], chunk, (void *)(start + done)))
            break;
        done += chunk;
    }
    slot->header.size = offset + bounded(done, size_max);
}

/*
 * Appends user memory [start, end), at most `size_max` bytes; to be made into a global function for
 * each constant `size_max`. The memory a caller asks for has just been written, so it is nearly
 * always there and one copy does it; under pressure a page may have been swapped out, and
 * tracepoint programs cannot wait for it.
 */
static __always_inline int append_user(u32 id, u64 size_max, u64 start, u64 end) {
    struct scratch *slot = bpf_map_lookup_elem(&scratch, &id);
    if (!slot)
        return APPEND_FAILED;
    if (end <= start)
        return APPEND_WHOLE;
    u64 size = bounded(end - start, size_max);
    u64 offset = bounded(slot->header.size, SCRATCH_SIZE - SCRATCH_SLACK - size_max);
    if (bpf_probe_read_user(&slot->bytes[offset], size, (void *)start)) {
        append_user_chunks(slot, offset, size_max, start, size);
        return APPEND_FAILED;
    }
    slot->header.size = offset + size;
    return end - start > size_max ? APPEND_CUT : APPEND_WHOLE;
}

#endif
