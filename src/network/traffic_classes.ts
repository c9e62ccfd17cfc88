/**
 * The twelve classes of traffic, in the order that the kernel's rows have.
 *
 * @module
 */
import type { TrafficClass, TrafficCount } from "../events/mod.ts";

const DIRECTIONS = ["receive", "transmit"] as const;
const FAMILIES = [4, 6] as const;
const PROTOCOLS = ["tcp", "udp", "other"] as const;

/** Direction, then family, then protocol. */
export const TRAFFIC_CLASSES: readonly TrafficClass[] = DIRECTIONS.flatMap((direction) =>
  FAMILIES.flatMap((family) => PROTOCOLS.map((protocol) => ({ direction, family, protocol })))
);

/** Where a class stands in `TRAFFIC_CLASSES`. */
export function classIndex({ direction, family, protocol }: TrafficClass): number {
  return DIRECTIONS.indexOf(direction) * FAMILIES.length * PROTOCOLS.length +
    FAMILIES.indexOf(family) * PROTOCOLS.length + PROTOCOLS.indexOf(protocol);
}

/** Bytes and packets of both directions, all families and protocols together. */
export interface TrafficSums {
  readonly bytesReceived: bigint;
  readonly bytesSent: bigint;
  readonly packetsReceived: bigint;
  readonly packetsSent: bigint;
}

/** What all classes come to. */
export function sumTraffic(counts: readonly TrafficCount[]): TrafficSums {
  const sum = (direction: TrafficClass["direction"], unit: "bytes" | "packets") =>
    counts.reduce(
      (total, count) => count.direction === direction ? total + count[unit] : total,
      0n,
    );
  return {
    bytesReceived: sum("receive", "bytes"),
    bytesSent: sum("transmit", "bytes"),
    packetsReceived: sum("receive", "packets"),
    packetsSent: sum("transmit", "packets"),
  };
}
