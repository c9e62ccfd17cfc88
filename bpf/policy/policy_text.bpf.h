/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Texts of a call in the maps of exact texts, prefixes and postfixes: the row of each. */
#ifndef SHRIKE_POLICY_TEXT_BPF_H
#define SHRIKE_POLICY_TEXT_BPF_H

#include "policy_maps.bpf.h"
#include "policy_work.bpf.h"

/* Set by the loader, another at each start: values cannot be made that collide on purpose. */
const volatile u64 policy_secret_0 = 0;
const volatile u64 policy_secret_1 = 0;

enum policy_text_limit {
    /* Words that one call of policy_hash_words() takes in, and the calls for the longest text. */
    POLICY_HASH_STEP = 32,
    POLICY_HASH_CALLS = POLICY_TEXT_SIZE_MAX / 8 / POLICY_HASH_STEP + 1,
};

#define POLICY_ROTATE(value, bits) (((value) << (bits)) | ((value) >> (64 - (bits))))

/* One round of SipHash (Aumasson and Bernstein, 2012). */
#define POLICY_SIP_ROUND(v0, v1, v2, v3)                                                           \
    do {                                                                                           \
        v0 += v1;                                                                                  \
        v1 = POLICY_ROTATE(v1, 13) ^ v0;                                                           \
        v0 = POLICY_ROTATE(v0, 32);                                                                \
        v2 += v3;                                                                                  \
        v3 = POLICY_ROTATE(v3, 16) ^ v2;                                                           \
        v0 += v3;                                                                                  \
        v3 = POLICY_ROTATE(v3, 21) ^ v0;                                                           \
        v2 += v1;                                                                                  \
        v1 = POLICY_ROTATE(v1, 17) ^ v2;                                                           \
        v2 = POLICY_ROTATE(v2, 32);                                                                \
    } while (0)

/* Takes in whole words of text `asked` from where `sip` stands; 0 when none is left. */
__noinline int policy_hash_words(u32 id, u32 asked) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_TEXTS)
        return 0;
    u64 index = bounded(asked, POLICY_TEXTS - 1);
    u32 size = work->values[index].text_size;
    u64 at = bounded(work->sip.at, POLICY_TEXT_SIZE_MAX);
    u64 v0 = work->sip.v[0], v1 = work->sip.v[1], v2 = work->sip.v[2], v3 = work->sip.v[3];
    u32 i;
    for (i = 0; i < POLICY_HASH_STEP; i++) {
        if (at + 8 > size || at > POLICY_TEXT_SIZE_MAX)
            break;
        u64 word = *(u64 *)&work->texts[index][at];
        v3 ^= word;
        POLICY_SIP_ROUND(v0, v1, v2, v3);
        v0 ^= word;
        at += 8;
    }
    work->sip.v[0] = v0;
    work->sip.v[1] = v1;
    work->sip.v[2] = v2;
    work->sip.v[3] = v3;
    work->sip.at = at;
    return i == POLICY_HASH_STEP;
}

/* SipHash-1-3 of text `asked`: one round for each word, three at the end. */
__noinline u64 policy_hash_text(u32 id, u32 asked) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_TEXTS)
        return 0;
    u64 index = bounded(asked, POLICY_TEXTS - 1);
    u64 size = bounded(work->values[index].text_size, POLICY_TEXT_SIZE_MAX);
    work->sip.v[0] = policy_secret_0 ^ 0x736f6d6570736575ULL;
    work->sip.v[1] = policy_secret_1 ^ 0x646f72616e646f6dULL;
    work->sip.v[2] = policy_secret_0 ^ 0x6c7967656e657261ULL;
    work->sip.v[3] = policy_secret_1 ^ 0x7465646279746573ULL;
    work->sip.at = 0;
    for (u32 i = 0; i < POLICY_HASH_CALLS; i++) {
        if (!policy_hash_words(id, index))
            break;
    }
    u64 v0 = work->sip.v[0], v1 = work->sip.v[1], v2 = work->sip.v[2], v3 = work->sip.v[3];
    /* The bytes behind the text are of an earlier call. */
    u64 word = *(u64 *)&work->texts[index][size & ~7ULL];
    u64 rest = (size & 7) * 8;
    word = (word & ~(~0ULL << rest)) | size << 56;
    v3 ^= word;
    POLICY_SIP_ROUND(v0, v1, v2, v3);
    v0 ^= word;
    v2 ^= 0xff;
    POLICY_SIP_ROUND(v0, v1, v2, v3);
    POLICY_SIP_ROUND(v0, v1, v2, v3);
    POLICY_SIP_ROUND(v0, v1, v2, v3);
    return v0 ^ v1 ^ v2 ^ v3;
}

/* Row of a text by the hash of it, 0 when nobody lists it. */
static __always_inline u32 policy_row_of_hash(u32 dim_id, u32 size, u64 hash) {
    struct policy_text_key key = {.dim = dim_id, .size = size, .hash = hash};
    const u32 *row = bpf_map_lookup_elem(&policy_texts, &key);
    return row ? *row : 0;
}

