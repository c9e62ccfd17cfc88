/*
 * Sockets: `workload net WORD...` does one thing after the other.
 *
 *   netns                      a network namespace of its own, with lo up
 *   gso-off, mtu SIZE          of lo, which segments nothing
 *   cgroup DIRECTORY           moves itself
 *   address A                  where the sockets from here on bind and connect to (default: lo)
 *   socket N FAMILY TYPE       FAMILY 4 or 6; TYPE tcp, udp, raw (ICMP)
 *   bind N PORT, listen N, connect N PORT, accept N M, close N
 *   fail N PORT                a connect that must be refused
 *   disconnect N               takes the peer away
 *   segments N SIZE OF         one call that sends datagrams of OF bytes
 *   send N SIZE, sendto N PORT SIZE, recv N SIZE, text N HEX, recv-any N, ping N
 *   shut N, eof N              ends the sending side; waits for the other one's end
 *   pass N M, take N M         sends slot M through the unix socket N; gets it
 *   pair N M                   unix sockets
 *   many-sockets COUNT         opens so many and leaves them
 *   fork ... end               a child does what is between and exits
 *   wait                       for one child
 *   say TEXT, pause            a line out; waits for a line in
 *   veth A B                   a pair of interfaces; B is in the last child's network namespace
 *   up NAME ADDRESS4 ADDRESS6  of such an interface; it sends nothing of its own accord
 *   address4 NAME ADDRESS      another one; 0.0.0.0: none
 *   until-received NAME COUNT  waits until the interface has received so many packets more
 *   retransmits N              prints how many segments of a connection were sent again
 *   lo, device NAME            prints bytes and packets that were received and sent
 */
#include "net_device.h"
#include "workload.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { SLOTS = 32, CHUNK = 1 << 20 };

static int fds[SLOTS], families[SLOTS];
static const char *host;
static int child;
static char chunk[CHUNK];

/* Ends of what was written and not read wait for nobody for longer than this. */
enum { TIMEOUT_S = 60 };

static int slot(const char *word) {
    int number = atoi(word);
    check(number >= 0 && number < SLOTS, "slot");
    return number;
}

static socklen_t address_of(int family, const char *port, struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof(*storage));
    if (family == AF_INET) {
        struct sockaddr_in *in = (void *)storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(atoi(port));
        check(inet_pton(AF_INET, host ? host : "127.0.0.1", &in->sin_addr) == 1, "address");
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (void *)storage;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(atoi(port));
    check(inet_pton(AF_INET6, host ? host : "::1", &in6->sin6_addr) == 1, "address");
    return sizeof(*in6);
}

static void limit_time(int fd) {
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

static void make_socket(int at, const char *family, const char *type) {
    int on = 1, kind = SOCK_STREAM, protocol = 0;
    families[at] = family[0] == '6' ? AF_INET6 : AF_INET;
    if (strcmp(type, "udp") == 0)
        kind = SOCK_DGRAM;
    if (strcmp(type, "raw") == 0) {
        kind = SOCK_RAW;
        protocol = families[at] == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    }
    fds[at] = socket(families[at], kind | SOCK_CLOEXEC, protocol);
    check(fds[at] >= 0, "socket");
    setsockopt(fds[at], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    limit_time(fds[at]);
}

static void up_loopback(void) {
    struct ifreq request = {.ifr_name = "lo"};
    check(unshare(CLONE_NEWNET) == 0, "unshare");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    check(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0, "bring lo up");
    close(fd);
}

static void ethtool_off(int fd, unsigned int command) {
    struct ethtool_value value = {.cmd = command, .data = 0};
    struct ifreq request = {.ifr_name = "lo", .ifr_data = (void *)&value};
    check(ioctl(fd, SIOCETHTOOL, &request) == 0, "switch offload off");
}

static void segment_nothing(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ethtool_off(fd, ETHTOOL_STSO);
    ethtool_off(fd, ETHTOOL_SGSO);
    close(fd);
}

static void set_mtu(const char *mtu) {
    struct ifreq request = {.ifr_name = "lo", .ifr_mtu = atoi(mtu)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    check(fd >= 0 && ioctl(fd, SIOCSIFMTU, &request) == 0, "set the MTU");
    close(fd);
}

/* Sockets that stay open until the program ends, and one look of the test at them. */
static void open_many(int count) {
    struct rlimit limit = {count + 64, count + 64};
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "raise the limit of files");
    for (int i = 0; i < count; i++)
        check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0, "socket");
    /* Without an orderly end of each: the program's own end is one. */
}

static void enter_cgroup(const char *directory) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd >= 0 && write(fd, "0", 1) == 1, "enter the cgroup");
    close(fd);
}

static void send_bytes(int at, long size) {
    for (long done = 0; done < size;) {
        long part = size - done > CHUNK ? CHUNK : size - done;
        long sent = send(fds[at], chunk, part, MSG_NOSIGNAL);
        check(sent > 0, "send");
        done += sent;
    }
}

