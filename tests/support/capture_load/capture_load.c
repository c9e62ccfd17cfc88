/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls getppid() on one CPU: `capture_load CPU`. Each line on stdin, "COUNT INTERVAL_NS", is one
 * round; when it is done, "done" comes on stdout. Ends with its stdin.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void sleep_until(struct timespec *next, long interval_ns) {
    next->tv_nsec += interval_ns;
    while (next->tv_nsec >= 1000000000L) {
        next->tv_nsec -= 1000000000L;
        next->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(argv[1]), &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
        perror("sched_setaffinity");
        return 1;
    }
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("ready %ld\n", (long)SYS_getppid);
    long count, interval_ns;
    while (scanf("%ld %ld", &count, &interval_ns) == 2) {
        struct timespec next;
        clock_gettime(CLOCK_MONOTONIC, &next);
        for (long i = 0; i < count; i++) {
            if (interval_ns > 0)
                sleep_until(&next, interval_ns);
            syscall(SYS_getppid);
        }
        printf("done\n");
    }
    return 0;
}
