/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records and maps of the network sensor: traffic by workload, flows by process and peer, sockets
 * that change, packets of DNS. Block 0x04.
 */
#ifndef SHRIKE_NETWORK_H
#define SHRIKE_NETWORK_H

#include "record.h"

enum network_record_kind {
    NETWORK_SOCKET_RECORD = 0x0401, /* a socket connected, was accepted, listens or ended */
    NETWORK_DNS_RECORD = 0x0402,    /* a packet from or to a port of DNS */
};
EXPORT_ENUM(network_record_kind);

enum network_limit {
    /* Ports of DNS at most; a port 0 is none. */
    NETWORK_DNS_PORTS_MAX = 8,
    /* Bytes of a packet, headers included, that a record of DNS holds. */
    NETWORK_DNS_PACKET_SIZE_MAX = 16384,
    /* Rows unless the loader sets other numbers. */
    NETWORK_SOCKET_ENTRIES = 16384,
    NETWORK_LISTENER_ENTRIES = 4096,
    /* Connections to come whose packets are remembered; one more pushes the oldest out. */
    NETWORK_HANDSHAKE_ENTRIES = 4096,
    NETWORK_TRAFFIC_ENTRIES = 16384,
    /* Rows of `traffic_slots`, 256 bytes for each CPU: a power of 2. */
    NETWORK_TRAFFIC_SLOTS = 256,
    /* Room in the maps of flows beyond their limit: for rows `other`. */
    NETWORK_OTHER_FLOWS = 1024,
    /* sent, received */
    NETWORK_DIRECTIONS = 2,
    /* direction * 6 + family * 3 + protocol */
    NETWORK_CLASSES = 12,
    /* of a class: bytes, packets */
    NETWORK_SUMS = 2,
    /* Classes of a line of a slot, by direction and family. */
    NETWORK_LINE_CLASSES = 3,
    NETWORK_SLOT_LINES = 4,
};
EXPORT_ENUM(network_limit);

enum network_direction {
    NETWORK_SENT = 0,
    NETWORK_RECEIVED = 1,
};
EXPORT_ENUM(network_direction);

/* Both ends of a socket. Addresses of IPv4 are in the first 4 bytes, the rest is zero. */
struct network_tuple {
    u8 local_address[16];
    u8 remote_address[16];
    u32 net_ns; /* inode number of the network namespace */
    u16 local_port;
    u16 remote_port;
    u8 family; /* of the packets: 4 or 6 */
    u8 protocol;
    u8 _reserved[2];
};
EXPORT_STRUCT(network_tuple);

enum network_change {
    NETWORK_CONNECT = 1,
    NETWORK_CONNECT_FAILED = 2,
    NETWORK_ACCEPT = 3,
    NETWORK_LISTEN = 4,
    NETWORK_CLOSE = 5,
};
EXPORT_ENUM(network_change);

/*
 * What has become of a socket. The task fields of the header are of the process that uses it, the
 * cgroup fields are that process's; both 0 when it is not known.
 */
struct network_socket_record {
    struct record_header header;
    u64 cookie;
    u64 opened_ns;                   /* CLOCK_MONOTONIC: asked for, or came in; 0: not seen */
    u64 bytes[NETWORK_DIRECTIONS];   /* of IP packets */
    u64 packets[NETWORK_DIRECTIONS]; /* as on the wire */
    u32 retransmits;
    u32 error; /* errno, 0: none */
    u16 change;
    u16 state; /* TCP_* before it; 0: the protocol has none */
    struct network_tuple tuple;
};
EXPORT_STRUCT(network_socket_record);

enum network_dns_flag {
    NETWORK_DNS_SENT = 1,
    NETWORK_DNS_START = 2, /* TCP: SYN, or the first bytes of an accepted connection */
    NETWORK_DNS_END = 4,   /* TCP: FIN or RST */
};
EXPORT_ENUM(network_dns_flag);