/* UDP_SEGMENT of linux/udp.h. */
static void send_segments(int at, long size, int segment) {
    check(setsockopt(fds[at], IPPROTO_UDP, 103, &segment, sizeof(segment)) == 0, "segments");
    check(send(fds[at], chunk, size, 0) == size, "send segments");
    segment = 0;
    setsockopt(fds[at], IPPROTO_UDP, 103, &segment, sizeof(segment));
}

static void receive_bytes(int at, long size) {
    for (long done = 0; done < size;) {
        long got = recv(fds[at], chunk, CHUNK, 0);
        check(got > 0, "receive");
        done += got;
    }
}

/* An echo request, which the kernel answers. */
static void send_ping(int at) {
    struct sockaddr_storage to;
    char packet[64] = {};
    socklen_t size = address_of(families[at], "0", &to);
    packet[0] = families[at] == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
    if (families[at] == AF_INET) {
        /* The only word that is not 0 is the first. */
        unsigned short sum = ~(unsigned short)ICMP_ECHO;
        memcpy(packet + 2, &sum, sizeof(sum));
    }
    check(sendto(fds[at], packet, sizeof(packet), 0, (void *)&to, size) == sizeof(packet), "ping");
}

static void send_text(int at, const char *hex) {
    static char text[8192];
    size_t size = strlen(hex) / 2;
    check(size <= sizeof(text), "size");
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        text[i] = strtol(pair, NULL, 16);
    }
    check(send(fds[at], text, size, MSG_NOSIGNAL) == (ssize_t)size, "send text");
}

static void pass_descriptor(int through, int at) {
    char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fds[at], sizeof(int));
    check(sendmsg(fds[through], &message, 0) == 1, "pass a descriptor");
}

