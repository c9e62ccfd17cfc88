/**
 * The network of an agent that has none: rows that a test sets, and what they come to.
 *
 * @module
 */
import type { Workload } from "../../src/events/mod.ts";
import {
  type NetworkService,
  type NetworkState,
  type ProgramTime,
  TRAFFIC_CLASSES,
  type TrafficOwner,
  type TrafficReading,
  type WorkloadTraffic,
} from "../../src/network/mod.ts";

/** What a row has carried, in IPv4 and TCP alone. */
export interface FakeTraffic {
  readonly owner?: TrafficOwner;
  readonly workload?: Workload;
  readonly bytesReceived?: bigint;
  readonly bytesSent?: bigint;
  readonly packetsReceived?: bigint;
  readonly packetsSent?: bigint;
  readonly execs?: number;
  readonly connections?: number;
}

/** One row with all twelve classes. */
export function sampleTraffic(key: string, fields: FakeTraffic = {}): WorkloadTraffic {
  const { owner = "workload", workload, execs = 0, connections } = fields;
  const { bytesReceived = 0n, bytesSent = 0n, packetsReceived = 0n, packetsSent = 0n } = fields;
  return {
    ...{ owner, key, execs },
    ...(workload !== undefined && { workload }),
    ...(connections !== undefined && { connections }),
    counts: TRAFFIC_CLASSES.map((each) => {
      const isCounted = each.family === 4 && each.protocol === "tcp";
      const [bytes, packets] = each.direction === "receive"
        ? [bytesReceived, packetsReceived]
        : [bytesSent, packetsSent];
      return { ...each, bytes: isCounted ? bytes : 0n, packets: isCounted ? packets : 0n };
    }),
  };
}

/** The sums that a reading always has. */
export const EMPTY_SUMS: readonly WorkloadTraffic[] = [
  sampleTraffic("ended", { owner: "ended" }),
  sampleTraffic("unknown", { owner: "unknown" }),
  sampleTraffic("other", { owner: "other" }),
];

/** Each reading is a second after the one before. */
export class FakeNetworkService implements NetworkService {
  readings = 0;
  rows: WorkloadTraffic[] = [];
  programs: ProgramTime | undefined;
  networkState: NetworkState = { state: "ok" };
  /** Called before each reading. */
  onRead: () => void = () => {};

  readTraffic(): TrafficReading {
    this.onRead();
    this.readings++;
    return {
      monotonicNs: BigInt(this.readings) * 1_000_000_000n,
      workloads: [...this.rows, ...EMPTY_SUMS],
      ...(this.programs !== undefined && { programs: this.programs }),
    };
  }

  state(): NetworkState {
    return this.networkState;
  }

  counts(): ReadonlyMap<string, bigint> {
    return new Map();
  }
}
