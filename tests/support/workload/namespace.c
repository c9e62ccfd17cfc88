/* Programs in namespaces of their own. */
#include "workload.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* unshare: new uts, ipc, mount, pid, net and cgroup namespaces, then a child that execs in them. */
int run_unshare(int argc, char **argv) {
    (void)argc;
    (void)argv;
    check(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                  CLONE_NEWCGROUP) == 0,
          "unshare");
    int pid = fork();
    if (pid == 0)
        exec_exit("0");
    wait_for(pid);
    return 0;
}

/* setns: enters the uts namespace of a child, which has one of its own, and execs. */
int run_setns(int argc, char **argv) {
    char path[64], byte;
    int ready[2], end[2];
    (void)argc;
    (void)argv;
    check(pipe2(ready, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0, "pipe");
    int pid = fork();
    if (pid == 0) {
        close(end[1]);
        check(unshare(CLONE_NEWUTS) == 0 && write(ready[1], "", 1) == 1, "unshare");
        /* Ends when the parent's exec has closed the other side. */
        _exit(read(end[0], &byte, 1));
    }
    check(read(ready[0], &byte, 1) == 1, "wait for the child");
    snprintf(path, sizeof(path), "/proc/%d/ns/uts", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && setns(fd, CLONE_NEWUTS) == 0, "setns");
    exec_exit("0");
    return 0;
}

/* user-namespace: a user namespace of its own, then exec. */
int run_user_namespace(int argc, char **argv) {
    (void)argc;
    (void)argv;
    check(unshare(CLONE_NEWUSER) == 0, "unshare");
    exec_exit("0");
    return 0;
}

/*
 * cgroup-namespace MOUNT PATH ARGV...: becomes PATH in a cgroup namespace that begins at its
 * cgroup, with the hierarchy at MOUNT read-only.
 */
int run_cgroup_namespace(int argc, char **argv) {
    check(argc > 3, "arguments");
    check(unshare(CLONE_NEWCGROUP | CLONE_NEWNS) == 0, "unshare");
    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "keep mounts private");
    check(mount(NULL, argv[1], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0, "remount");
    execv(argv[2], argv + 3);
    check(0, "exec");
    return 0;
}
