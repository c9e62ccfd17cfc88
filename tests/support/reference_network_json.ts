/**
 * What the JSON of events about the network has beside its process, built slowly as objects. It
 * shares no code with the encoder.
 *
 * @module
 */
import type {
  NetworkProcessEvent,
  SocketCounts,
  TaggedEndpoint,
  TaggedTuple,
} from "../../src/events/mod.ts";

type Json = Record<string, unknown>;

const PROTOCOLS: Json = {
  tcp: "IPPROTO_TCP",
  udp: "IPPROTO_UDP",
  udplite: "IPPROTO_UDPLITE",
  icmp: "IPPROTO_ICMP",
  icmpv6: "IPPROTO_ICMPV6",
  raw: "IPPROTO_RAW",
};

/** Members that are ours and Tetragon's words for a socket. */
export function referenceNetwork(event: NetworkProcessEvent): Json {
  if (event.type === "process_dns") {
    return {
      socket: referenceSocket(event.socket),
      dns: {
        id: event.id,
        role: event.role,
        response: event.isResponse || undefined,
        rcode: event.responseCode || undefined,
        truncated: event.isTruncated || undefined,
        questions: list(event.questions),
        answers: list(event.answers.map(({ data, ...rest }) => data ? { ...rest, data } : rest)),
        duration_ns: event.durationNs?.toString(),
        repeats: event.repeats || undefined,
      },
    };
  }
  const cookie = event.cookie === 0n ? undefined : event.cookie.toString();
  const state = event.state ? "TCP_" + event.state : undefined;
  return {
    socket: { ...referenceSocket(event.socket), cookie, state },
    failed: event.isFailed || undefined,
    error: event.error || undefined,
    duration_ns: event.durationNs?.toString(),
    traffic: event.counts && referenceTraffic(event.counts),
  };
}

/** Both ends: the source is this host's, whoever began. */
export function referenceSocket(socket: TaggedTuple): Json {
  const { local, remote, translated } = socket;
  return {
    family: { 4: "AF_INET", 6: "AF_INET6" }[socket.family],
    protocol: PROTOCOLS[socket.protocol] ?? socket.protocol,
    saddr: local.address || undefined,
    sport: local.port || undefined,
    saddr_class: local.address ? local.addressClass : undefined,
    daddr: remote.address || undefined,
    dport: remote.port || undefined,
    daddr_class: remote.address ? remote.addressClass : undefined,
    names: list(remote.names ?? []),
    net_ns: socket.netNs || undefined,
    translated: translated && referenceEnd(translated),
  };
}

function referenceEnd(end: TaggedEndpoint): Json {
  return {
    addr: end.address,
    port: end.port || undefined,
    class: end.addressClass,
    names: list(end.names ?? []),
  };
}

export function referenceTraffic(counts: SocketCounts): Json {
  return {
    bytes_sent: counts.bytesSent.toString(),
    bytes_received: counts.bytesReceived.toString(),
    packets_sent: counts.packetsSent.toString(),
    packets_received: counts.packetsReceived.toString(),
    retransmits: counts.retransmits || undefined,
  };
}

function list<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length > 0 ? items : undefined;
}
