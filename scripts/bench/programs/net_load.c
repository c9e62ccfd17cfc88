// SPDX-License-Identifier: Apache-2.0
/*
 * Loads the network path over loopback and prints what it did as JSON.
 *
 *     net_load stream MS       one TCP connection, as fast as it goes: bytes
 *     net_load requests MS     one TCP connection, 64 bytes to and fro: requests
 *     net_load packets MS      UDP datagrams of 64 bytes to a socket that reads them
 *     net_load flows COUNT     TCP connections one after the other, 100 bytes to and fro each,
 * 2,000 a second at most
 *
 * All ports are chosen by the kernel on 127.0.0.1; both ends are processes of this program, which
 * end with it. The first three run on one CPU and tell of their fastest batch: wake-ups across CPUs
 * and what else the machine does differ more from run to run than what is measured.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_SIZE = 128 * 1024, REQUEST_SIZE = 64, FLOW_SIZE = 100 };
/* 2,000 connections a second, 120,000 a minute. */
enum { FLOW_PACE_NS = 500 * 1000 };
/* Room of a socket each way: what the kernel finds out by itself differs from run to run. */
enum { SOCKET_ROOM = 128 * 1024 };
/* A batch takes about a millisecond, so that the fastest was left alone. */
enum { CHUNKS_OF_BATCH = 64, REQUESTS_OF_BATCH = 100, PACKETS_OF_BATCH = 500 };

static char buffer[CHUNK_SIZE];

static void fail(const char *what) {
    fprintf(stderr, "net_load: Cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

static unsigned long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The last CPU that we may use: the first gets most interrupts. */
static void stay_on_cpu(void) {
    cpu_set_t all, one;
    int cpu = CPU_SETSIZE - 1;
    if (sched_getaffinity(0, sizeof(all), &all) < 0)
        fail("read the CPUs");
    while (!CPU_ISSET(cpu, &all))
        cpu--;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) < 0)
        fail("stay on a CPU");
}

/* Runs batches for so long; the time of the fastest. */
static unsigned long long fastest_ns(unsigned long long ms, void (*batch)(void)) {
    unsigned long long best = ~0ULL, start = now_ns(), end = start + ms * 1000000;
    do {
        batch();
        unsigned long long now = now_ns();
        if (now - start < best)
            best = now - start;
        start = now;
    } while (start < end);
    return best;
}

static void set_room(int fd) {
    int size = SOCKET_ROOM;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
        fail("set the room of a socket");
}

/* A socket on a port of the kernel's choice. */
static int make_socket(int type, struct sockaddr_in *address) {
    socklen_t size = sizeof(*address);
    int fd = socket(AF_INET, type, 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) < 0)
        fail("make a socket");
    if (type == SOCK_STREAM && listen(fd, 128) < 0)
        fail("listen");
    return fd;
}

static int connect_to(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* False at the end of the stream. */
static int read_whole(int fd, size_t size) {
    for (size_t have = 0; have < size;) {
        ssize_t more = read(fd, buffer + have, size - have);
        if (more == 0)
            return 0;
        if (more < 0)
            fail("read");
        have += more;
    }
    return 1;
}

static void write_whole(int fd, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t more = write(fd, buffer + done, size - done);
        if (more < 0)
            fail("write");
        done += more;
    }
}

/* The other end: a process that ends when this one does. True in it. */
static int is_child(pid_t *pid) {
    pid_t parent = getpid();
    *pid = fork();
    if (*pid < 0)
        fail("fork");
    if (*pid > 0)
        return 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        exit(1);
    return 1;
}

/* Sockets of the load that runs. */
static int sender, receiver;

static void send_chunks(void) {
    for (int i = 0; i < CHUNKS_OF_BATCH; i++)
        write_whole(sender, sizeof(buffer));
}

