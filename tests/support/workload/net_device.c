/* Interfaces of a network namespace: made by netlink, set up by ioctl(2). */
#include "net_device.h"
#include "workload.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* <linux/ipv6.h> clashes with <netinet/in.h>. */
struct in6_request {
    struct in6_addr address;
    unsigned int prefix_length;
    int index;
};

struct link_request {
    struct nlmsghdr header;
    struct ifinfomsg link;
    char attributes[512];
};

/* Adds an attribute with content, or begins one that others go into. */
static struct rtattr *add(struct nlmsghdr *header, int type, const void *data, size_t size) {
    struct rtattr *attribute = (void *)((char *)header + NLMSG_ALIGN(header->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    if (size > 0)
        memcpy(RTA_DATA(attribute), data, size);
    header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void end(struct nlmsghdr *header, struct rtattr *attribute) {
    attribute->rta_len = (char *)header + header->nlmsg_len - (char *)attribute;
}

/* Both ends have it: with NOARP packets go to the sender's own address. */
static const unsigned char HARDWARE_ADDRESS[6] = {2, 0, 0, 0, 0, 1};

/*
 * Every packet is one segment: an interface counts a buffer of several as one, with the headers of
 * one, and the agent those that a cable would carry.
 */
static const unsigned int SEGMENTS_MAX = 1;

static void add_end(struct nlmsghdr *header, const char *name) {
    add(header, IFLA_IFNAME, name, strlen(name) + 1);
    add(header, IFLA_ADDRESS, HARDWARE_ADDRESS, sizeof(HARDWARE_ADDRESS));
    add(header, IFLA_GSO_MAX_SEGS, &SEGMENTS_MAX, sizeof(SEGMENTS_MAX));
}

void make_veth(const char *name, const char *peer_name, int peer_pid) {
    struct link_request request = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(request.link))}};
    struct nlmsghdr *header = &request.header;
    struct ifinfomsg peer = {};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr result;
    } answer;
    header->nlmsg_type = RTM_NEWLINK;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
    add_end(header, name);
    struct rtattr *info = add(header, IFLA_LINKINFO, NULL, 0);
    add(header, IFLA_INFO_KIND, "veth", 5);
    struct rtattr *data = add(header, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *other = add(header, VETH_INFO_PEER, &peer, sizeof(peer));
    add_end(header, peer_name);
    if (peer_pid > 0)
        add(header, IFLA_NET_NS_PID, &peer_pid, sizeof(peer_pid));
    end(header, other);
    end(header, data);
    end(header, info);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    check(fd >= 0, "netlink");
    check(send(fd, &request, header->nlmsg_len, 0) == (ssize_t)header->nlmsg_len, "ask for veth");
    check(recv(fd, &answer, sizeof(answer), 0) >= (ssize_t)sizeof(answer.result), "answer");
    errno = -answer.result.error;
    check(answer.header.nlmsg_type == NLMSG_ERROR && answer.result.error == 0, "make veth");
    close(fd);
}

/* A setting of IPv6 in this namespace. */
static void write_setting(const char *device, const char *name, const char *value) {
    char path[256];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", device, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd >= 0 && write(fd, value, 1) == 1, "change a setting of IPv6");
    close(fd);
}

/* 0.0.0.0 takes the address away. */
static void set_address(int fd, const char *name, const char *address) {
    struct ifreq request = {};
    struct sockaddr_in in = {.sin_family = AF_INET};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    check(inet_pton(AF_INET, address, &in.sin_addr) == 1, "address");
    memcpy(&request.ifr_addr, &in, sizeof(in));
    check(ioctl(fd, SIOCSIFADDR, &request) == 0, "give an IPv4 address");
    if (in.sin_addr.s_addr == 0)
        return;
    in.sin_addr.s_addr = htonl(0xffffff00);
    memcpy(&request.ifr_netmask, &in, sizeof(in));
    check(ioctl(fd, SIOCSIFNETMASK, &request) == 0, "give an IPv4 mask");
}

void change_address(const char *name, const char *address) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    check(fd >= 0, "socket");
    set_address(fd, name, address);
    close(fd);
}

/* The kernel looks for others with a new address first, in a work queue, even where it need not. */
static void await_address(const struct in6_addr *address) {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = *address};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    check(fd >= 0, "socket");
    for (int tick = 0; bind(fd, (void *)&in6, sizeof(in6)) != 0; tick++) {
        check(errno == EADDRNOTAVAIL && tick < 3000, "have the IPv6 address");
        usleep(10000);
    }
    close(fd);
}

void up_device(const char *name, const char *address4, const char *address6) {
    struct ifreq request = {};
    struct in6_request request6 = {.prefix_length = 64, .index = if_nametoindex(name)};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    check(fd >= 0, "socket");
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    /* No address of its own, nobody to look for: nothing but the test's packets is sent. */
    write_setting(name, "addr_gen_mode", "1");
    request.ifr_flags = IFF_UP | IFF_NOARP;
    check(ioctl(fd, SIOCSIFFLAGS, &request) == 0, "bring the device up");
    check(inet_pton(AF_INET6, address6, &request6.address) == 1, "address");
    check(ioctl(fd, SIOCSIFADDR, &request6) == 0, "give an IPv6 address");
    close(fd);
    await_address(&request6.address);
    change_address(name, address4);
}
