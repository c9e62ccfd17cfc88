/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The memory in which a program collects the values of a call and builds its record.
 *
 * For system calls a slot per CPU. Whoever runs owns it: the programs of that object do not
 * interrupt each other on a CPU, because tracepoints run with preemption off, or the programs
 * switch it off. Programs of other hooks do interrupt each other, and claim slots:
 * policy_slots.bpf.h.
 *
 * The steps are global functions, so that the verifier checks each once; up to 5.12 such functions
 * take numbers only, hence the id of the slot instead of a pointer.
 */
#ifndef SHRIKE_POLICY_WORK_BPF_H
#define SHRIKE_POLICY_WORK_BPF_H

#include "bounded.bpf.h"
#include "kernel_types.h"
#include "policy.h"
#include <bpf/bpf_helpers.h>

enum policy_work_limit {
    /* The arguments' texts, and the path of the program that runs. */
    POLICY_TEXTS = POLICY_ARGS_MAX + 1,
    POLICY_BINARY_TEXT = POLICY_ARGS_MAX,
    /* At exec, when there are no arguments. */
    POLICY_NAME_TEXT = 0,
    POLICY_RAW_NAME_TEXT = 1,
    /* Helpers are given room for one byte more than is told, and names of 255 bytes. */
    POLICY_TEXT_ROOM = POLICY_TEXT_SIZE_MAX + 256,
    POLICY_RAW_VALUES = 64, /* fields of a tracepoint that have a number in policies */
    POLICY_TAIL_SIZE = 128, /* end of a text, in whole words */
    POLICY_ARG_RECORD_MAX =
        sizeof(struct policy_hit_arg) + sizeof(struct policy_file_value) + POLICY_TEXT_SIZE_MAX + 8,
    POLICY_HIT_SIZE_MAX = sizeof(struct policy_hit) +
                          POLICY_WORDS_MAX * sizeof(struct policy_hit_word) +
                          POLICY_ARGS_MAX * POLICY_ARG_RECORD_MAX,
};

/* Beside POLICY_HIT_UNREADABLE and POLICY_HIT_TEXT_CUT in the flags of a value. */
enum policy_value_flag {
    /* What was cut is the front: a path too long for us is told by its end. */
    POLICY_VALUE_NO_FRONT = 0x100,
    /* What was cut is the end. Not of buffers: they are what was asked for. */
    POLICY_VALUE_NO_END = 0x200,
    /* A null pointer where an address may be left out: that is known, not unreadable. */
    POLICY_VALUE_NONE = 0x400,
};

/* What is known of a value beside its bytes. */
struct policy_value {
    u64 number;
    u32 text_size;
    u32 flags;
    u64 address; /* of the kernel object behind it */
};

/* How far a path has been walked, leaf first, from the end of `path` to its beginning. */
struct policy_walk {
    u64 dentry;
    u64 vfsmount;
    u64 mount_root;
    u64 root_dentry;
    u64 root_vfsmount;
    u64 start; /* first byte in use */
};

/* A name on its way from text POLICY_RAW_NAME_TEXT to POLICY_NAME_TEXT, in its shortest form. */
struct policy_shortening {
    u32 in;
    u32 out;  /* bytes that stay */
    u32 size; /* bytes of the name's part that is being read, behind `out` and a "/" */
    u32 dots; /* how many of them are "." from the first on */
    u32 is_going_up;
};

/* SipHash under way. */
struct policy_sip {
    u64 v[4];
    u32 at; /* bytes that are in */
    u32 _reserved;
};

struct policy_work {
    u64 raw[POLICY_RAW_VALUES];
    s64 return_value;
    struct policy_call_key call_key;
    u32 hook;
    u32 phase;
    u32 flags;    /* policy_hit_flag */
    u32 has_args; /* bits of those that were read */
    u32 has_binary;
    u32 may_defer;  /* memory that is not there may be looked at again when the call ends */
    u32 missing;    /* bits of arguments in such memory, and POLICY_MISSING_RAW */
    u32 only_args;  /* bits of arguments: no other dimensions are looked at; 0: all are */
    u32 name_index; /* argument that exec takes its name from */
    u64 image_name; /* the kernel's copy of it, 0: there is none */
    u32 number;     /* of the system call, in its table */
    u32 override_errno;
    u32 has_row; /* `row` has the bits of several rows, by word */
    u32 count;   /* words in use of the next two */
    u8 index[POLICY_WORDS_MAX];
    u64 mask[POLICY_WORDS_MAX];
    u64 row[POLICY_WORDS_MAX];
    struct policy_call call;
    struct policy_deferral deferral;
    struct policy_sip sip;
    struct policy_shortening shortening;
    struct policy_process process;
    u8 tail[POLICY_TAIL_SIZE];
    struct policy_value values[POLICY_TEXTS];
    struct policy_walk walk;
    union {
        struct policy_prefix_key prefix;
        struct policy_postfix_key postfix;
    };
    struct policy_socket_value sockets[POLICY_ARGS_MAX];
    struct policy_file_value files[POLICY_ARGS_MAX];
    u8 path[POLICY_TEXT_ROOM];
    u8 texts[POLICY_TEXTS][POLICY_TEXT_ROOM];
    union {
        struct policy_hit hit;
        u8 record[POLICY_HIT_SIZE_MAX + POLICY_TEXT_ROOM];
    };
};

/* The loader sets max_entries: possible CPUs. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct policy_work);
    __uint(max_entries, 1);
} policy_work SEC(".maps");

static __always_inline struct policy_work *policy_slot_of(u32 id) {
    return bpf_map_lookup_elem(&policy_work, &id);
}

/* Forgets what an earlier call has left there, but for its raw arguments. */
static __always_inline void policy_begin(struct policy_work *work, u32 phase, u32 flags) {
    work->phase = phase;
    work->flags = flags;
    work->has_args = 0;
    work->has_binary = 0;
    work->may_defer = 0;
    work->missing = 0;
    work->only_args = 0;
    work->image_name = 0;
    work->return_value = 0;
}

#endif
