/**
 * What the network sensor sees and tells: connections, flows and names.
 *
 * @module
 */
import type { EventMark, ProcessEventBase, ProcessReference } from "./event_base.ts";
import type { FactBase } from "./fact_base.ts";
import type { Workload } from "./workload.ts";

/** Where an address is, seen from this host. */
export type AddressClass =
  /** 127.0.0.0/8, ::1 */
  | "loopback"
  /** Another address of this host, in whatever network namespace that the agent can see. */
  | "same_host"
  /** RFC 1918, RFC 6598 (shared), RFC 4193. */
  | "private"
  /** RFC 3927, fe80::/10 */
  | "link_local"
  | "multicast"
  /** 0.0.0.0, :: */
  | "unspecified"
  | "public";

/** `tcp`, `udp`, or the number of another protocol as text. */
export type TransportProtocol = "tcp" | "udp" | "udplite" | "icmp" | "icmpv6" | "raw" | string;

/** One end. IPv4 is written as IPv4, also where the socket is an IPv6 one (v4-mapped). */
export interface Endpoint {
  /** Text such as "10.0.0.1" or "::1" (RFC 5952); "" when it is not known. */
  readonly address: string;
  /** 0: not known, none, or folded. */
  readonly port: number;
}

/** Both ends of a socket. */
export interface SocketTuple {
  /** Of the packets: AF_INET is 4, AF_INET6 is 6. */
  readonly family: 4 | 6;
  readonly protocol: TransportProtocol;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Inode number of the network namespace; 0 when it is not known. */
  readonly netNs: number;
}

/** What a socket has carried. Bytes are those of IP packets (headers of layer 3 and up). */
export interface SocketCounts {
  readonly bytesSent: bigint;
  readonly bytesReceived: bigint;
  /** Segments as on the wire: a GSO packet counts as what it is cut into. */
  readonly packetsSent: bigint;
  readonly packetsReceived: bigint;
  /** Segments that TCP has sent again. */
  readonly retransmits: number;
}

/** What became of a socket. */
export type SocketChange =
  /** This side asked for the connection and it is there; UDP: the first datagram to that peer. */
  | "connect"
  /** This side asked, and it came to nothing; `error` says why. */
  | "connect_failed"
  /** The other side asked. */
  | "accept"
  /** It waits for connections; UDP: it is bound to a port of its own choice. */
  | "listen"
  | "close";

/**
 * A socket changed. The process is the one that uses the socket, as far as that is known: `tgid` 0
 * when it is not, and then `cgroup` is that of the socket.
 */
export interface SocketChanged extends FactBase {
  readonly type: "socket_changed";
  readonly change: SocketChange;
  /** The kernel's cookie: one socket, for as long as the host runs. */
  readonly cookie: bigint;
  readonly tuple: SocketTuple;
  /** CLOCK_MONOTONIC ns when the connection was asked for or came in; 0 when that was not seen. */
  readonly openedNs: bigint;
  readonly counts: SocketCounts;
  /** TCP_* state that it had before, such as "ESTABLISHED"; "" for UDP. */
  readonly state: string;
  /** errno such as "ECONNREFUSED"; "" when there was none. */
  readonly error: string;
}

/** Bytes that went to or came from a port of DNS. */
export interface DnsSeen extends FactBase {
  readonly type: "dns_seen";
  readonly cookie: bigint;
  readonly tuple: SocketTuple;
  readonly isOutgoing: boolean;
  /** UDP: one datagram, or several of `segmentSize`. TCP: the stream from `sequence` on. */
  readonly payload: Uint8Array;
  /** TCP sequence number of the first byte of `payload`, modulo 2^32; 0 for UDP. */
  readonly sequence: number;
  /** TCP: the connection begins or ends with this segment. */
  readonly isStart: boolean;
  readonly isEnd: boolean;
  /** Bytes that went over the wire; more than `payload` has when that was cut. */
  readonly size: number;
  /** UDP: bytes of each of the datagrams that were handed over as one (UDP_SEGMENT); 0: one. */
  readonly segmentSize: number;
}

/** An end as it is told. */
export interface TaggedEndpoint extends Endpoint {
  readonly addressClass: AddressClass;
  /** As the process has asked DNS for it, longest known first; at most 4. */
  readonly names?: readonly string[];
}

