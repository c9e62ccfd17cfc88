/* Threads: none of them is a process. */
#include "workload.h"
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

/* Threads need little stack; 200 of them must fit a small guest. */
static pthread_t start(void *(*run)(void *), void *argument) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    check(pthread_create(&thread, &attributes, run, argument) == 0, "make a thread");
    return thread;
}

static void *wait_at(void *barrier) {
    pthread_barrier_wait(barrier);
    return NULL;
}

/* threads N: N threads that live at the same time and end before the leader. */
int run_threads(int argc, char **argv) {
    check(argc == 2, "arguments");
    int n = atoi(argv[1]);
    pthread_t *threads = calloc(n, sizeof(*threads));
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, n);
    for (int i = 0; i < n; i++)
        threads[i] = start(wait_at, &barrier);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static void *exec_from_thread(void *code) {
    /* The test reads which thread it was. */
    printf("%ld\n", syscall(SYS_gettid));
    fflush(stdout);
    exec_exit(code);
    return NULL;
}

/* thread-exec CODE: a thread that is not the leader execs; prints its tid before. */
int run_thread_exec(int argc, char **argv) {
    check(argc == 2, "arguments");
    start(exec_from_thread, argv[1]);
    for (;;)
        pause();
}

/* Until the leader is a zombie; 'Z' follows the name in parentheses. */
static void wait_for_leader(void) {
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
    for (;;) {
        FILE *file = fopen(path, "r");
        check(file && fgets(line, sizeof(line), file), "read the leader's state");
        fclose(file);
        char *state = strrchr(line, ')');
        if (state && state[2] == 'Z')
            return;
        sched_yield();
    }
}

static void *exit_group_after_leader(void *code) {
    wait_for_leader();
    printf("%ld\n", syscall(SYS_gettid));
    fflush(stdout);
    syscall(SYS_exit_group, atoi(code));
    return NULL;
}

/* leader-first CODE: the leader ends, then another thread ends the group with CODE. */
int run_leader_first(int argc, char **argv) {
    check(argc == 2, "arguments");
    start(exit_group_after_leader, argv[1]);
    syscall(SYS_exit, 1);
    return 0;
}

static void *exit_after_leader(void *unused) {
    (void)unused;
    wait_for_leader();
    syscall(SYS_exit, 2);
    return NULL;
}

/*
 * thread-last CODE: the leader ends with CODE, then the other thread by itself with 2. Which of
 * them wait(2) gives depends on the kernel: the leader's once, the last one's in newer ones.
 */
int run_thread_last(int argc, char **argv) {
    check(argc == 2, "arguments");
    start(exit_after_leader, NULL);
    syscall(SYS_exit, atoi(argv[1]));
    return 0;
}

static void *exit_at(void *barrier) {
    pthread_barrier_wait(barrier);
    syscall(SYS_exit, 0);
    return NULL;
}

/* exit-together N: N threads and the leader end at the same moment, each by itself. */
int run_exit_together(int argc, char **argv) {
    check(argc == 2, "arguments");
    int n = atoi(argv[1]);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, n + 1);
    for (int i = 0; i < n; i++)
        start(exit_at, &barrier);
    exit_at(&barrier);
    return 0;
}

/*
 * io-uring: makes a ring whose submissions a kernel thread inside this process polls for. Exits
 * with 77 where io_uring is missing or forbidden.
 */
int run_io_uring(int argc, char **argv) {
    struct io_uring_params parameters = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1};
    (void)argc;
    (void)argv;
    long fd = syscall(SYS_io_uring_setup, 4, &parameters);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return 77;
    check(fd >= 0, "io_uring");
    close(fd);
    return 0;
}
