/**
 * One order out of many rings: each CPU has its own, so an exit read from one may come before the
 * fork from another.
 *
 * A record is released when no ring can still bring an older one: every other ring shows a younger
 * record, or was seen drained at a clock reading that is later than the record by the hold-back (a
 * BPF program reads the clock first and writes the record a little later). A ring that is neither,
 * because its worker gets no CPU, is waited for a bounded time and then left out until it moves
 * again; what it brings afterwards is late: released at once, marked and counted.
 *
 * @module
 */
import type { RecordRing } from "../capture/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";
import { RECORD_HEADER_SIZE, RecordView } from "../wire/mod.ts";

/** What `next()` found. */
export const MergeStatus = {
  /** `record` is the next record; `take()` gives its memory back. */
  RELEASED: 0,
  /** There are records, but an older one may still come: ask again with a later clock reading. */
  HELD: 1,
  /** Nothing to read now, but some ring has records on the way. */
  EMPTY: 2,
  /** Nothing anywhere at the time of the clock reading. */
  DRAINED: 3,
} as const;
export type MergeStatus = typeof MergeStatus[keyof typeof MergeStatus];

/** How long records are held. */
export interface MergeOptions {
  /** Time between a BPF program's clock reading and its output. Default 1 ms. */
  readonly holdBackMs?: number;
  /** How long a ring that shows nothing and is not drained is waited for. Default 200 ms. */
  readonly stallMaxMs?: number;
}

/**
 * A record cannot be younger than a clock reading that comes after it. One that is younger by this
 * much is broken, and would block its ring for ever if it were believed.
 */
const FUTURE_MAX_NS = 1_000_000_000;

const HOLD_BACK_MS = 1;
/**
 * On a host with many more runnable threads than CPUs a worker may wait this long for its turn; a
 * shorter bound puts children before their parents there. The other rings hold far more than that.
 */
const STALL_MAX_MS = 200;
const NS_PER_MS = 1_000_000;

/** A ring with its oldest record. */
interface Slot {
  readonly ring: RecordRing;
  readonly view: RecordView;
  readonly late: Counter;
  /** Clock reading at which the ring was first waited for, undefined when it is not. */
  stalledSinceNs: number | undefined;
  /** The head has no time, or one that cannot be. */
  isBroken: boolean;
  /** Clock reading before the ring was last seen drained. */
  drainedNs: number;
}

/**
 * Merges the rings of a `RecordSource`. Times are CLOCK_MONOTONIC ns as doubles, for order only.
 *
 * The smallest time is found by a scan over a dense array: with 64 rings that costs less than one
 * record's decoding, and a heap would not be faster below that.
 */
export class TimeMerge {
  readonly #holdBackNs: number;
  readonly #stallMaxNs: number;
  readonly #counters: Counters;
  readonly #readNowNs: () => number;
  #rings: readonly RecordRing[] = [];
  #slots: Slot[] = [];
  /** Time of each slot's head; Infinity without one. */
  #orders = new Float64Array(0);
  /** Every record of the slot's ring that is not this slot's head is younger than this. */
  #settled = new Float64Array(0);
  #current = -1;
  #releasedNs = 0;
  #nowNs = 0;
  #isLate = false;

  /** @param readNowNs reads CLOCK_MONOTONIC; needed only when a record looks broken. */
  constructor(counters: Counters, readNowNs: () => number, options: MergeOptions = {}) {
    this.#counters = counters;
    this.#readNowNs = readNowNs;
    this.#holdBackNs = (options.holdBackMs ?? HOLD_BACK_MS) * NS_PER_MS;
    this.#stallMaxNs = (options.stallMaxMs ?? STALL_MAX_MS) * NS_PER_MS;
  }

  /** The released record; valid until `take()`. */
  get record(): RecordView {
    return this.#slots[this.#current]!.view;
  }

  /** Time of the released record. */
  get order(): number {
    return this.#orders[this.#current]!;
  }

  /** Whether a younger record was released before this one. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** Whether the record has no time that can be: it is released at once and must not be decoded. */
  get isBroken(): boolean {
    return this.#slots[this.#current]!.isBroken;
  }

  /** CPU of the ring the released record came from. */
  get cpu(): number {
    return this.#slots[this.#current]!.ring.cpu;
  }

