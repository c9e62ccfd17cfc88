/**
 * Slots of busy workloads: rows at a place that follows from the tracking id, which cost a packet
 * less than the hash `traffic`. The programs only add to a slot that names their workload; who has
 * one is said here.
 *
 * @module
 */
import type { BpfMap } from "../../ffi/mod.ts";
import {
  NETWORK_TRAFFIC_LINE_SIZE,
  NETWORK_TRAFFIC_SLOT_SIZE,
  NetworkLimit,
  NetworkTrafficLineOffset as Line,
} from "../wire/mod.ts";
import { lookAtRest } from "./look_at_rest.ts";

/** Sums of a workload by class, in the order of a row of `traffic`; what is read is added. */
export interface TrafficSums {
  readonly bytes: BigUint64Array;
  readonly packets: BigUint64Array;
}

/** What `TrafficSlots` works with. */
export interface TrafficSlotsOptions {
  /** `traffic_slots`. */
  readonly map: BpfMap;
  readonly cpuCount: number;
  /** Milliseconds of a clock that does not go back. */
  readonly nowMs: () => number;
}

/**
 * How long a slot that was left stays empty. A program that has read the old id adds within
 * microseconds, unless it is preempted right there.
 */
const REST_MS = 1000;

const LINE_WORDS = NETWORK_TRAFFIC_LINE_SIZE / 8;
const LINE_SUMS = NetworkLimit.NETWORK_LINE_CLASSES * NetworkLimit.NETWORK_SUMS;

/** Who has which slot. A workload whose slot another has is counted in `traffic`. */
export class TrafficSlots {
  readonly #options: TrafficSlotsOptions;
  /** Tracking ids by slot; 0: it is free. */
  readonly #holders = new BigUint64Array(NetworkLimit.NETWORK_TRAFFIC_SLOTS);
  /** When each was left. */
  readonly #leftMs = new Float64Array(NetworkLimit.NETWORK_TRAFFIC_SLOTS).fill(-Infinity);
  /** Slots that changed until the end while they were left. */
  tornCount = 0;

  /** Slots that somebody has given before are as they are in the map. */
  constructor(options: TrafficSlotsOptions) {
    this.#options = options;
    for (let slot = 0; slot < this.#holders.length; slot++) {
      const value = this.#look(slot);
      if (value === null) continue;
      this.#holders[slot] = new DataView(value.buffer).getBigUint64(Line.trackingId, true);
    }
  }

  /** Gives a workload its slot, unless another has it; nothing when it has it already. */
  give(trackingId: bigint): void {
    const slot = slotOf(trackingId);
    // Asked at each exec: most times it is taken, and the clock is not read.
    if (this.#holders[slot] !== 0n) return;
    if (this.#options.nowMs() - this.#leftMs[slot]! < REST_MS) return;
    // What a late program left in an empty slot is overwritten. The kernel copies words in their
    // order (bpf_long_memcpy(), since 4.6), so the id is seen when the sums before it are 0.
    const { map, cpuCount } = this.#options;
    const words = new BigUint64Array(NETWORK_TRAFFIC_SLOT_SIZE / 8 * cpuCount);
    for (let at = Line.trackingId / 8; at < words.length; at += LINE_WORDS) words[at] = trackingId;
    map.update(key(slot), new Uint8Array(words.buffer));
    this.#holders[slot] = trackingId;
  }

  /** Workloads that have a slot. */
  *holders(): IterableIterator<bigint> {
    for (const trackingId of this.#holders) if (trackingId !== 0n) yield trackingId;
  }

  /** Adds what a workload has in its slot, over all CPUs. */
  addTo(sums: TrafficSums, trackingId: bigint): void {
    const value = this.#has(trackingId) ? this.#look(slotOf(trackingId)) : null;
    if (value !== null) addSlot(sums, value);
  }

  /**
   * Takes a workload's slot back and adds what it had there. Deleted is what two looks have shown
   * alike; what a program adds in the same instant is lost, as in `NetworkMaps.takeTraffic()`.
   */
  takeBack(sums: TrafficSums, trackingId: bigint): void {
    if (!this.#has(trackingId)) return;
    const slot = slotOf(trackingId);
    const { value, isAtRest } = lookAtRest(() => this.#look(slot));
    if (!isAtRest) this.tornCount++;
    const { map, cpuCount } = this.#options;
    map.update(key(slot), new Uint8Array(NETWORK_TRAFFIC_SLOT_SIZE * cpuCount));
    this.#holders[slot] = 0n;
    this.#leftMs[slot] = this.#options.nowMs();
    if (value !== null) addSlot(sums, value);
  }

  #has(trackingId: bigint): boolean {
    return trackingId !== 0n && this.#holders[slotOf(trackingId)] === trackingId;
  }

  #look(slot: number): Uint8Array<ArrayBuffer> | null {
    return this.#options.map.lookup(key(slot));
  }
}

/** Lines are those of all CPUs, one after the other; the classes of a row are in the same order. */
function addSlot({ bytes, packets }: TrafficSums, value: Uint8Array<ArrayBuffer>): void {
  const words = new BigUint64Array(value.buffer);
  for (let at = 0; at < words.length; at += LINE_WORDS) {
    const line = at / LINE_WORDS % NetworkLimit.NETWORK_SLOT_LINES;
    for (let i = 0; i < LINE_SUMS; i += NetworkLimit.NETWORK_SUMS) {
      const index = line * NetworkLimit.NETWORK_LINE_CLASSES + i / NetworkLimit.NETWORK_SUMS;
      bytes[index] = (bytes[index] ?? 0n) + (words[at + i] ?? 0n);
      packets[index] = (packets[index] ?? 0n) + (words[at + i + 1] ?? 0n);
    }
  }
}

function slotOf(trackingId: bigint): number {
  return Number(trackingId & BigInt(NetworkLimit.NETWORK_TRAFFIC_SLOTS - 1));
}

function key(slot: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([slot]).buffer);
}
