/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is kept of calls under way: for their end, to make them fail, and what is decided later. A
 * part of policy.h, which includes it and has the limits.
 */
#ifndef SHRIKE_POLICY_PENDING_H
#define SHRIKE_POLICY_PENDING_H

#include "record.h"

/*
 * Key of `policy_calls`: one thread may have calls of several functions under way, and of one
 * function several. Of system calls `frame` and `hook` are 0: they do not nest.
 */
struct policy_call_key {
    u64 thread; /* as bpf_get_current_pid_tgid() gives it */
    u64 frame;  /* stack pointer when the function was entered */
    u32 hook;   /* + 1 */
    u32 _reserved;
};
EXPORT_STRUCT(policy_call_key);

/* `hook` in the key of what was deferred, see policy_deferral: the thread may have two rows. */
#define POLICY_DEFERRED_CALL (~0U)

/* A row of `policy_calls`: what is kept of a call for its end. */
struct policy_call {
    u32 hook;
    u32 count;
    u8 index[POLICY_WORDS_MAX];
    u64 mask[POLICY_WORDS_MAX];
};
EXPORT_STRUCT(policy_call);

/* By which tables a system call can be made to fail: programs are attached that do it. */
enum policy_fails {
    POLICY_FAILS_NATIVE = 1, /* x32 too */
    POLICY_FAILS_COMPAT = 2,
};
EXPORT_ENUM(policy_fails);

/*
 * A row of `policy_failures`, by thread (tgid << 32 | tid): the system call that it begins is to
 * fail. Decided at sys_enter, done and deleted where the function of the call is entered.
 */
struct policy_failure {
    u32 hook;
    u32 error; /* positive */
};
EXPORT_STRUCT(policy_failure);

enum policy_missing {
    /* Beside a bit for each argument: the arguments themselves are in memory that is not there. */
    POLICY_MISSING_RAW = 0x80,
};

/*
 * Who may have how many of the deferrals, so that none can use up the room of all. A row of
 * `policy_shares` counts those of one process, one user or one workload, found by a keyed hash: who
 * shares a row with another has less, never more.
 */
enum policy_share {
    POLICY_SHARE_PROCESS = 0,
    POLICY_SHARE_USER = 1,     /* but root; of a user namespace it is who has made the outermost */
    POLICY_SHARE_WORKLOAD = 2, /* by its tracking id */
    POLICY_SHARE_KINDS = 3,
    POLICY_SHARE_ROWS = 4096, /* of each kind */
    POLICY_NO_SHARE = 0xffff,
};
EXPORT_ENUM(policy_share);

/*
 * A row of `policy_deferrals`, by the address of the task, which exec does not change: a call whose
 * arguments are in memory that is not there. A program cannot wait for it, but the kernel does when
 * it reads the same. So the policies that look at it are decided when the call ends, by what is
 * there then: the dimensions of the missing arguments, for the selectors that all others have left.
 * What exec was given is gone with the old image; the kernel's copy of the name stands for it.
 */
struct policy_deferral {
    u32 hook;
    u32 count;
    u32 number;    /* of the system call, in its table */
    u8 missing;    /* policy_missing; 0: decided, but the end of the call is to be told */
    u8 name_index; /* argument that is the name exec is given, 255 for none */
    u16 _reserved;
    u16 shares[POLICY_SHARE_KINDS]; /* rows of policy_shares that count it; POLICY_NO_SHARE */
    u16 _reserved2;
    u64 raw[POLICY_RAW_ARGS];
    u8 index[POLICY_WORDS_MAX];
    u64 mask[POLICY_WORDS_MAX];
};
EXPORT_STRUCT(policy_deferral);

#endif
