/**
 * Facts of the network sensor for tests.
 *
 * @module
 */
import type { DnsSeen, SocketChanged } from "../../src/events/mod.ts";
import { SAMPLE_COUNTS, sampleTuple } from "./fake_network_kernel.ts";

const BASE = {
  ...{ timeNs: 2_000n, cpu: 1, tgid: 100, tid: 101, namespaceTgid: 100, leaderStartNs: 5n },
  cgroup: { id: 9n, trackingId: 8n, level: 2, hierarchy: 0 },
  cookie: 77n,
};

/** A connection that is there after 500 ns. */
export function socketChanged(fields: Partial<SocketChanged> = {}): SocketChanged {
  return {
    ...{ ...BASE, type: "socket_changed", change: "connect", tuple: sampleTuple() },
    ...{ openedNs: 1_500n, counts: SAMPLE_COUNTS, state: "SYN_SENT", error: "" },
    ...fields,
  };
}

/** A datagram that asks a name server. */
export function dnsSeen(fields: Partial<DnsSeen> = {}): DnsSeen {
  const payload = new Uint8Array(20);
  return {
    ...{ ...BASE, type: "dns_seen", tuple: sampleTuple({ protocol: "udp" }), isOutgoing: true },
    ...{ payload, sequence: 0, isStart: false, isEnd: false, size: payload.length, segmentSize: 0 },
    ...fields,
  };
}
