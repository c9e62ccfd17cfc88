/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What programs of policies tell: the record of a match, and what they count. */
#ifndef SHRIKE_POLICY_HIT_H
#define SHRIKE_POLICY_HIT_H

#include "record.h"

/* Rows of the per-CPU map `policy_counts`. */
enum policy_count {
    POLICY_COUNT_CALLS_FULL = 0,     /* the end of a call will not be seen */
    POLICY_COUNT_UNREADABLE = 1,     /* a text or address could not be read */
    POLICY_COUNT_SIGNAL_FAILED = 2,  /* the kernel refused to send a signal */
    POLICY_COUNT_PROCESSES_FULL = 3, /* a process is missing in policy_processes */
    POLICY_COUNT_NO_SLOT = 4,        /* a program found no memory to work in: nothing was done */
    POLICY_COUNT_NOT_FAILED = 5,     /* a system call that was to fail has gone on */
    POLICY_COUNT_DEFERRED = 6,       /* memory was not there; decided when the call ended */
    POLICY_COUNT_DEFERRALS_FULL = 7, /* no room for that: decided without the memory */
    /* Not there at the end either, and yet the call did not fail with EFAULT. */
    POLICY_COUNT_UNSEEN = 8,
    POLICY_COUNT_SHARE_FULL = 9, /* of the former: a process, user or workload had its share */
    POLICY_COUNT_CLOSED = 10,    /* calls on which policies acted that could not be decided */
    POLICY_COUNTS = 11,
};
EXPORT_ENUM(policy_count);

enum policy_hit_flag {
    /* The effect was done; else it would have been, but for the mode. */
    POLICY_HIT_ENFORCED = 1,
    /* A text could not be read: it counts as one that nobody lists. */
    POLICY_HIT_UNREADABLE = 2,
    /* A text is longer than POLICY_TEXT_SIZE_MAX. */
    POLICY_HIT_TEXT_CUT = 4,
    /* Nobody asked to post it: it is for counting. */
    POLICY_HIT_SILENT = 8,
    /* A record of the call's end follows, from the same thread. */
    POLICY_HIT_RETURNS = 16,
    /* Decided when the call ended, because its memory was not there before; see policy_deferral. */
    POLICY_HIT_DEFERRED = 32,
    /* Not decided, for want of room to wait for its memory: who closes acts, see policy_effects. */
    POLICY_HIT_NO_ROOM = 64,
    /* Not decided, because its memory was there for the kernel, and gone when the call ended. */
    POLICY_HIT_MEMORY_GONE = 128,
};
EXPORT_ENUM(policy_hit_flag);

/* Kinds in the sensor block 3. */
enum policy_record_kind {
    POLICY_HIT_RECORD = 0x0301,
};
EXPORT_ENUM(policy_record_kind);

/* Some selectors matched. Behind it: words, then arguments. */
struct policy_hit {
    struct record_header header;
    u32 hook;
    u16 phase;
    u16 flags;       /* policy_hit_flag */
    u16 word_count;  /* policy_hit_word */
    u16 arg_count;   /* policy_hit_arg */
    u32 effect_kind; /* policy_effect_kind of the first effect that applied */
    u32 effect_parameter;
    u32 uid; /* of the thread that fired, as seen from the initial user namespace */
    u32 gid;
    u32 euid;
    u32 egid;
    u32 _reserved;
    u64 cap_effective;
    s64 return_value; /* in POLICY_AT_RETURN */
};
EXPORT_STRUCT(policy_hit);

struct policy_hit_word {
    u32 index;
    u32 _reserved;
    u64 bits; /* selectors that matched and act */
};
EXPORT_STRUCT(policy_hit_word);

/* One argument; its bytes follow, padded to 8. */
struct policy_hit_arg {
    u16 type;  /* policy_arg_type */
    u16 flags; /* POLICY_HIT_UNREADABLE, POLICY_HIT_TEXT_CUT */
    u32 size;  /* bytes that follow, padding not counted */
};
EXPORT_STRUCT(policy_hit_arg);

/* Bytes of an argument of type POLICY_ARG_SOCK or POLICY_ARG_SOCKADDR. IPv4 is mapped into IPv6. */
struct policy_socket_value {
    u16 family;
    u16 type;
    u16 protocol;
    u16 state;
    u16 source_port; /* host order */
    u16 destination_port;
    u32 mark;
    u64 cookie;
    u8 source_address[16];
    u8 destination_address[16];
};
EXPORT_STRUCT(policy_socket_value);

/* Bytes of an argument of type FD, FILE, PATH, BINPRM; the path follows, root first. */
struct policy_file_value {
    u64 inode;
    u32 device; /* (major << 20) | minor, as in super_block.s_dev */
    u16 mode;
    u16 flags; /* 1: the path was cut */
    s32 fd;    /* of POLICY_ARG_FD, else -1 */
    u32 _reserved;
};
EXPORT_STRUCT(policy_file_value);

#endif
