// SPDX-License-Identifier: Apache-2.0
/*
 * Starts a program and stamps every piece of its standard output with CLOCK_REALTIME as it comes.
 *
 *   arrival OUTPUT STAMPS PROGRAM [ARGUMENT...]
 *
 * OUTPUT gets the bytes, STAMPS one line "END NANOSECONDS" per read(), where END is the size of
 * OUTPUT after it; its first line "0 NANOSECONDS" is the time just before the program was started.
 * Prints {"pid": N} of the program. SIGTERM and SIGINT are handed on to it; its exit status is
 * ours. In C, and at a real-time priority where allowed: the reader must not add to what it
 * measures.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_SIZE = 1 << 20, EXEC_FAILED = 127 };

static volatile sig_atomic_t child_pid;

static void hand_on(int signal_number) {
    if (child_pid > 0)
        kill(child_pid, signal_number);
}

static long long realtime_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        bytes += written;
        size -= written;
    }
    return 0;
}

static int write_stamp(int fd, long long end, long long time_ns) {
    char line[64];
    int size = snprintf(line, sizeof(line), "%lld %lld\n", end, time_ns);
    return write_all(fd, line, size);
}

static int copy_output(int from, int output, int stamps) {
    static char chunk[CHUNK_SIZE];
    long long end = 0;
    for (;;) {
        ssize_t size = read(from, chunk, sizeof(chunk));
        long long time_ns = realtime_ns();
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size;
        end += size;
        if (write_all(output, chunk, size) || write_stamp(stamps, end, time_ns))
            return -1;
    }
}

static pid_t start(char **command, int pipe_ends[2]) {
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(pipe_ends[1], STDOUT_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        execv(command[0], command);
        fprintf(stderr, "Cannot run \"%s\": %s\n", command[0], strerror(errno));
        _exit(EXEC_FAILED);
    }
    return pid;
}

int main(int argc, char **argv) {
    int pipe_ends[2], status;
    if (argc < 4) {
        fprintf(stderr, "usage: arrival OUTPUT STAMPS PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    int output = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int stamps = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (output < 0 || stamps < 0 || pipe(pipe_ends)) {
        fprintf(stderr, "Cannot open \"%s\" and \"%s\": %s\n", argv[1], argv[2], strerror(errno));
        return 1;
    }
    struct sigaction action = {.sa_handler = hand_on};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    if (write_stamp(stamps, 0, realtime_ns()))
        return 1;
    child_pid = start(argv + 3, pipe_ends);
    if (child_pid < 0)
        return 1;
    close(pipe_ends[1]);
    printf("{\"pid\":%d}\n", (int)child_pid);
    fflush(stdout);
    /* After the fork, so that the program does not inherit it. Failing leaves a busier reader. */
    struct sched_param priority = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &priority);

    int copied = copy_output(pipe_ends[0], output, stamps);
    while (waitpid(child_pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (copied)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
