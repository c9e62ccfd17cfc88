/**
 * The kernel's tables of the network, for tests: what goes through is told with few words.
 *
 * @module
 */
import type { SocketCounts, SocketTuple, TrafficClass } from "../../src/events/mod.ts";
import {
  classIndex,
  type FlowRow,
  type NetworkKernel,
  TRAFFIC_CLASSES,
  type TrafficRow,
} from "../../src/network/mod.ts";

/** Rows as the kernel keeps them: one per tracking id with traffic. */
export class FakeNetworkKernel implements NetworkKernel {
  readonly attribution = { confirmed: 0, contradicted: 0 };
  /** Open connections by tracking id, of rows with traffic. */
  readonly open = new Map<bigint, number>();
  /** What the next `drainFlows()` answers. */
  flows: FlowRow[] = [];
  readonly programCounts = new Map<string, bigint>();
  /** Calls, by name. */
  readonly calls: string[] = [];
  readonly #rows = new Map<bigint, { bytes: bigint; packets: bigint }[]>();

  /** Packets of one class go through for a cgroup. */
  transfer(trackingId: bigint, of: TrafficClass, bytes: bigint, packets = 1n): void {
    const row = this.#rows.get(trackingId) ??
      TRAFFIC_CLASSES.map(() => ({ bytes: 0n, packets: 0n }));
    row[classIndex(of)]!.bytes += bytes;
    row[classIndex(of)]!.packets += packets;
    this.#rows.set(trackingId, row);
  }

  /** A row is lost, as no kernel should do. */
  lose(trackingId: bigint): void {
    this.#rows.delete(trackingId);
  }

  get rows(): number {
    return this.#rows.size;
  }

  readTraffic(): TrafficRow[] {
    this.calls.push("readTraffic");
    return [...this.#rows.keys()].map((trackingId) => this.#row(trackingId)!);
  }

  giveSlot(trackingId: bigint): void {
    this.calls.push(`giveSlot ${trackingId}`);
  }

  takeTraffic(trackingId: bigint): TrafficRow | undefined {
    const row = this.#row(trackingId);
    this.#rows.delete(trackingId);
    return row;
  }

  drainFlows(): Promise<FlowRow[]> {
    this.calls.push("drainFlows");
    const flows = this.flows;
    this.flows = [];
    return Promise.resolve(flows);
  }

  counts(): ReadonlyMap<string, bigint> {
    return this.programCounts;
  }

  #row(trackingId: bigint): TrafficRow | undefined {
    const row = this.#rows.get(trackingId);
    if (row === undefined) return undefined;
    const counts = TRAFFIC_CLASSES.map((of, i) => ({ ...of, ...row[i]! }));
    return { trackingId, counts, openCount: this.open.get(trackingId) ?? 0 };
  }
}

/** Received over TCP and IPv4. */
export const RECEIVED: TrafficClass = { direction: "receive", family: 4, protocol: "tcp" };
/** Sent over UDP and IPv6. */
export const SENT: TrafficClass = { direction: "transmit", family: 6, protocol: "udp" };

/** A connection from one host to another. */
export function sampleTuple(fields: Partial<SocketTuple> = {}): SocketTuple {
  return {
    ...{ family: 4, protocol: "tcp", netNs: 4026531840 },
    local: { address: "10.0.0.2", port: 43210 },
    remote: { address: "93.184.216.34", port: 443 },
    ...fields,
  };
}

/** What a short exchange comes to. */
export const SAMPLE_COUNTS: SocketCounts = Object.freeze({
  ...{ bytesSent: 700n, bytesReceived: 5_000n, packetsSent: 8n, packetsReceived: 7n },
  retransmits: 0,
});

/** Traffic of one process with one peer. */
export function sampleFlowRow(fields: Partial<FlowRow> = {}): FlowRow {
  return {
    ...{ trackingId: 8n, tgid: 100, leaderStartNs: 5n, tuple: sampleTuple() },
    ...{ isOther: false, isOutgoing: true, firstNs: 1_000n, lastNs: 2_000n },
    ...{ isStarted: true, isEnded: false, connections: 1, counts: SAMPLE_COUNTS },
    ...fields,
  };
}
