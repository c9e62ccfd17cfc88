/**
 * Events about the network for tests: plain ones to change a field of, and random ones.
 *
 * @module
 */
import type {
  AddressClass,
  DnsEvent,
  FlowEvent,
  NetworkEvent,
  Process,
  ProcessEventBase,
  SocketCounts,
  SocketEvent,
  TaggedEndpoint,
  TaggedTuple,
} from "../../src/events/mod.ts";
import { randomString } from "./random_text.ts";
import { SAMPLE_TIME_NS, SAMPLE_WORKLOAD, sampleProcess, toReference } from "./sample_events.ts";
import { randomWorkload } from "./sample_workloads.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** From 10.0.0.1:4000 to 93.184.216.34:443, which the process knows as example.org. */
export function sampleTuple(fields: Partial<TaggedTuple> = {}): TaggedTuple {
  return {
    family: 4,
    protocol: "tcp",
    local: { address: "10.0.0.1", port: 4000, addressClass: "same_host" },
    remote: {
      address: "93.184.216.34",
      port: 443,
      addressClass: "public",
      names: ["example.org"],
    },
    netNs: 4026531840,
    ...fields,
  };
}

/** 1.2 KiB went out and 34.5 KiB came in. */
export function sampleCounts(fields: Partial<SocketCounts> = {}): SocketCounts {
  return {
    ...{ bytesSent: 1300n, bytesReceived: 35_400n, packetsSent: 12n, packetsReceived: 30n },
    retransmits: 0,
    ...fields,
  };
}

/** A connection that is there. */
export function sampleSocketEvent(
  fields: Partial<SocketEvent> = {},
  process: Process = sampleProcess(),
): SocketEvent {
  return {
    type: "process_connect",
    ...base(process),
    isFailed: false,
    cookie: 9n,
    socket: sampleTuple(),
    ...fields,
  };
}

/** The answer to a question for example.org. */
export function sampleDnsEvent(
  fields: Partial<DnsEvent> = {},
  process: Process = sampleProcess(),
): DnsEvent {
  return {
    type: "process_dns",
    ...base(process),
    isResponse: true,
    role: "client",
    socket: sampleTuple({
      protocol: "udp",
      remote: { address: "10.0.0.2", port: 53, addressClass: "private" },
    }),
    id: 4711,
    questions: [{ name: "example.org", type: "A" }],
    answers: [{ name: "example.org", type: "A", ttl: 300, data: "93.184.216.34" }],
    responseCode: "NOERROR",
    isTruncated: false,
    durationNs: 1_234_567n,
    repeats: 0,
    ...fields,
  };
}

/** What a process has exchanged with example.org within 15 s. */
export function sampleFlow(fields: Partial<FlowEvent> = {}): FlowEvent {
  return {
    type: "flow",
    timeNs: SAMPLE_TIME_NS,
    intervalNs: 15_000_000_000n,
    subject: toReference(sampleProcess()),
    workload: SAMPLE_WORKLOAD,
    socket: sampleTuple(),
    isOther: false,
    isOutgoing: true,
    firstTimeNs: SAMPLE_TIME_NS - 9_000_000_000n,
    lastTimeNs: SAMPLE_TIME_NS - 1_000_000_000n,
    isStarted: false,
    isEnded: false,
    connections: 1,
    counts: sampleCounts(),
    marks: [],
    ...fields,
  };
}

/** The row of a workload that holds what did not fit. */
export function sampleOtherFlow(fields: Partial<FlowEvent> = {}): FlowEvent {
  const { subject: _, socket: __, isOutgoing: ___, ...rest } = sampleFlow({ isOther: true });
  return { ...rest, ...fields };
}

type Base = Partial<ProcessEventBase> & Pick<ProcessEventBase, "subject">;

/** Of any type. */
export function randomNetworkEvent(fields: Base, random: SeededRandom): NetworkEvent {
  switch (random.below(3)) {
    case 0:
      return randomSocketEvent(fields, random);
    case 1:
      return randomDnsEvent(fields, random);
    default:
      return randomFlow(fields, random);
  }
}

