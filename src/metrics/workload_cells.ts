/**
 * What is told of each workload: a cell is one series of its set of labels.
 *
 * @module
 */
import type { Labels, Sample } from "../telemetry/mod.ts";

/** Whose a reading is. */
export type Owner = "workload" | "ended" | "unknown" | "other";

/** Names of a workload; what it does not have is "". */
export type WorkloadLabels = Readonly<
  Record<"workload_kind" | "workload" | "pod" | "namespace" | "container", string>
>;

/** Packets that are counted together; `TrafficCount` of `src/events` fits. */
export interface TrafficReading {
  readonly direction: "receive" | "transmit";
  readonly family: 4 | 6;
  readonly protocol: "tcp" | "udp" | "other";
  readonly bytes: bigint;
  readonly packets: bigint;
}

/** What one workload has done since the agent runs, or a sum of several. */
export interface WorkloadReading {
  readonly owner: Owner;
  /** Of the workload, for as long as it is there. */
  readonly key: string;
  readonly labels: WorkloadLabels;
  readonly counts: readonly TrafficReading[];
  readonly execs: number;
  readonly connections?: number;
}

/** One series of each workload. */
export interface Cell extends Pick<Sample, "name" | "help" | "kind"> {
  /** Those of the series of that workload. */
  labelsOf(workload: WorkloadLabels): Labels;
}

type Class = Pick<TrafficReading, "direction" | "family" | "protocol">;

const CLASSES: readonly Class[] = (["receive", "transmit"] as const).flatMap((direction) =>
  ([4, 6] as const).flatMap((family) =>
    (["tcp", "udp", "other"] as const).map((protocol) => ({ direction, family, protocol }))
  )
);
const CLASS_COUNT = CLASSES.length;

const FAMILY_NAMES = { 4: "ipv4", 6: "ipv6" } as const;

/** Name and help by direction. */
const BYTES = {
  receive: named(
    "shrike_network_receive_bytes_total",
    "Bytes of IP packets that sockets of the workload received",
  ),
  transmit: named(
    "shrike_network_transmit_bytes_total",
    "Bytes of IP packets that sockets of the workload sent",
  ),
};
const PACKETS = {
  receive: named(
    "shrike_network_receive_packets_total",
    "IP packets that sockets of the workload received; one for each segment",
  ),
  transmit: named(
    "shrike_network_transmit_packets_total",
    "IP packets that sockets of the workload sent; one for each segment",
  ),
};
const EXECS = named("shrike_workload_execs_total", "Programs started in the workload");
const OPEN = named(
  "shrike_workload_connections",
  "Sockets with a peer that the workload has now, as far as the kernel's table has room",
);

/** All cells: bytes by class, packets by class, execs, connections. */
export const CELLS: readonly Cell[] = [
  ...CLASSES.map((each) => trafficCell(BYTES[each.direction], each)),
  ...CLASSES.map((each) => trafficCell(PACKETS[each.direction], each)),
  { ...EXECS, kind: "counter", labelsOf: (workload) => workload },
  { ...OPEN, kind: "gauge", labelsOf: (workload) => workload },
];
/** Index of the only cell that may go back. */
export const CONNECTIONS: number = CELLS.length - 1;
/** The cells that only grow. */
export const RUNNING_CELLS: readonly Cell[] = CELLS.slice(0, CONNECTIONS);

/** Values of the cells that only grow, in their order. */
export function valuesOf({ counts, execs }: WorkloadReading): bigint[] {
  const values = RUNNING_CELLS.map(() => 0n);
  for (const count of counts) {
    const at = classIndex(count);
    values[at] = values[at]! + count.bytes;
    values[CLASS_COUNT + at] = values[CLASS_COUNT + at]! + count.packets;
  }
  values[2 * CLASS_COUNT] = BigInt(execs);
  return values;
}

function classIndex({ direction, family, protocol }: Class): number {
  const ofProtocol = protocol === "tcp" ? 0 : protocol === "udp" ? 1 : 2;
  return (direction === "receive" ? 0 : 6) + (family === 4 ? 0 : 3) + ofProtocol;
}

function named(name: string, help: string): Pick<Sample, "name" | "help"> {
  return { name, help };
}

function trafficCell(names: Pick<Sample, "name" | "help">, { family, protocol }: Class): Cell {
  const labels = { family: FAMILY_NAMES[family], protocol };
  return { ...names, kind: "counter", labelsOf: (workload) => ({ ...workload, ...labels }) };
}