static void stream(unsigned long long ms) {
    struct sockaddr_in address;
    pid_t reader;
    int listener = make_socket(SOCK_STREAM, &address);
    set_room(listener); /* what is accepted has the same */
    if (is_child(&reader)) {
        int fd = accept(listener, 0, 0);
        while (read(fd, buffer, sizeof(buffer)) > 0)
            ;
        exit(0);
    }
    sender = connect_to(&address);
    set_room(sender);
    unsigned long long ns = fastest_ns(ms, send_chunks);
    close(sender);
    waitpid(reader, 0, 0);
    printf("{\"bytes\":%llu,\"ns\":%llu}\n", 1ULL * CHUNKS_OF_BATCH * sizeof(buffer), ns);
}

static void ask(void) {
    for (int i = 0; i < REQUESTS_OF_BATCH; i++) {
        write_whole(sender, REQUEST_SIZE);
        if (!read_whole(sender, REQUEST_SIZE))
            fail("read an answer");
    }
}

static void requests(unsigned long long ms) {
    struct sockaddr_in address;
    pid_t server;
    int listener = make_socket(SOCK_STREAM, &address);
    if (is_child(&server)) {
        int one = 1, fd = accept(listener, 0, 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        while (read_whole(fd, REQUEST_SIZE))
            write_whole(fd, REQUEST_SIZE);
        exit(0);
    }
    sender = connect_to(&address);
    unsigned long long ns = fastest_ns(ms, ask);
    close(sender);
    waitpid(server, 0, 0);
    printf("{\"requests\":%d,\"ns\":%llu}\n", REQUESTS_OF_BATCH, ns);
}

static void send_packets(void) {
    for (int i = 0; i < PACKETS_OF_BATCH; i++) {
        if (send(sender, buffer, REQUEST_SIZE, 0) != REQUEST_SIZE ||
            recv(receiver, buffer, REQUEST_SIZE, 0) != REQUEST_SIZE)
            fail("send a datagram");
    }
}

/* Sender and receiver are one process, so that only the path is measured. */
static void packets(unsigned long long ms) {
    struct sockaddr_in address;
    receiver = make_socket(SOCK_DGRAM, &address);
    sender = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(sender, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail("connect");
    unsigned long long ns = fastest_ns(ms, send_packets);
    printf("{\"packets\":%d,\"ns\":%llu}\n", PACKETS_OF_BATCH, ns);
}

static void flows(unsigned long long count) {
    struct sockaddr_in address;
    pid_t server;
    int listener = make_socket(SOCK_STREAM, &address);
    if (is_child(&server)) {
        for (;;) {
            int fd = accept(listener, 0, 0);
            if (read_whole(fd, FLOW_SIZE))
                write_whole(fd, FLOW_SIZE);
            /* The client closes first, so that its ports wait, not those of the server. */
            read(fd, buffer, 1);
            close(fd);
        }
    }
    unsigned long long start = now_ns();
    for (unsigned long long i = 0; i < count; i++) {
        /* A port is used once per address: 64 addresses are enough for any count we ask for. */
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i % 64)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
            connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            fail("connect");
        write_whole(fd, FLOW_SIZE);
        if (!read_whole(fd, FLOW_SIZE))
            fail("read an answer");
        close(fd);
        /* Not all at once: what is asked is whether a minute's connections are told in a minute. */
        unsigned long long due = start + i * FLOW_PACE_NS, now = now_ns();
        if (now < due)
            usleep((due - now) / 1000);
    }
    unsigned long long ns = now_ns() - start;
    kill(server, SIGKILL);
    waitpid(server, 0, 0);
    printf("{\"flows\":%llu,\"ns\":%llu,\"pid\":%d,\"server\":%d}\n", count, ns, getpid(), server);
}

int main(int argc, char **argv) {
    /* Never outlives the bench. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    unsigned long long number = argc == 3 ? strtoull(argv[2], 0, 10) : 0;
    if (number == 0)
        fprintf(stderr, "usage: net_load stream|requests|packets MS | flows COUNT\n");
    else if (strcmp(argv[1], "stream") == 0)
        return stay_on_cpu(), stream(number), 0;
    else if (strcmp(argv[1], "requests") == 0)
        return stay_on_cpu(), requests(number), 0;
    else if (strcmp(argv[1], "packets") == 0)
        return stay_on_cpu(), packets(number), 0;
    else if (strcmp(argv[1], "flows") == 0)
        return flows(number), 0;
    return 2;
}
