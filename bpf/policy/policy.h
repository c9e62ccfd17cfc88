/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Policies as the kernel sees them: bits and tables, written by user space, and the record of a
 * match. One program per hook serves all policies; which of them match is the AND of bit rows.
 *
 * A selector of a policy owns one bit of its hook. A dimension is one value that is compared in one
 * way ("argument 1 as exact text"); `base ^ row(value)` has the bits of the selectors that accept
 * the value: `base` those that match unless they list it (dimension not used, or negated), the row
 * of a value those that list it. Values that nobody lists have row 0, which is all zero.
 */
#ifndef SHRIKE_POLICY_H
#define SHRIKE_POLICY_H

#include "policy_hit.h"
#include "record.h"

enum policy_limit {
    POLICY_HOOKS_MAX = 128,
    POLICY_DIMS_MAX = 16,  /* numbers of dimensions per hook; the last is never one */
    POLICY_NO_DIM = 15,    /* ends a list of dimensions */
    POLICY_WORDS_MAX = 16, /* words of a row: 1,024 bits of selectors per hook */
    POLICY_ARGS_MAX = 5,
    POLICY_RAW_ARGS = 6,    /* that a system call has, and a function in registers */
    POLICY_EFFECTS_MAX = 8, /* different signals and errors of a hook */
    POLICY_SETS_MAX = 1024, /* sets of workloads that have the same policies */
    POLICY_SYSCALLS_MAX = 1024,
    POLICY_SOCKETCALLS_MAX = 32,
    POLICY_SYSCALL_ENTRIES = 2080, /* both tables, and socketcalls */
    /* In place of a hook: which call it is stands in its arguments (socketcall). */
    POLICY_SYSCALL_MULTIPLEXED = 0x10000,
    POLICY_TREES_MAX = 64,
    /* No hook: its selectors, in word 0, are the trees; decided for each exec, set 0. */
    POLICY_TREE_HOOK = 127,
    /* Bytes of a text that are compared and told. */
    POLICY_TEXT_SIZE_MAX = 4096,
    POLICY_PREFIX_SIZE_MAX = 252, /* LPM keys have 256 bytes at most, 4 are the dimension's */
    POLICY_POSTFIX_SIZE_MAX = 124,
    /* Row of the base of dimension 0 of hook 0; the others follow, see POLICY_DIM_ID(). */
    POLICY_BASE_ROW = 1,
    POLICY_VALUE_ROW = 2049, /* first row of values */
};
EXPORT_ENUM(policy_limit);

/* Names a dimension among all hooks. */
#define POLICY_DIM_ID(hook, dim) ((hook)*POLICY_DIMS_MAX + (dim))

/* How an argument is read. User space knows more kinds; these differ for the kernel. */
enum policy_arg_type {
    POLICY_ARG_NONE = 0,
    POLICY_ARG_S8 = 1,
    POLICY_ARG_U8 = 2,
    POLICY_ARG_S16 = 3,
    POLICY_ARG_U16 = 4,
    POLICY_ARG_S32 = 5,
    POLICY_ARG_U32 = 6,
    POLICY_ARG_64 = 7, /* int64, uint64, size, syscall64 */
    POLICY_ARG_STRING = 8,
    POLICY_ARG_BUFFER = 9, /* char_buf */
    POLICY_ARG_FD = 10,
    POLICY_ARG_FILE = 11, /* struct file * */
    POLICY_ARG_PATH = 12, /* struct path * */
    POLICY_ARG_BINPRM = 13,
    POLICY_ARG_SOCK = 14,     /* struct sock * */
    POLICY_ARG_SOCKADDR = 15, /* struct sockaddr * */
    POLICY_ARG_CRED = 16,
    POLICY_ARG_CAPABILITY = 17,
};
EXPORT_ENUM(policy_arg_type);

enum policy_arg_flag {
    /* A pointer into user memory: all of system calls. */
    POLICY_ARG_USER = 1,
    /* AF_UNSPEC ends a connection; elsewhere sockets of AF_INET take it for their family. */
    POLICY_ARG_DISCONNECTS = 2,
    /* A system call, whose argument 0 is the descriptor of the socket. */
    POLICY_ARG_OF_SOCKET = 4,
};
EXPORT_ENUM(policy_arg_flag);

struct policy_arg {
    u8 type;       /* policy_arg_type */
    u8 index;      /* of the function's arguments, from 0 */
    u8 size_index; /* argument that has the size of a buffer, 255 for none */
    u8 flags;      /* policy_arg_flag */
    u32 size_max;  /* bytes of a buffer that are read at most */
};
EXPORT_STRUCT(policy_arg);

/* Where the value of a dimension is from. */
enum policy_source {
    POLICY_FROM_ARG = 1, /* args[slot], its part `part` */
    POLICY_FROM_RETURN = 2,
    POLICY_FROM_TGID = 3,
    POLICY_FROM_NAMESPACE_TGID = 4, /* 0 in the initial pid namespace */
    POLICY_FROM_TREE = 5,           /* `trees` of policy_processes; only with POLICY_TEST_BITS */
    POLICY_FROM_BINARY = 6,         /* path of the file that runs */
    POLICY_FROM_NAMESPACE = 8,      /* inode number; `part` says which, in the order of process.h */
    POLICY_FROM_CAPABILITIES = 9,   /* `part`: 0 effective, 1 inheritable, 2 permitted */
};
EXPORT_ENUM(policy_source);

