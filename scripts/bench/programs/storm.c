// SPDX-License-Identifier: Apache-2.0
/*
 * Fork, exec and wait, as often and as fast as it can or at a pace.
 *
 *   storm CHILD COUNT [PER_SECOND [STAMPS]]
 *
 * CHILD runs without arguments and must exit with 0. With PER_SECOND each start has its own due
 * time, so a late one does not move the next. With STAMPS every child writes CLOCK_REALTIME just
 * before its execve(); the file gets one "PID NANOSECONDS" line per exec: a lower bound of the time
 * the agent may name.
 * Linked statically so that fork() copies few pages. Prints one line of JSON: wall time, and CPU
 * time of itself and its children, which other load on the machine disturbs less.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COUNT_MAX = 1000000, EXEC_FAILED = 127 };

struct stamp {
    long long time_ns;
    int pid;
};

static long long clock_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long cpu_ns(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

static void sleep_until(long long due_ns) {
    struct timespec due = {due_ns / 1000000000, due_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
}

static int run_child(const char *path, struct stamp *stamp) {
    char *const arguments[] = {(char *)path, NULL}, *const environment[] = {NULL};
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (stamp)
            stamp->time_ns = clock_ns(CLOCK_REALTIME);
        execve(path, arguments, environment);
        _exit(EXEC_FAILED);
    }
    if (stamp)
        stamp->pid = pid;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return -1;
    return 0;
}

static int write_stamps(const char *path, const struct stamp *stamps, long count) {
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    for (long i = 0; i < count; i++)
        fprintf(file, "%d %lld\n", stamps[i].pid, stamps[i].time_ns);
    return fclose(file);
}

int main(int argc, char **argv) {
    long count = argc > 2 ? atol(argv[2]) : 0;
    long per_second = argc > 3 ? atol(argv[3]) : 0;
    struct stamp *stamps = NULL;
    if (count < 1 || count > COUNT_MAX) {
        fprintf(stderr, "usage: storm CHILD COUNT [PER_SECOND [STAMPS]]\n");
        return 2;
    }
    if (argc > 4) {
        stamps = mmap(NULL, count * sizeof(*stamps), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (stamps == MAP_FAILED) {
            fprintf(stderr, "Cannot map memory for stamps: %s\n", strerror(errno));
            return 1;
        }
    }

    long long start = clock_ns(CLOCK_MONOTONIC);
    for (long i = 0; i < count; i++) {
        if (per_second > 0)
            sleep_until(start + i * 1000000000LL / per_second);
        if (run_child(argv[1], stamps ? &stamps[i] : NULL)) {
            fprintf(stderr, "Cannot run \"%s\": it did not exit with 0\n", argv[1]);
            return 1;
        }
    }
    long long wall_ns = clock_ns(CLOCK_MONOTONIC) - start;
    if (stamps && write_stamps(argv[4], stamps, count)) {
        fprintf(stderr, "Cannot write \"%s\": %s\n", argv[4], strerror(errno));
        return 1;
    }
    printf("{\"pid\":%d,\"execs\":%ld,\"wallNs\":%lld,\"cpuNs\":%lld}\n", getpid(), count, wall_ns,
           cpu_ns(RUSAGE_SELF) + cpu_ns(RUSAGE_CHILDREN));
    return 0;
}
