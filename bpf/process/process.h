/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records of the process sensor: fork, exec and exit of thread groups. Block 0x01.
 */
#ifndef SHRIKE_PROCESS_H
#define SHRIKE_PROCESS_H

#include "record.h"

enum process_record_kind {
    PROCESS_FORK = 0x0101,
    PROCESS_EXEC = 0x0102,
    PROCESS_EXIT = 0x0103,
};
EXPORT_ENUM(process_record_kind);

enum process_limit {
    /* PATH_MAX without its NUL; dentry paths may be longer and are then cut at the root side. */
    PROCESS_PATH_SIZE_MAX = 4096,
    /* binfmt_misc takes rules up to 1920 bytes, a #! line counts up to 256. */
    PROCESS_INTERPRETER_SIZE_MAX = 2048,
    PROCESS_ARGUMENTS_SIZE_MAX = 32768,
    PROCESS_ENVIRONMENT_SIZE_MAX = 16384,
};
EXPORT_ENUM(process_limit);

/* What exec and fork records say in `process_flags`. */
enum process_flag {
    PROCESS_ARGUMENTS_CUT = 1,    /* more than PROCESS_ARGUMENTS_SIZE_MAX bytes */
    PROCESS_ARGUMENTS_FAILED = 2, /* a page of user memory was not there; what is before it is */
    PROCESS_ENVIRONMENT_CUT = 4,
    PROCESS_ENVIRONMENT_FAILED = 8,
    PROCESS_FILENAME_CUT = 16,
    PROCESS_FILENAME_FAILED = 32,
    PROCESS_CWD_CUT = 64, /* the components nearest to the root are missing */
    PROCESS_CWD_FAILED = 128,
    PROCESS_EXE_CUT = 256,
    PROCESS_EXE_FAILED = 512,        /* no exe_file */
    PROCESS_EXE_MEMFD = 1024,        /* a memfd: a file of no directory, on the kernel's tmpfs */
    PROCESS_EXE_UNLINKED = 2048,     /* the dentry is unhashed: deleted, or i_nlink is 0 */
    PROCESS_SECURE_EXEC = 4096,      /* bprm->secureexec: setuid, setgid, capabilities, LSM */
    PROCESS_BY_THREAD = 8192,        /* a thread that was not the leader called exec */
    PROCESS_PARENT_KERNEL = 16384,   /* the parent is a kernel thread */
    PROCESS_CWD_UNREACHABLE = 32768, /* cwd lies outside the process's root */
    PROCESS_NO_AUDIT = 65536,        /* kernel without CONFIG_AUDIT: login_uid is not known */
    /* The file lies outside the process's root, or on a detached mount. */
    PROCESS_EXE_UNREACHABLE = 131072,
    /* What the exec gave, against the credentials of the caller. */
    PROCESS_EUID_RAISED = 262144, /* another effective uid than before, which was not 0 */
    PROCESS_EGID_CHANGED = 524288,
    PROCESS_CAPS_GAINED = 1048576, /* permitted capabilities that were not there */
};
EXPORT_ENUM(process_flag);

/* Inode numbers of the namespaces, as in /proc/PID/ns. 0: the kernel lacks that kind. */
struct process_namespaces {
    u32 uts;
    u32 ipc;
    u32 mnt;
    u32 pid;
    u32 pid_for_children;
    u32 net;
    u32 time;
    u32 time_for_children;
    u32 cgroup;
    u32 user;
};
EXPORT_STRUCT(process_namespaces);

/* Credentials as seen from the initial user namespace. */
struct process_credentials {
    u32 uid;
    u32 gid;
    u32 euid;
    u32 egid;
    u32 suid;
    u32 sgid;
    u32 fsuid;
    u32 fsgid;
    u32 secure_bits;
    u32 login_uid;     /* 4294967295 when unset */
    u32 session_id;    /* audit session, 4294967295 when unset */
    u32 user_ns_level; /* 0: the initial user namespace */
    u32 user_ns_uid;   /* owner of the user namespace */
    u32 user_ns_gid;
    u64 cap_permitted;
    u64 cap_effective;
    u64 cap_inheritable;
    u64 cap_ambient;
};
EXPORT_STRUCT(process_credentials);

/* A new thread group, before it runs. header names the child; header.cpu is the caller's. */
struct process_fork {
    struct record_header header;
    u64 parent_start_ns; /* leader_start_ns of the parent group */
    u32 parent_tgid;     /* real_parent: with CLONE_PARENT not the caller */
    u32 parent_tid;      /* thread that called fork, vfork or clone */
    u32 process_flags;
    u32 pid_ns_level; /* 0: the initial pid namespace */
    struct process_credentials credentials;
    struct process_namespaces namespaces;
};
EXPORT_STRUCT(process_fork);

/*
 * A new image in a thread group. Six byte strings follow in this order without gaps:
 *   filename     as given to execve, no NUL
 *   interpreter  bprm->interp as given in #! or binfmt_misc, empty when it is the filename
 *   exe          resolved path, components leaf first, each followed by NUL
 *   cwd          the same form; size 0 with no FAILED flag is the root directory
 *   arguments    argv[0..argc-1], each with its NUL
 *   environment  the same form; only when asked for
 */
struct process_exec {
    struct record_header header;
    u64 parent_start_ns;
    u32 parent_tgid;
    u32 old_tid; /* tid of the calling thread before it took the leader's */
    u32 process_flags;
    u32 pid_ns_level;
    struct process_credentials credentials;
    struct process_namespaces namespaces;
    u64 exe_inode;
    u32 exe_device; /* kernel dev_t: major << 20 | minor, of the superblock */
    u32 exe_links;  /* i_nlink */
    u32 exe_mode;   /* i_mode */
    u32 exe_uid;
    u32 exe_gid;
    u32 argc;
    u32 filename_size;
    u32 interpreter_size;
    u32 exe_size;
    u32 cwd_size;
    u32 arguments_size;
    u32 environment_size;
};
EXPORT_STRUCT(process_exec);

/* The last thread of a group has ended. */
struct process_exit {
    struct record_header header;
    u32 exit_code; /* as wait(2) gives it: status << 8, or signal, | 0x80 with a core dump */
    u32 last_tid;  /* the thread that ended last */
    u32 process_flags;
    u32 _reserved;
};
EXPORT_STRUCT(process_exit);

#endif
