/* Programs that make others. */
#include "workload.h"
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* fork N: N children one after the other that never exec; the i-th exits with i. */
int run_fork(int argc, char **argv) {
    check(argc == 2, "arguments");
    int n = atoi(argv[1]), status;
    for (int i = 1; i <= n; i++) {
        int pid = fork();
        if (pid == 0)
            _exit(i);
        check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == i, "wait");
    }
    return 0;
}

/* vfork-exec: a child that shares memory until it execs. */
int run_vfork_exec(int argc, char **argv) {
    (void)argc;
    (void)argv;
    int pid = vfork();
    if (pid == 0) {
        execl(self, self, "exit", "0", NULL);
        _exit(95);
    }
    wait_for(pid);
    return 0;
}

/* many N: N short programs, one after the other. */
int run_many(int argc, char **argv) {
    check(argc == 2, "arguments");
    for (int i = atoi(argv[1]); i > 0; i--) {
        int pid = vfork();
        if (pid == 0) {
            execl(self, self, "exit", "0", NULL);
            _exit(95);
        }
        wait_for(pid);
    }
    return 0;
}

/*
 * bomb WIDTH DEPTH: each process makes WIDTH children at once, DEPTH levels down; all are waited
 * for.
 */
static void bomb(int width, int depth) {
    for (int i = 0; depth > 0 && i < width; i++) {
        int pid = fork();
        check(pid >= 0, "fork");
        if (pid > 0)
            continue;
        bomb(width, depth - 1);
        _exit(0);
    }
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

int run_bomb(int argc, char **argv) {
    check(argc == 3, "arguments");
    bomb(atoi(argv[1]), atoi(argv[2]));
    return 0;
}

/*
 * clone-parent: a child makes a grandchild with CLONE_PARENT, which thereby is a child of this
 * process and a sibling of its maker.
 */
int run_clone_parent(int argc, char **argv) {
    (void)argc;
    (void)argv;
    int maker = fork();
    if (maker == 0) {
        long pid = syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), 0, 0, 0, 0);
        check(pid >= 0, "clone");
        _exit(0);
    }
    int ended = 0;
    while (wait(NULL) > 0)
        ended++;
    return ended == 2 ? 0 : 94;
}
