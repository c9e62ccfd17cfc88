/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The process sensor: fork, exec and exit of thread groups, one record each.
 *
 * Three BTF tracepoints (tp_btf, since 5.5) rather than kprobes or fentry: they are there on every
 * kernel with BTF, survive inlining and renaming of functions, and fire once per happening. Each
 * hook has a second program, the spare, which is only loaded on kernels that need it:
 * preemption.bpf.h.
 */
#include "kernel_types.h"
#include "process.h"
#include "process_asked.bpf.h"
#include "process_task.bpf.h"
#include "record.bpf.h"
#include "append.bpf.h"
#include "path.bpf.h"
#include "preemption.bpf.h"
#include <bpf/bpf_tracing.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

/* Set by the loader: environments hold secrets, so they are read only when asked for. */
const volatile bool collect_environment = false;

enum memfd_prefix {
    MEMFD_PREFIX_SIZE = 6, /* "memfd:" */
};

_Static_assert(sizeof(struct process_exec) + 3 * PROCESS_PATH_SIZE_MAX +
                       PROCESS_INTERPRETER_SIZE_MAX + PROCESS_ARGUMENTS_SIZE_MAX +
                       PROCESS_ENVIRONMENT_SIZE_MAX <=
                   RECORD_SIZE_MAX,
               "an exec record with everything at its longest must fit a record");

/*
 * sched_process_fork(parent, child): in kernel_clone() with the child complete and not yet running,
 * so its record is before any other of it in time. Threads are left out, and with them what the
 * kernel makes inside a process (io_uring and vhost workers are threads of it).
 */
static __always_inline void report_fork(void *ctx, const struct task_struct *caller,
                                        const struct task_struct *child) {
    struct process_fork record;
    struct pid_place place;
    if (child->pid != child->tgid)
        return;
    if (child->flags & PF_KTHREAD)
        return;
    if (!claim_event(PROCESS_FORK, child, 0))
        return;
    const struct task_struct *parent = child->real_parent;
    read_pid_place(&place, child);
    fill_header(&record.header, PROCESS_FORK, child, &place, child);
    record.header.size = sizeof(record);
    record.parent_start_ns = leader_start_ns(parent);
    record.parent_tgid = parent->tgid;
    record.parent_tid = caller->pid;
    record.pid_ns_level = place.level;
    record.process_flags = parent_flags(parent) | fill_credentials(&record.credentials, child);
    fill_namespaces(&record.namespaces, child, &place);
    emit_record(ctx, &record.header, sizeof(record));
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_process_fork, struct task_struct *caller, struct task_struct *child) {
    hook_enter();
    report_fork(ctx, caller, child);
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_spare, struct task_struct *caller, struct task_struct *child) {
    hook_enter();
    report_fork(ctx, caller, child);
    hook_leave();
    return 0;
}

__noinline int append_arguments(u32 id, u64 start, u64 end) {
    return append_user(id, PROCESS_ARGUMENTS_SIZE_MAX, start, end);
}

__noinline int append_environment(u32 id, u64 start, u64 end) {
    return append_user(id, PROCESS_ENVIRONMENT_SIZE_MAX, start, end);
}

/* The file that runs, but for its path. Returns flags. */
static __always_inline u32 fill_executable(struct process_exec *record, const struct file *file) {
    const struct inode *inode = file->f_inode;
    const struct dentry *dentry = file->f_path.dentry;
    record->exe_inode = inode->i_ino;
    record->exe_device = inode->i_sb->s_dev;
    record->exe_links = inode->i_nlink;
    record->exe_mode = inode->i_mode;
    record->exe_uid = inode->i_uid.val;
    record->exe_gid = inode->i_gid.val;
    /* As d_path() tests it; files that never had a name are unhashed too, but their own parent. */
    bool unhashed = dentry->d_hash.pprev == 0 && dentry->d_parent != dentry;
    return unhashed || record->exe_links == 0 ? PROCESS_EXE_UNLINKED : 0;
}

/*
 * Whether a file is a memfd: a dentry without parent on a mount of the kernel's own whose name
 * begins with "memfd:". A file in a directory may have that name too, but has a parent.
 */