/* A packet follows, from its IP header on, cut at NETWORK_DNS_PACKET_SIZE_MAX. */
struct network_dns_record {
    struct record_header header;
    u64 cookie;
    struct network_tuple tuple;
    u32 sequence;       /* TCP: of the first byte of payload */
    u32 packet_size;    /* bytes of the packet */
    u32 included_size;  /* bytes of it that are here */
    u32 payload_offset; /* in the packet, behind the headers */
    u32 flags;
    u32 segment_size; /* UDP: of each datagram that the packet is cut into; 0: it is one */
    u32 _reserved;
};
EXPORT_STRUCT(network_dns_record);

/* Who uses a socket. */
struct network_owner {
    u64 leader_start_ns;
    u64 cgroup_id;
    u64 tracking_id;
    u64 css_set; /* place of the thread's cgroups: another one when it was moved */
    u32 tgid;    /* 0: not known */
    u32 tid;
    u32 namespace_tgid;
    u32 cgroup_level;
};
EXPORT_STRUCT(network_owner);

/* Who asked for a connection. */
enum network_side {
    NETWORK_SIDE_UNKNOWN = 0,
    NETWORK_SIDE_LOCAL = 1,
    NETWORK_SIDE_REMOTE = 2,
};
EXPORT_ENUM(network_side);

/* Whether a socket has sent or received something. */
enum network_carrying {
    NETWORK_CARRIES_NOTHING = 0,
    NETWORK_CARRIES = 1,
    NETWORK_CARRIES_PLAIN = 2, /* and its packets are counted for its workload, no more */
};
EXPORT_ENUM(network_carrying);

/*
 * What is known of a socket. Programs on several CPUs and in interrupts write it at the same time:
 * sums are added to atomically, and everything else is a store of its own, hence bytes, no bits.
 */
struct network_socket {
    /*
     * The owner and the bytes behind it are what is looked at for each packet and each call: 56
     * bytes, which the kernel keeps in one line of the cache, behind 8 of its own.
     */
    struct network_owner owner;
    u8 side;           /* network_side */
    u8 protocol_class; /* 0 TCP, 1 UDP, 2 others */
    u8 is_made;        /* this row is filled in */
    u8 is_seen_made;   /* the socket's beginning was seen, so its first packet starts a flow */
    u8 carries;        /* network_carrying */
    u8 is_told;        /* UDP: its connect was told */
    u8 is_bound;       /* it asked for a port of its choice */
    u8 is_inherited;   /* the owner is the listener's */
    u64 cookie;
    u64 made_cgroup_id; /* v2 cgroup of the task that made it, 0: not seen */
    u64 opened_ns;
    u64 open_id; /* on whose row it is counted as an open connection; 0: it is not */
    u64 bytes[NETWORK_DIRECTIONS];
    u64 packets[NETWORK_DIRECTIONS];
    u32 retransmits;
    u32 interval;   /* of flows, in which it was counted last */
    u32 transition; /* last change of state: before << 8 | after, of TCP */
    struct network_tuple tuple;
};
EXPORT_STRUCT(network_socket);

/* A row of the map `handshakes`: a connection to come, as its listener's host sees it. */
struct network_handshake {
    u64 bytes[NETWORK_DIRECTIONS];
    u64 packets[NETWORK_DIRECTIONS];
};
EXPORT_STRUCT(network_handshake);

/* A row of the per-CPU map `traffic`, by tracking id. */
struct network_traffic {
    u64 sums[NETWORK_CLASSES * NETWORK_SUMS]; /* those of a class side by side: one cache line */
    u64 open; /* connections of TCP that began, less those that ended; over all CPUs */
};
EXPORT_STRUCT(network_traffic);

/*
 * Part of a row of `traffic_slots`: one line of the cache. It says itself whose it is, so that a
 * packet touches no other; the id stands last, because the kernel copies words in their order.
 */
