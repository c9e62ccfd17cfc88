#include "workload.h"
#include <signal.h>
#include <sys/wait.h>

const char *self;

static const struct {
    const char *name;
    behaviour *run;
} BEHAVIOURS[] = {
    {"exit", run_exit},
    {"kill", run_kill},
    {"wait", run_wait},
    {"exec", run_exec},
    {"exec-chain", run_exec_chain},
    {"long-args", run_long_args},
    {"odd-names", run_odd_names},
    {"deleted", run_deleted},
    {"memfd", run_memfd},
    {"deep-cwd", run_deep_cwd},
    {"outside-root", run_outside_root},
    {"fork", run_fork},
    {"vfork-exec", run_vfork_exec},
    {"many", run_many},
    {"bomb", run_bomb},
    {"clone-parent", run_clone_parent},
    {"threads", run_threads},
    {"thread-exec", run_thread_exec},
    {"leader-first", run_leader_first},
    {"thread-last", run_thread_last},
    {"exit-together", run_exit_together},
    {"io-uring", run_io_uring},
    {"unshare", run_unshare},
    {"setns", run_setns},
    {"user-namespace", run_user_namespace},
    {"cgroup-namespace", run_cgroup_namespace},
    {"calls", run_calls},
    {"net", run_net},
    {"storm", run_storm},
    {"rename-race", run_rename_race},
    {"net-foreign", run_net_foreign},
    {"signals", run_signals},
};

void wait_for(int pid) {
    int status;
    check(pid > 0, "make a child");
    check(waitpid(pid, &status, 0) == pid, "wait");
    if (status != 0)
        fprintf(stderr, "workload: child %d ended with %x\n", pid, status);
    if (status != 0)
        _exit(98);
}

void exec_exit(const char *code) {
    execl(self, self, "exit", code, NULL);
    check(0, "exec");
}

static void nothing(int signal) {
    (void)signal;
}

/* Handles USR1, ignores USR2 where there is an argument, and stays until its input ends. */
int run_signals(int argc, char **argv) {
    struct sigaction handled = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    char byte;
    (void)argv;
    if (argc > 1) {
        check(sigaction(SIGUSR1, &handled, NULL) == 0, "handle");
        check(signal(SIGUSR2, SIG_IGN) != SIG_ERR, "ignore");
    }
    check(write(STDOUT_FILENO, "ready\n", 6) == 6, "say");
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}

int main(int argc, char **argv) {
    /* Through a #! line the script's path comes last; it is an argument like any other. */
    self = argv[0];
    for (size_t i = 0; argc > 1 && i < sizeof(BEHAVIOURS) / sizeof(BEHAVIOURS[0]); i++)
        if (strcmp(argv[1], BEHAVIOURS[i].name) == 0)
            return BEHAVIOURS[i].run(argc - 1, argv + 1);
    fprintf(stderr, "workload: no such behaviour\n");
    return 97;
}