function randomSocketEvent(fields: Base, random: SeededRandom): SocketEvent {
  return sampleSocketEvent({
    ...fields,
    type: random.pick(["process_connect", "process_accept", "process_listen", "process_close"]),
    isFailed: random.chance(0.3),
    cookie: random.chance(0.2) ? 0n : random.u64(),
    socket: randomTuple(random),
    ...(random.chance(0.5) && { durationNs: random.u64() }),
    ...(random.chance(0.5) && { counts: randomCounts(random) }),
    ...(random.chance(0.5) && { state: random.pick(["", "ESTABLISHED", randomString(random)]) }),
    ...(random.chance(0.5) && { error: random.pick(["", "ECONNREFUSED", randomString(random)]) }),
  });
}

function randomDnsEvent(fields: Base, random: SeededRandom): DnsEvent {
  const { durationNs: _, ...event } = sampleDnsEvent({
    ...fields,
    isResponse: random.chance(0.5),
    role: random.pick(["client", "server"]),
    socket: randomTuple(random),
    id: random.below(0x1_0000),
    questions: Array.from({ length: random.below(3) }, () => ({
      name: randomString(random),
      type: random.pick(["A", "TYPE65", randomString(random)]),
    })),
    answers: Array.from({ length: random.below(8) }, () => ({
      name: randomString(random),
      type: random.pick(["AAAA", "CNAME"]),
      ttl: random.u32(),
      data: random.pick(["", "::1", randomString(random)]),
    })),
    responseCode: random.pick(["", "NOERROR", "NXDOMAIN", randomString(random)]),
    isTruncated: random.chance(0.3),
    repeats: random.pick([0, 1, 4000]),
  });
  return random.chance(0.5) ? event : { ...event, durationNs: random.u64() };
}

function randomFlow({ subject, parent, marks }: Base, random: SeededRandom): FlowEvent {
  return sampleOtherFlow({
    timeNs: random.u64(),
    intervalNs: random.u64(),
    workload: randomWorkload(random),
    isOther: random.chance(0.3),
    firstTimeNs: random.u64(),
    lastTimeNs: random.u64(),
    isStarted: random.chance(0.5),
    isEnded: random.chance(0.5),
    connections: 1 + random.below(100),
    counts: randomCounts(random),
    ...(marks !== undefined && { marks }),
    ...(random.chance(0.6) && { subject }),
    ...(parent !== undefined && random.chance(0.6) && { parent }),
    ...(random.chance(0.6) && { socket: randomTuple(random) }),
    ...(random.chance(0.6) && { isOutgoing: random.chance(0.5) }),
  });
}

function randomTuple(random: SeededRandom): TaggedTuple {
  return sampleTuple({
    family: random.pick([4, 6]),
    protocol: random.pick(["tcp", "udp", "udplite", "icmp", "icmpv6", "raw", "132"]),
    local: randomEnd(random),
    remote: randomEnd(random),
    netNs: random.pick([0, 4026531840]),
    ...(random.chance(0.3) && { translated: { ...randomEnd(random), address: "10.244.1.7" } }),
  });
}

const CLASSES: readonly [AddressClass, ...AddressClass[]] = [
  "loopback",
  ...["same_host", "private", "link_local", "multicast", "unspecified", "public"] as const,
];

function randomEnd(random: SeededRandom): TaggedEndpoint {
  return {
    address: random.pick(["", "10.0.0.1", "::1", randomString(random)]),
    port: random.pick([0, 443, 65_535]),
    addressClass: random.pick([...CLASSES]),
    ...(random.chance(0.4) && {
      names: Array.from({ length: random.below(4) }, () => randomString(random)),
    }),
  };
}

function randomCounts(random: SeededRandom): SocketCounts {
  return {
    ...{ bytesSent: random.u64(), bytesReceived: random.u64() },
    ...{ packetsSent: random.u64(), packetsReceived: random.pick([0n, 1n]) },
    retransmits: random.pick([0, 3]),
  };
}

function base(process: Process): ProcessEventBase {
  return { timeNs: SAMPLE_TIME_NS, cpu: 1, subject: toReference(process), marks: [] };
}
