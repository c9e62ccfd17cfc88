// SPDX-License-Identifier: Apache-2.0
/*
 * Makes cheap system calls with a path among their arguments, as it is asked by lines of stdin:
 *
 *     loop CALLS BATCHES PATH    prctl with the path; prints the ns of the fastest batch
 *     other CALLS BATCHES        the same with getppid
 *     until PATH                 prints a line, calls until SIGUSR1 comes, prints when that was
 *     signals COUNT PATH         calls with COUNT paths, their number where PATH has a %, and
 *                                prints how many of them got one SIGUSR1
 *
 * Usage: policy_calls CPU
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    NO_OPTION = 0x7fff0001, /* prctl has none of this number, and is done with EINVAL */
    UNTIL_CALLS_MAX = 50 * 1000 * 1000,
    LINE_SIZE = 8192,
};

static volatile sig_atomic_t signals;
static volatile int64_t signal_ns;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void on_signal(int number) {
    (void)number;
    signal_ns = now_ns();
    signals++;
}

static void call(const char *path) {
    syscall(SYS_prctl, (long)NO_OPTION, path, 0L, 0L, 0L);
}

/* The fastest batch is the one that nobody interrupted. */
static void loop(long calls, long batches, const char *path) {
    int64_t best = INT64_MAX;
    for (long batch = 0; batch < batches; batch++) {
        int64_t start = now_ns();
        if (path) {
            for (long i = 0; i < calls; i++)
                call(path);
        } else {
            for (long i = 0; i < calls; i++)
                syscall(SYS_getppid);
        }
        int64_t took = now_ns() - start;
        if (took < best)
            best = took;
    }
    printf("%" PRId64 "\n", best);
}

static void until(const char *path) {
    signals = 0;
    puts("calling");
    fflush(stdout);
    for (long i = 0; !signals && i < UNTIL_CALLS_MAX; i++)
        call(path);
    printf("%" PRId64 "\n", signals ? signal_ns : INT64_C(0));
}

static void count_signals(long count, const char *before, const char *after) {
    char path[LINE_SIZE + 32];
    long right = 0;
    for (long i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s%ld%s", before, i, after);
        signals = 0;
        call(path);
        right += signals == 1;
    }
    printf("%ld\n", right);
}

static bool obey(char *line) {
    char path[LINE_SIZE];
    long calls, batches;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "loop %ld %ld %s", &calls, &batches, path) == 3)
        loop(calls, batches, path);
    else if (sscanf(line, "other %ld %ld", &calls, &batches) == 2)
        loop(calls, batches, NULL);
    else if (sscanf(line, "until %s", path) == 1)
        until(path);
    else if (sscanf(line, "signals %ld %s", &calls, path) == 2 && strchr(path, '%')) {
        char *hole = strchr(path, '%');
        *hole = 0;
        count_signals(calls, path, hole + 1);
    } else
        return false;
    fflush(stdout);
    return true;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: policy_calls CPU\n");
        return 2;
    }
    /* Never outlives the bench. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(argv[1]), &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus)) {
        perror("sched_setaffinity");
        return 1;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    char line[LINE_SIZE];
    while (fgets(line, sizeof(line), stdin)) {
        if (!obey(line)) {
            fprintf(stderr, "Cannot obey \"%s\"\n", line);
            return 1;
        }
    }
    return 0;
}
