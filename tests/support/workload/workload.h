/*
 * A program that does what the tests want to see: `workload BEHAVIOUR ARGUMENTS...`. Static, so
 * that it runs in any guest, and with no shell between it and the kernel. Exits with 99 and a line
 * on stderr when a system call fails that should not.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* argv[0] of the program: the path tests started it with, to start it again. */
extern const char *self;

/* Ends the program when `ok` is false. */
static inline void check(int ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
    _exit(99);
}

/* A behaviour; argv[0] is its name, argv[argc] is NULL. */
typedef int behaviour(int argc, char **argv);

behaviour run_exit, run_kill, run_wait, run_exec, run_exec_chain, run_long_args, run_odd_names;
behaviour run_deleted, run_memfd, run_deep_cwd, run_outside_root;
behaviour run_fork, run_vfork_exec, run_many, run_bomb, run_clone_parent;
behaviour run_threads, run_thread_exec, run_leader_first, run_thread_last, run_exit_together;
behaviour run_io_uring;
behaviour run_calls;
behaviour run_storm, run_rename_race;
behaviour run_net, run_net_foreign, run_signals;
behaviour run_unshare, run_setns, run_user_namespace, run_cgroup_namespace;

/* Waits for a child and ends the program unless it exited with 0. */
void wait_for(int pid);
/* Says that it is the file at `path`, without exec; 0 or an errno. */
int become_other_exe(const char *path);
/* Becomes `workload exit CODE`. */
void exec_exit(const char *code);

#endif