static __always_inline bool is_memfd(const struct file *file) {
    char prefix[MEMFD_PREFIX_SIZE + 1] = {};
    const struct dentry *dentry = file->f_path.dentry;
    if (dentry->d_parent != dentry || dentry == file->f_path.mnt->mnt_root)
        return false;
    bpf_probe_read_kernel(prefix, MEMFD_PREFIX_SIZE, dentry->d_name.name);
    return prefix[0] == 'm' && prefix[1] == 'e' && prefix[2] == 'm' && prefix[3] == 'f' &&
           prefix[4] == 'd' && prefix[5] == ':';
}

/* `cut` or `failed` or nothing, as an append turned out. */
static __always_inline u32 append_flags(int state, u32 cut, u32 failed) {
    return state == APPEND_CUT ? cut : state == APPEND_FAILED ? failed : 0;
}

/* Appends the path of the file that runs, as the process would see it. Returns flags. */
static __always_inline u32 append_exe(struct scratch *slot, u32 id,
                                      const struct task_struct *task) {
    const struct file *file = task->mm->exe_file;
    if (!file)
        return PROCESS_EXE_FAILED;
    u32 flags = fill_executable((void *)slot->bytes, file);
    if (is_memfd(file)) {
        const unsigned char *name = file->f_path.dentry->d_name.name;
        flags |= PROCESS_EXE_MEMFD;
        if (append_string(slot, id, name, PATH_NAME_SIZE_MAX) != APPEND_WHOLE)
            return flags | PROCESS_EXE_FAILED;
        slot->header.size += 1; /* names of paths end with NUL; it is there */
        return flags;
    }
    u32 state = append_path(slot, id, PROCESS_PATH_SIZE_MAX, &file->f_path, &task->fs->root);
    if (state == WALK_AT_TOP)
        flags |= PROCESS_EXE_UNREACHABLE;
    if (state == WALK_CUT)
        flags |= PROCESS_EXE_CUT;
    if (state == WALK_FAILED)
        flags |= PROCESS_EXE_FAILED;
    return flags;
}

/* Appends the working directory. Returns flags. */
static __always_inline u32 append_cwd(struct scratch *slot, u32 id,
                                      const struct task_struct *task) {
    u32 state = append_path(slot, id, PROCESS_PATH_SIZE_MAX, &task->fs->pwd, &task->fs->root);
    if (state == WALK_AT_TOP)
        return PROCESS_CWD_UNREACHABLE;
    if (state == WALK_CUT)
        return PROCESS_CWD_CUT;
    if (state == WALK_FAILED)
        return PROCESS_CWD_FAILED;
    return 0;
}

/* Everything of fixed size but what concerns the file. */
static __always_inline void fill_exec(struct process_exec *record, const struct task_struct *task,
                                      u32 old_tid, const struct linux_binprm *bprm) {
    struct pid_place place;
    const struct task_struct *parent = task->real_parent;
    read_pid_place(&place, task);
    fill_header(&record->header, PROCESS_EXEC, task, &place, task);
    record->header.size = sizeof(*record);
    record->parent_start_ns = leader_start_ns(parent);
    record->parent_tgid = parent->tgid;
    record->old_tid = old_tid;
    record->pid_ns_level = place.level;
    record->process_flags = parent_flags(parent) | fill_credentials(&record->credentials, task);
    fill_namespaces(&record->namespaces, task, &place);
    record->process_flags |= gained_flags(task, bprm);
    if (BPF_CORE_READ_BITFIELD(bprm, secureexec))
        record->process_flags |= PROCESS_SECURE_EXEC;
    if (old_tid != record->header.tid)
        record->process_flags |= PROCESS_BY_THREAD;
    record->argc = bprm->argc;
    record->exe_inode = 0;
    record->exe_device = 0;
    record->exe_links = 0;
    record->exe_mode = 0;
    record->exe_uid = 0;
    record->exe_gid = 0;
}