  /** Takes over the rings of the source; cheap when the array is the same. */
  setRings(rings: readonly RecordRing[]): void {
    if (rings === this.#rings) return;
    const old = new Map(this.#slots.map((slot, at) => [slot.ring, at]));
    const [slots, orders, settled] = [this.#slots, this.#orders, this.#settled];
    this.#rings = rings;
    this.#orders = new Float64Array(rings.length).fill(Infinity);
    this.#settled = new Float64Array(rings.length).fill(-Infinity);
    this.#slots = rings.map((ring, at) => {
      const before = old.get(ring);
      if (before === undefined) return this.#makeSlot(ring);
      this.#orders[at] = orders[before]!;
      this.#settled[at] = settled[before]!;
      return slots[before]!;
    });
  }

  /**
   * Looks for the next record.
   *
   * @param nowNs a clock reading taken before the call; one reading serves a whole batch.
   */
  next(nowNs: number): MergeStatus {
    this.#current = -1;
    this.#nowNs = nowNs;
    for (;;) {
      let at = -1;
      let order = Infinity;
      let settled = Infinity;
      for (let index = 0; index < this.#orders.length; index++) {
        const head = this.#orders[index]!;
        if (head < order) {
          order = head;
          at = index;
        }
        if (head === Infinity && this.#settled[index]! < settled) settled = this.#settled[index]!;
      }
      if (at >= 0 && order < settled) return this.#release(at, order);
      // A ring without a head stands in the way: look there again, at most once per record it
      // brings.
      if (this.#fill(order, nowNs)) continue;
      return this.#blocked(at, order, nowNs);
    }
  }

  /** Gives back the memory of the released record and looks at the next one of its ring. */
  take(): void {
    const slot = this.#slots[this.#current]!;
    slot.ring.take();
    // Records of one ring come in order, so what follows is not older than what was taken.
    this.#settled[this.#current] = Math.max(this.#settled[this.#current]!, this.order);
    this.#peek(this.#current);
    this.#current = -1;
  }

  #release(at: number, order: number): MergeStatus {
    this.#current = at;
    this.#isLate = order < this.#releasedNs;
    if (this.#isLate) this.#slots[at]!.late.value += 1;
    else this.#releasedNs = order;
    return MergeStatus.RELEASED;
  }

  /** Fills empty slots that are not settled up to `order`; true when one got a head. */
  #fill(order: number, nowNs: number): boolean {
    let hasNew = false;
    for (let at = 0; at < this.#slots.length; at++) {
      if (this.#orders[at] !== Infinity || this.#settled[at]! > order) continue;
      const slot = this.#slots[at]!;
      if (this.#peek(at)) {
        hasNew = true;
      } else if (slot.ring.ended) {
        this.#settled[at] = Infinity;
      } else if (slot.ring.isDrained()) {
        // The worker may have moved a record between the two looks; then it is visible now.
        if (this.#peek(at)) hasNew = true;
        else this.#settle(slot, at, nowNs);
      }
    }
    return hasNew;
  }

  #settle(slot: Slot, at: number, nowNs: number): void {
    slot.stalledSinceNs = undefined;
    slot.drainedNs = nowNs;
    this.#settled[at] = Math.max(this.#settled[at]!, nowNs - this.#holdBackNs);
  }

  #peek(at: number): boolean {
    const slot = this.#slots[at]!;
    if (!slot.ring.peek(slot.view)) {
      this.#orders[at] = Infinity;
      return false;
    }
    slot.stalledSinceNs = undefined;
    slot.isBroken = slot.view.size < RECORD_HEADER_SIZE || this.#isInFuture(slot.view.order);
    this.#orders[at] = slot.isBroken ? this.#releasedNs : slot.view.order;
    return true;
  }

  #isInFuture(order: number): boolean {
    if (order <= this.#nowNs + FUTURE_MAX_NS) return false;
    // The reading may be old: the agent was stopped, or the machine slept.
    this.#nowNs = this.#readNowNs();
    return order > this.#nowNs + FUTURE_MAX_NS;
  }

  /** Nothing new came: release all the same when only stalled rings are in the way. */
  #blocked(at: number, order: number, nowNs: number): MergeStatus {
    let isInFlight = false;
    let isHeld = false;
    for (let index = 0; index < this.#slots.length; index++) {
      if (this.#orders[index] !== Infinity || this.#settled[index]! > order) continue;
      const slot = this.#slots[index]!;
      if (slot.ring.ended || slot.drainedNs === nowNs) {
        isHeld = true; // drained now; only the hold-back has to pass
        continue;
      }
      isInFlight = true;
      if (at < 0) continue;
      slot.stalledSinceNs ??= nowNs;
      if (nowNs - slot.stalledSinceNs <= this.#stallMaxNs) isHeld = true;
    }
    if (at < 0) return isInFlight ? MergeStatus.EMPTY : MergeStatus.DRAINED;
    return isHeld ? MergeStatus.HELD : this.#release(at, order);
  }

  #makeSlot(ring: RecordRing): Slot {
    return {
      ring,
      view: new RecordView(),
      stalledSinceNs: undefined,
      isBroken: false,
      drainedNs: -1,
      late: this.#counters.counter(
        "shrike_pipeline_late_total",
        "Records released after a younger one of another CPU",
        { cpu: String(ring.cpu) },
      ),
    };
  }
}