enum policy_part {
    POLICY_PART_VALUE = 0,
    POLICY_PART_SOURCE_ADDRESS = 1,
    POLICY_PART_DESTINATION_ADDRESS = 2, /* of a sockaddr its address */
    POLICY_PART_SOURCE_PORT = 3,
    POLICY_PART_DESTINATION_PORT = 4, /* of a sockaddr its port */
    POLICY_PART_PROTOCOL = 5,
    POLICY_PART_FAMILY = 6,
    POLICY_PART_STATE = 7,
};
EXPORT_ENUM(policy_part);

/* How it is compared, and in which map. */
enum policy_test {
    POLICY_TEST_TEXT = 1,    /* policy_texts, by hash */
    POLICY_TEST_PREFIX = 2,  /* policy_prefixes */
    POLICY_TEST_POSTFIX = 3, /* policy_postfixes, text reversed */
    POLICY_TEST_NUMBER = 4,  /* policy_numbers */
    POLICY_TEST_RANGE = 5,   /* policy_ranges, big endian; signed values moved by 2^63 */
    POLICY_TEST_BITS = 6,    /* policy_numbers by bit number; rows of all set bits ORed */
    POLICY_TEST_NETWORK = 7, /* policy_networks */
};
EXPORT_ENUM(policy_test);

enum policy_dim_flag {
    POLICY_DIM_SIGNED = 1, /* ranges of a signed type */
    /*
     * Of FROM_BINARY: only the file that runs; else rows of it and of the given name are ORed.
     */
    POLICY_DIM_RESOLVED_ONLY = 2,
};
EXPORT_ENUM(policy_dim_flag);

struct policy_dim {
    u8 test;
    u8 source;
    u8 slot;
    u8 part;
    u32 flags;
    u64 bits; /* POLICY_TEST_BITS: those that any selector asks for */
};
EXPORT_STRUCT(policy_dim);

enum policy_hook_flag {
    /* Selectors look at what the call returns: they are evaluated at its end too. */
    POLICY_HOOK_RETURN = 1,
    /* Selectors look at memory of the caller, which may come only while the call runs. */
    POLICY_HOOK_DEFERS = 2,
};
EXPORT_ENUM(policy_hook_flag);

/*
 * A row of `policy_hooks`. Which dimensions are looked at is told by two lists of their numbers, 4
 * bits each, lowest first, ended by POLICY_NO_DIM: cheap ones first. A list is one word, because
 * dimensions come and go while calls run: a call sees the old list or the new one. What a list
 * names is complete before the list is stored, and stays until a grace period after it is gone.
 * A program loads the masks of its slot before it loads a list: a new selector's mask is stored
 * last, so who sees it sees its dimensions too.
 */
struct policy_hook {
    u32 flags;
    u32 _reserved;
    u64 call_dims;
    u64 return_dims; /* at the end of the call */
    struct policy_arg args[POLICY_ARGS_MAX];
    struct policy_arg returns;
    struct policy_dim dim[POLICY_DIMS_MAX];
};
EXPORT_STRUCT(policy_hook);

/*
 * A row of `policy_slots`: the bits that concern a workload, sparse. `index` is complete and stays
 * while policy_masks names the slot. Masks and `count` change in place, one store each; a mask may
 * be 0. Changes of several words at once go into another slot, and then policy_masks names that.
 */
struct policy_slot {
    u32 count;
    u32 _reserved;
    u8 index[POLICY_WORDS_MAX];
    u64 mask[POLICY_WORDS_MAX];
};
EXPORT_STRUCT(policy_slot);

/*
 * Place in `policy_masks` of a set of workloads (of cgroup_entry; 0: nobody selects them) on a
 * hook. The u32 there is the row of `policy_slots` + 1, 0 when nothing concerns the set.
 */
#define POLICY_MASK_INDEX(set, hook) ((set)*POLICY_HOOKS_MAX + (hook))

/*
 * Place in `policy_syscalls` of the system call `number`. The u32 there is its hook + 1, 0 for
 * none. The 32-bit table of the same machine has numbers of its own; numbers of x32 from 512 on are
 * among the native ones, without the bit that marks x32.
 */
#define POLICY_SOCKETCALL_INDEX(call) (2 * POLICY_SYSCALLS_MAX + (call))
#define POLICY_SYSCALL_INDEX(number, is_compat) ((number) + ((is_compat) ? POLICY_SYSCALLS_MAX : 0))

struct policy_number_key {
    u32 dim; /* POLICY_DIM_ID() */
    u32 _reserved;
    u64 value;
};
EXPORT_STRUCT(policy_number_key);

struct policy_text_key {
    u32 dim;
    u32 size;
    u64 hash; /* SipHash-1-3 of the bytes under policy_secret */
};
EXPORT_STRUCT(policy_text_key);