struct network_traffic_line {
    u64 sums[NETWORK_LINE_CLASSES * NETWORK_SUMS];
    u64 _reserved;
    u64 tracking_id; /* 0: the slot is free */
};
EXPORT_STRUCT(network_traffic_line);

/*
 * A row of the per-CPU array `traffic_slots`, by the lowest bits of the tracking id. User space
 * says who has a slot; what a workload has there is counted there and not in `traffic`.
 */
struct network_traffic_slot {
    struct network_traffic_line lines[NETWORK_SLOT_LINES];
};
EXPORT_STRUCT(network_traffic_slot);

/* A row of the maps `flows_a` and `flows_b`. Rows `other` have a tuple of zeros. */
struct network_flow_key {
    u64 tracking_id;
    u64 leader_start_ns;
    u32 tgid;
    struct network_tuple tuple;
};
EXPORT_STRUCT(network_flow_key);

struct network_flow {
    u64 bytes[NETWORK_DIRECTIONS];
    u64 packets[NETWORK_DIRECTIONS];
    u64 first_ns; /* CLOCK_MONOTONIC */
    u64 last_ns;
    u32 connections;
    u32 retransmits;
    u8 side; /* network_side */
    u8 is_started;
    u8 is_ended;
    u8 _reserved[5];
};
EXPORT_STRUCT(network_flow);

/* A row of the map `flow_counts`: how many flows a workload has in an interval. */
struct network_flow_count_key {
    u64 tracking_id; /* NETWORK_OTHER_ROW: all workloads */
    u64 interval;
};
EXPORT_STRUCT(network_flow_count_key);

/* Rows of the array `network_control`, u64 each; user space writes them while programs run. */
enum network_control_row {
    /* Interval of flows: odd ones are written to `flows_b`, even ones to `flows_a`. */
    NETWORK_CONTROL_INTERVAL = 0,
    /* A program tells accepted connections when they are taken, so not when they come. */
    NETWORK_CONTROL_ACCEPT_HOOKED = 1,
    /* The kernel names the cgroup of a socket wrongly: only what processes did counts. */
    NETWORK_CONTROL_DISTRUST_SOCKETS = 2,
    NETWORK_CONTROLS = 3,
};
EXPORT_ENUM(network_control_row);

/* Rows of the per-CPU map `network_counts`. */
enum network_count {
    NETWORK_COUNT_SOCKETS_ENTERED = 0,  /* rows that were made in the hash `sockets` */
    NETWORK_COUNT_SOCKETS_DELETED = 1,  /* and taken out by a program, not for lack of room */
    NETWORK_COUNT_SOCKETS_FAILED = 2,   /* refused by that hash */
    NETWORK_COUNT_LISTENERS_FULL = 3,   /* a listener found no room */
    NETWORK_COUNT_TRAFFIC_FULL = 4,     /* a packet was counted on the row `other` */
    NETWORK_COUNT_TRAFFIC_LOST = 5,     /* not even there: user space had not made it */
    NETWORK_COUNT_FLOWS_FULL = 6,       /* a packet's flow found no room in all */
    NETWORK_COUNT_FLOWS_OVER = 7,       /* a packet's flow was one too many of its workload */
    NETWORK_COUNT_FLOWS_LOST = 8,       /* it is in no flow at all */
    NETWORK_COUNT_CGROUP_CONFIRMED = 9, /* sockets whose v2 cgroup is that of their maker */
    NETWORK_COUNT_CGROUP_CONTRADICTED = 10,
    NETWORK_COUNT_NO_OWNER = 11,      /* packets of sockets whose workload is not known */
    NETWORK_COUNT_DNS_CUT = 12,       /* packets of DNS that did not fit a record */
    NETWORK_COUNT_SOCKETS_FOUND = 13, /* of TCP that are older than the programs */
    NETWORK_COUNTS = 14,
};
EXPORT_ENUM(network_count);

/* `tracking_id` of rows that hold what found no room of its own. */
#define NETWORK_OTHER_ROW (~0ULL)

#endif