static void take_descriptor(int through, int at) {
    char control[CMSG_SPACE(sizeof(int))] = {}, byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    check(recvmsg(fds[through], &message, 0) == 1, "take a descriptor");
    memcpy(&fds[at], CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
}

/* Bytes and packets: received, sent. */
static void read_device(const char *name, unsigned long long counts[4]) {
    char line[512];
    FILE *file = fopen("/proc/thread-self/net/dev", "re");
    check(file != NULL, "open the counters");
    while (fgets(line, sizeof(line), file)) {
        char *colon = strchr(line, ':');
        char *start = line + strspn(line, " ");
        if (!colon || strncmp(start, name, colon - start) != 0 || name[colon - start] != 0)
            continue;
        check(sscanf(colon + 1, "%llu %llu %*u %*u %*u %*u %*u %*u %llu %llu", &counts[0],
                     &counts[1], &counts[2], &counts[3]) == 4,
              "read the counters");
    }
    fclose(file);
}

static void print_device(const char *name) {
    unsigned long long counts[4] = {};
    read_device(name, counts);
    printf("%s %llu %llu %llu %llu\n", name, counts[0], counts[1], counts[2], counts[3]);
}

static void wait_for_packets(const char *name, unsigned long long count) {
    unsigned long long first[4] = {}, now[4] = {};
    read_device(name, first);
    for (int tick = 0; now[1] < first[1] + count; tick++) {
        check(tick < TIMEOUT_S * 100, "receive packets in time");
        usleep(10000);
        read_device(name, now);
    }
}

static void print_retransmits(int at) {
    struct tcp_info info = {};
    socklen_t size = sizeof(info);
    check(getsockopt(fds[at], IPPROTO_TCP, TCP_INFO, &info, &size) == 0, "ask for TCP_INFO");
    printf("retransmits %u\n", info.tcpi_total_retrans);
}

/* One word with its arguments; returns how many words that were, 0 when it is none of these. */
static int use_socket(char **word) {
    struct sockaddr_storage to;
    const char *name = word[0];
    if (strcmp(name, "socket") == 0)
        return make_socket(slot(word[1]), word[2], word[3]), 4;
    /* All words from here on begin with a slot; others are not of this function. */
    int at = word[1] && atoi(word[1]) < SLOTS ? slot(word[1]) : 0;
    if (strcmp(name, "listen") == 0)
        return check(listen(fds[at], 128) == 0, "listen"), 2;
    if (strcmp(name, "accept") == 0) {
        int other = slot(word[2]);
        families[other] = families[at];
        fds[other] = accept4(fds[at], NULL, NULL, SOCK_CLOEXEC);
        return check(fds[other] >= 0, "accept"), 3;
    }
    if (strcmp(name, "close") == 0)
        return check(close(fds[at]) == 0, "close"), 2;
    if (strcmp(name, "send") == 0)
        return send_bytes(at, atol(word[2])), 3;
    if (strcmp(name, "recv") == 0)
        return receive_bytes(at, atol(word[2])), 3;
    if (strcmp(name, "recv-any") == 0)
        return check(recv(fds[at], chunk, CHUNK, 0) >= 0, "receive"), 2;
    if (strcmp(name, "text") == 0)
        return send_text(at, word[2]), 3;
    if (strcmp(name, "ping") == 0)
        return send_ping(at), 2;
    if (strcmp(name, "shut") == 0)
        return check(shutdown(fds[at], SHUT_WR) == 0, "shutdown"), 2;
    if (strcmp(name, "eof") == 0)
        return check(recv(fds[at], chunk, CHUNK, 0) == 0, "wait for the end"), 2;
    if (strcmp(name, "pass") == 0)
        return pass_descriptor(at, slot(word[2])), 3;
    if (strcmp(name, "take") == 0)
        return take_descriptor(at, slot(word[2])), 3;
    if (strcmp(name, "bind") == 0) {
        socklen_t size = address_of(families[at], word[2], &to);
        return check(bind(fds[at], (void *)&to, size) == 0, "bind"), 3;
    }
    if (strcmp(name, "connect") == 0) {
        socklen_t size = address_of(families[at], word[2], &to);
        return check(connect(fds[at], (void *)&to, size) == 0, "connect"), 3;
    }
    if (strcmp(name, "disconnect") == 0) {
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        return check(connect(fds[at], &none, sizeof(none)) == 0, "disconnect"), 2;
    }
    if (strcmp(name, "segments") == 0)
        return send_segments(at, atol(word[2]), atoi(word[3])), 4;
    if (strcmp(name, "fail") == 0) {
        socklen_t size = address_of(families[at], word[2], &to);
        return check(connect(fds[at], (void *)&to, size) != 0, "fail to connect"), 3;
    }
    if (strcmp(name, "sendto") == 0) {
        socklen_t size = address_of(families[at], word[2], &to);
        long bytes = atol(word[3]);
        return check(sendto(fds[at], chunk, bytes, 0, (void *)&to, size) == bytes, "sendto"), 4;
    }
    return 0;
}

static int use_place(char **word) {
    int pair[2];
    const char *name = word[0];
    if (strcmp(name, "netns") == 0)
        return up_loopback(), 1;
    if (strcmp(name, "gso-off") == 0)
        return segment_nothing(), 1;
    if (strcmp(name, "mtu") == 0)
        return set_mtu(word[1]), 2;
    if (strcmp(name, "many-sockets") == 0)
        return open_many(atoi(word[1])), 2;
    if (strcmp(name, "cgroup") == 0)
        return enter_cgroup(word[1]), 2;
    if (strcmp(name, "address") == 0)
        return host = word[1], 2;
    if (strcmp(name, "pair") == 0) {
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "pair");
        for (int i = 0; i < 2; i++)
            limit_time(pair[i]);
        fds[slot(word[1])] = pair[0];
        fds[slot(word[2])] = pair[1];
        return 3;
    }
    if (strcmp(name, "veth") == 0)
        return make_veth(word[1], word[2], child), 3;
    if (strcmp(name, "up") == 0)
        return up_device(word[1], word[2], word[3]), 4;
    if (strcmp(name, "address4") == 0)
        return change_address(word[1], word[2]), 3;
    if (strcmp(name, "until-received") == 0)
        return wait_for_packets(word[1], atol(word[2])), 3;
    if (strcmp(name, "retransmits") == 0)
        return print_retransmits(slot(word[1])), 2;
    if (strcmp(name, "lo") == 0)
        return print_device("lo"), 1;
    if (strcmp(name, "device") == 0)
        return print_device(word[1]), 2;
    if (strcmp(name, "say") == 0)
        return check(printf("%s\n", word[1]) > 0 && fflush(stdout) == 0, "say"), 2;
    if (strcmp(name, "pause") == 0) {
        for (char byte = 0; byte != '\n';)
            check(read(0, &byte, 1) == 1, "pause");
        return 1;
    }
    if (strcmp(name, "wait") == 0) {
        int status;
        check(wait(&status) > 0, "wait");
        if (status != 0)
            _exit(98);
        return 1;
    }
    return 0;
}

int run_net(int argc, char **argv) {
    for (int at = 1; at < argc;) {
        if (strcmp(argv[at], "end") == 0) {
            fflush(stdout);
            _exit(0);
        }
        if (strcmp(argv[at], "fork") == 0) {
            fflush(stdout);
            int pid = child = fork();
            check(pid >= 0, "fork");
            at++;
            /* The parent goes on behind the child's part; there are none within it. */
            while (pid > 0 && at < argc && strcmp(argv[at - 1], "end") != 0)
                at++;
            continue;
        }
        int words = use_socket(argv + at);
        if (words == 0)
            words = use_place(argv + at);
        if (words == 0)
            fprintf(stderr, "workload: no such word: %s\n", argv[at]);
        if (words == 0 || at + words > argc)
            return 97;
        at += words;
    }
    return 0;
}