/* filename, interpreter, exe, cwd */
static __always_inline void append_names(struct scratch *slot, u32 id,
                                         const struct task_struct *task,
                                         const struct linux_binprm *bprm) {
    struct process_exec *record = (void *)slot->bytes;
    u32 start = record->header.size;
    int state = append_string(slot, id, bprm->filename, PROCESS_PATH_SIZE_MAX);
    u32 flags = append_flags(state, PROCESS_FILENAME_CUT, PROCESS_FILENAME_FAILED);
    record->filename_size = record->header.size - start;
    start = record->header.size;
    /* exec of a script puts a copy of the interpreter's name here; else it is the same pointer. */
    if (bprm->interp != bprm->filename)
        append_string(slot, id, bprm->interp, PROCESS_INTERPRETER_SIZE_MAX);
    record->interpreter_size = record->header.size - start;
    start = record->header.size;
    flags |= append_exe(slot, id, task);
    record->exe_size = record->header.size - start;
    start = record->header.size;
    flags |= append_cwd(slot, id, task);
    record->cwd_size = record->header.size - start;
    record->process_flags |= flags;
}

/* arguments, environment */
static __always_inline void append_strings(struct scratch *slot, u32 id,
                                           const struct mm_struct *mm) {
    struct process_exec *record = (void *)slot->bytes;
    u32 start = record->header.size;
    int state = append_arguments(id, mm->arg_start, mm->arg_end);
    u32 flags = append_flags(state, PROCESS_ARGUMENTS_CUT, PROCESS_ARGUMENTS_FAILED);
    record->arguments_size = record->header.size - start;
    start = record->header.size;
    if (collect_environment) {
        state = append_environment(id, mm->env_start, mm->env_end);
        flags |= append_flags(state, PROCESS_ENVIRONMENT_CUT, PROCESS_ENVIRONMENT_FAILED);
    }
    record->environment_size = record->header.size - start;
    record->process_flags |= flags;
}

/*
 * sched_process_exec(task, old_pid, bprm): in exec_binprm() when the exec cannot fail any more: the
 * new memory, credentials and executable are in place, a calling thread has taken its leader's tid,
 * and bprm still has the names as the caller gave them.
 */
static __always_inline void report_exec(void *ctx, const struct task_struct *task, pid_t old_tid,
                                        const struct linux_binprm *bprm, enum scratch_user user) {
    if (!claim_event(PROCESS_EXEC, task, task->self_exec_id))
        return;
    u32 id = scratch_id(user);
    struct scratch *slot = bpf_map_lookup_elem(&scratch, &id);
    if (!slot) {
        count_drop(PROCESS_EXEC, bpf_ktime_get_ns(), DROP_NO_SCRATCH);
        return;
    }
    struct process_exec *record = (void *)slot->bytes;
    fill_exec(record, task, old_tid, bprm);
    append_names(slot, id, task, bprm);
    append_strings(slot, id, task->mm);
    emit_record(ctx, &record->header, bounded(record->header.size, RECORD_SIZE_MAX));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_process_exec, struct task_struct *task, pid_t old_tid, struct linux_binprm *bprm) {
    hook_enter();
    report_exec(ctx, task, old_tid, bprm, SCRATCH_MAIN);
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_spare, struct task_struct *task, pid_t old_tid, struct linux_binprm *bprm) {
    hook_enter();
    report_exec(ctx, task, old_tid, bprm, SCRATCH_SPARE);
    hook_leave();
    return 0;
}

/*
 * sched_process_exit(task): in do_exit() of each thread, after signal->live was counted down, so
 * the thread that finds 0 is the last one, whichever it is. When two threads end at the same
 * moment, both may find 0: user space drops the second record. (The argument group_dead would tell
 * them apart, but only since 6.16.)
 */
static __always_inline void report_exit(void *ctx, const struct task_struct *task) {
    struct process_exit record;
    struct pid_place place;
    const struct signal_struct *signal = task->signal;
    if (task->flags & PF_KTHREAD)
        return;
    if (signal->live.counter != 0)
        return;
    const struct task_struct *leader = task->group_leader;
    if (!claim_event(PROCESS_EXIT, leader, 0))
        return;
    read_pid_place(&place, leader);
    fill_header(&record.header, PROCESS_EXIT, leader, &place, task);
    record.header.size = sizeof(record);
    /* The choice that wait_task_zombie() makes. */
    record.exit_code =
        signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
    record.last_tid = task->pid;
    record.process_flags = 0;
    record._reserved = 0;
    emit_record(ctx, &record.header, sizeof(record));
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_process_exit, struct task_struct *task) {
    hook_enter();
    report_exit(ctx, task);
    hook_leave();
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_spare, struct task_struct *task) {
    hook_enter();
    report_exit(ctx, task);
    hook_leave();
    return 0;
}