/** Both ends as they are told. */
export interface TaggedTuple extends SocketTuple {
  readonly local: TaggedEndpoint;
  readonly remote: TaggedEndpoint;
  /** Where the peer really is, when the kernel translates the address (conntrack). */
  readonly translated?: TaggedEndpoint;
}

/** A connection was made, refused, accepted, waited for or ended; on request only. */
export interface SocketEvent extends ProcessEventBase {
  readonly type: "process_connect" | "process_accept" | "process_listen" | "process_close";
  /** Of `process_connect`: whether the connection is there. */
  readonly isFailed: boolean;
  readonly cookie: bigint;
  readonly socket: TaggedTuple;
  /** Of `process_close`; and of a connect how long it took. */
  readonly durationNs?: bigint;
  /** Of `process_close`. */
  readonly counts?: SocketCounts;
  readonly state?: string;
  readonly error?: string;
}

/** One record of an answer. */
export interface DnsAnswer {
  readonly name: string;
  /** "A", "AAAA", "CNAME", ..., or "TYPE65". */
  readonly type: string;
  /** Seconds. */
  readonly ttl: number;
  /**
   * As zone files have it, names without a dot at their end: an address (A, AAAA), a name (CNAME,
   * NS, PTR, DNAME), MX, SRV, SOA, TXT; of HTTPS and SVCB priority and target. Of other types "".
   */
  readonly data: string;
}

/** A question was asked or answered; on request only. */
export interface DnsEvent extends ProcessEventBase {
  readonly type: "process_dns";
  readonly isResponse: boolean;
  /** Whether the process is the one that asks (client) or the one that answers (server). */
  readonly role: "client" | "server";
  readonly socket: TaggedTuple;
  /** Number of the message. */
  readonly id: number;
  readonly questions: readonly { readonly name: string; readonly type: string }[];
  readonly answers: readonly DnsAnswer[];
  /** "NOERROR", "NXDOMAIN", ...; of a query "". */
  readonly responseCode: string;
  /** What kind of message it is: "NOTIFY", "UPDATE"; missing in the usual "QUERY". */
  readonly opcode?: string;
  /** TC: the answer did not fit. */
  readonly isTruncated: boolean;
  /** There is more in the message: it was cut, is malformed there, or has too many records. */
  readonly isIncomplete?: true;
  /** Of a response whose query was seen. */
  readonly durationNs?: bigint;
  /**
   * A message is told when it is first seen, with 0. How often it came again is told later, once:
   * of a query with the response, or, when none came in time, in one more event of the query; of a
   * response in one more event.
   */
  readonly repeats: number;
}

/**
 * Traffic of one process with one peer during one interval; on request only. Also the rows `other`,
 * which hold what did not fit.
 */
export interface FlowEvent {
  readonly type: "flow";
  /** End of the interval, ns since the epoch. */
  readonly timeNs: bigint;
  readonly intervalNs: bigint;
  /** Missing when the process is not known, and in rows `other`. */
  readonly subject?: ProcessReference;
  readonly parent?: ProcessReference;
  /** Whose it is, as of now. */
  readonly workload: Workload;
  /** Missing in rows `other`. */
  readonly socket?: TaggedTuple;
  readonly isOther: boolean;
  /** This side asked for the connection; undefined when that is not known. */
  readonly isOutgoing?: boolean;
  /** ns since the epoch, of the first and last packet in the interval. */
  readonly firstTimeNs: bigint;
  readonly lastTimeNs: bigint;
  /** The connection began or ended within the interval. */
  readonly isStarted: boolean;
  readonly isEnded: boolean;
  /** Connections (or local ports) that are folded into this row, at least 1. */
  readonly connections: number;
  readonly counts: SocketCounts;
  readonly marks: readonly EventMark[];
}

/** Facts from records of the network sensor. */
export type NetworkFact = SocketChanged | DnsSeen;
/** Events about the network that have a process. */
export type NetworkProcessEvent = SocketEvent | DnsEvent;
/** Events about the network. */
export type NetworkEvent = NetworkProcessEvent | FlowEvent;

/** Of traffic: which packets are counted together. */
export interface TrafficClass {
  readonly direction: "receive" | "transmit";
  readonly family: 4 | 6;
  readonly protocol: "tcp" | "udp" | "other";
}

/** Traffic of one class. */
export interface TrafficCount extends TrafficClass {
  readonly bytes: bigint;
  /** Segments as on the wire. */
  readonly packets: bigint;
}