/* Row of the longest listed prefix of text `asked`. */
__noinline int policy_row_of_prefix(u32 id, u32 dim_id, u32 asked) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_TEXTS)
        return 0;
    u64 index = bounded(asked, POLICY_TEXTS - 1);
    u32 dim = __builtin_bswap32(dim_id);
    u64 size = bounded(work->values[index].text_size, POLICY_PREFIX_SIZE_MAX);
    __builtin_memcpy(work->prefix.dim, &dim, 4);
    work->prefix.bits = 32 + size * 8;
    bpf_probe_read_kernel(work->prefix.text, size, work->texts[index]);
    const u32 *row = bpf_map_lookup_elem(&policy_prefixes, &work->prefix);
    return row ? *row : 0;
}

/* The end of text `index`, last byte first. */
static __always_inline void policy_reverse_end(struct policy_work *work, u64 index, u8 *to) {
    u64 size = bounded(work->values[index].text_size, POLICY_TEXT_SIZE_MAX);
    u64 used = bounded(size, POLICY_POSTFIX_SIZE_MAX);
    /* The last `used` bytes to the end of `tail`, then turned word by word. */
    bpf_probe_read_kernel(&work->tail[bounded(POLICY_TAIL_SIZE - used, POLICY_TAIL_SIZE)], used,
                          &work->texts[index][bounded(size - used, POLICY_TEXT_SIZE_MAX)]);
    for (u32 i = 0; i < POLICY_POSTFIX_SIZE_MAX / 8; i++) {
        u64 word = *(u64 *)&work->tail[POLICY_TAIL_SIZE - 8 - i * 8];
        *(u64 *)&to[i * 8] = __builtin_bswap64(word);
    }
    u32 first = *(u32 *)&work->tail[POLICY_TAIL_SIZE - POLICY_POSTFIX_SIZE_MAX];
    *(u32 *)&to[POLICY_POSTFIX_SIZE_MAX - 4] = __builtin_bswap32(first);
}

/* Row of the longest listed postfix of text `asked`. */
__noinline int policy_row_of_postfix(u32 id, u32 dim_id, u32 asked) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_TEXTS)
        return 0;
    u64 index = bounded(asked, POLICY_TEXTS - 1);
    u32 dim = __builtin_bswap32(dim_id);
    u64 size = bounded(work->values[index].text_size, POLICY_TEXT_SIZE_MAX);
    u64 used = bounded(size, POLICY_POSTFIX_SIZE_MAX);
    policy_reverse_end(work, index, work->postfix.text);
    __builtin_memcpy(work->postfix.dim, &dim, 4);
    work->postfix.bits = 32 + used * 8;
    const u32 *row = bpf_map_lookup_elem(&policy_postfixes, &work->postfix);
    return row ? *row : 0;
}

/* Makes text `asked` the name `kind` of `work->process`; not known when it is not readable. */
__noinline int policy_keep_name(u32 id, u32 asked, u32 kind) {
    struct policy_work *work = policy_slot_of(id);
    if (!work || asked >= POLICY_TEXTS)
        return 0;
    u64 index = bounded(asked, POLICY_TEXTS - 1);
    struct policy_name *name =
        kind == POLICY_NAME_GIVEN ? &work->process.given : &work->process.file;
    u32 flags = work->values[index].flags;
    u64 size = bounded(work->values[index].text_size, POLICY_TEXT_SIZE_MAX);
    name->size = flags & POLICY_HIT_UNREADABLE ? 0 : size;
    name->flags = flags;
    name->hash = policy_hash_text(id, index);
    bpf_probe_read_kernel(name->front, bounded(size, POLICY_PREFIX_SIZE_MAX), work->texts[index]);
    policy_reverse_end(work, index, name->back);
    return 0;
}

/* Row of name `kind` of the current process in a test of texts. */
__noinline int policy_row_of_name(u32 id, u32 dim_id, u32 test, u32 kind) {
    struct policy_work *work = policy_slot_of(id);
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    const struct policy_process *process = bpf_map_lookup_elem(&policy_processes, &tgid);
    if (!work || !process)
        return 0;
    const struct policy_name *name = kind == POLICY_NAME_GIVEN ? &process->given : &process->file;
    u32 size = name->size;
    u32 dim = __builtin_bswap32(dim_id);
    const u32 *row;
    if (test == POLICY_TEST_PREFIX) {
        if (name->flags & POLICY_VALUE_NO_FRONT)
            return 0;
        __builtin_memcpy(work->prefix.dim, &dim, 4);
        work->prefix.bits =
            32 + (size < POLICY_PREFIX_SIZE_MAX ? size : POLICY_PREFIX_SIZE_MAX) * 8;
        bpf_probe_read_kernel(work->prefix.text, POLICY_PREFIX_SIZE_MAX, name->front);
        row = bpf_map_lookup_elem(&policy_prefixes, &work->prefix);
        return row ? *row : 0;
    }
    if (test == POLICY_TEST_POSTFIX) {
        if (name->flags & POLICY_VALUE_NO_END)
            return 0;
        __builtin_memcpy(work->postfix.dim, &dim, 4);
        work->postfix.bits =
            32 + (size < POLICY_POSTFIX_SIZE_MAX ? size : POLICY_POSTFIX_SIZE_MAX) * 8;
        bpf_probe_read_kernel(work->postfix.text, POLICY_POSTFIX_SIZE_MAX, name->back);
        row = bpf_map_lookup_elem(&policy_postfixes, &work->postfix);
        return row ? *row : 0;
    }
    if (name->flags & (POLICY_VALUE_NO_FRONT | POLICY_VALUE_NO_END))
        return 0;
    return policy_row_of_hash(dim_id, size, name->hash);
}

#endif