/* LPM keys: `bits` counts those of `dim` (big endian, always whole) too. */
struct policy_prefix_key {
    u32 bits;
    u8 dim[4];
    u8 text[POLICY_PREFIX_SIZE_MAX];
};
EXPORT_STRUCT(policy_prefix_key);

struct policy_postfix_key {
    u32 bits;
    u8 dim[4];
    u8 text[POLICY_POSTFIX_SIZE_MAX]; /* last byte first */
};
EXPORT_STRUCT(policy_postfix_key);

struct policy_range_key {
    u32 bits;
    u8 dim[4];
    u8 value[8];
};
EXPORT_STRUCT(policy_range_key);

struct policy_network_key {
    u32 bits;
    u8 dim[4];
    u8 address[16];
};
EXPORT_STRUCT(policy_network_key);

/* A row of `policy_rows`. */
struct policy_row {
    u64 words[POLICY_WORDS_MAX];
};
EXPORT_STRUCT(policy_row);

enum policy_effect_kind {
    POLICY_EFFECT_NONE = 0,
    POLICY_EFFECT_SIGNAL = 1,   /* parameter: number */
    POLICY_EFFECT_OVERRIDE = 2, /* parameter: errno, positive */
};
EXPORT_ENUM(policy_effect_kind);

struct policy_effect {
    u32 kind;
    u32 parameter;
    u64 bits[POLICY_WORDS_MAX]; /* of the selectors that ask for it, whatever the mode */
};
EXPORT_STRUCT(policy_effect);

/*
 * A row of `policy_effects`, one per hook and phase (row = hook * 2 + phase).
 *
 * Of one policy only the first selector that matches acts. Its selectors stand next to each other,
 * in order, in one word, and end with a guard bit that no selector has; a policy with one selector
 * has a single bit and no guard. With v the matching bits:
 *   u = v | guards;  first = ((~u + starts) & u & ~guards & ~singles) | (v & singles)
 * (a carry runs through the bits that do not match and stops at the first that does, or at the
 * guard). Bits of `v` outside of groups and singles of the phase are not in `first`. A program
 * loads `starts` before `guards`: a guard is stored before its start, and stays longer.
 *
 * A policy whose selectors look at what a hook returns is decided at the end of the call, as a
 * whole. Others are decided at the call, and what they do at its end is done for the selector that
 * acted then. With v after `call_dims`, and v' after `return_dims`:
 *   at the call:  first = first(v) by row 0;  saved = (v & waits) | (first & returns)
 *   at its end:   v' = saved & dims;  first' = first(v') by row 1
 * Nothing is to be kept for the end if all of `saved` is 0. Bits of `saved` stay unused after their
 * policy is gone until user space knows that no call has them any more.
 */
struct policy_effects {
    u64 singles[POLICY_WORDS_MAX];
    u64 starts[POLICY_WORDS_MAX];
    u64 guards[POLICY_WORDS_MAX];
    u64 post[POLICY_WORDS_MAX];
    u64 enforce[POLICY_WORDS_MAX]; /* policies in mode enforce */
    u64 waits[POLICY_WORDS_MAX];   /* row 0: selectors that are decided at the end */
    u64 returns[POLICY_WORDS_MAX]; /* row 0: selectors that act at the end again */
    u64 defers[POLICY_WORDS_MAX];  /* row 0: all selectors of what looks at memory of the caller */
    u64 closes[POLICY_WORDS_MAX];  /* row 0: those that act when such memory cannot be looked at */
    /* Overrides from the first on, signals from the last on; those between are NONE. */
    struct policy_effect effects[POLICY_EFFECTS_MAX];
};
EXPORT_STRUCT(policy_effects);

enum policy_phase {
    POLICY_AT_CALL = 0,
    POLICY_AT_RETURN = 1,
};
EXPORT_ENUM(policy_phase);

/* A name of the program of a process: as a whole by its hash, and what prefixes and postfixes see.
 */
struct policy_name {
    u64 hash;                         /* as in policy_text_key */
    u32 size;                         /* 0: not known */
    u32 flags;                        /* policy_value_flag: what of it is cut */
    u8 back[POLICY_POSTFIX_SIZE_MAX]; /* last byte first */
    u8 front[POLICY_PREFIX_SIZE_MAX];
};
EXPORT_STRUCT(policy_name);

enum policy_name_kind {
    POLICY_NAME_FILE = 0,  /* path of the file that runs */
    POLICY_NAME_GIVEN = 1, /* name that was given to exec, from the root on, in its shortest form */
};
EXPORT_ENUM(policy_name_kind);

/*
 * Value of `policy_processes`, by tgid: what a process has from its past. Kept by the programs of
 * fork, exec and exit, which are attached while a policy asks for it. Both names are those of the
 * time of exec: PR_SET_MM_EXE_FILE, chroot and mounts do not change what a process is.
 */
struct policy_process {
    u64 trees; /* a bit for each tree of processes that it is in; forks inherit them */
    struct policy_name file;
    struct policy_name given;
};
EXPORT_STRUCT(policy_process);

#include "policy_pending.h"

#endif
