/**
 * Traffic added up.
 *
 * @module
 */
import type { TrafficCount } from "../events/mod.ts";
import { classIndex, TRAFFIC_CLASSES } from "./traffic_classes.ts";

/** Bytes and packets by class, and programs started. */
export class TrafficTally {
  readonly #bytes: bigint[] = TRAFFIC_CLASSES.map(() => 0n);
  readonly #packets: bigint[] = TRAFFIC_CLASSES.map(() => 0n);
  execs = 0;

  /** All classes in their order. */
  counts(): TrafficCount[] {
    return TRAFFIC_CLASSES.map((trafficClass, i) => ({
      ...trafficClass,
      bytes: this.#bytes[i]!,
      packets: this.#packets[i]!,
    }));
  }

  /** Adds all that another has. */
  addTally(other: TrafficTally): void {
    for (let i = 0; i < TRAFFIC_CLASSES.length; i++) {
      this.#bytes[i]! += other.#bytes[i]!;
      this.#packets[i]! += other.#packets[i]!;
    }
    this.execs += other.execs;
  }

  /**
   * Adds what a row of the kernel has more than at the last look.
   *
   * @returns whether the row began again since, and so was added whole
   */
  addGrowth(row: readonly TrafficCount[], before: readonly TrafficCount[]): boolean {
    const seen = new Map(before.map((count) => [classIndex(count), count]));
    const isRestarted = row.some((count) => {
      const { bytes, packets } = seen.get(classIndex(count)) ?? NONE;
      return count.bytes < bytes || count.packets < packets;
    });
    for (const count of row) {
      const i = classIndex(count);
      const { bytes, packets } = isRestarted ? NONE : seen.get(i) ?? NONE;
      this.#bytes[i]! += count.bytes - bytes;
      this.#packets[i]! += count.packets - packets;
    }
    return isRestarted;
  }
}

const NONE = { bytes: 0n, packets: 0n };
