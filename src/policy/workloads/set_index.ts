/**
 * Sets of cgroups by number, and by the lists of selectors that match them.
 *
 * @module
 */
import type { WorkloadSubject } from "./match_workload.ts";

/** A cgroup of the kernel's map, and whose it is. */
export interface SetCgroup {
  readonly id: bigint;
  /** CLOCK_MONOTONIC ns; 0 when it was there before the agent. */
  readonly createdNs: bigint;
  readonly subject: WorkloadSubject;
}

/** Cgroups that are alike for all policies. */
export interface WorkloadSet {
  readonly number: number;
  /** Lists of selectors that match its cgroups. */
  bits: bigint;
  readonly members: Map<bigint, SetCgroup>;
  /** What it was made for: says what it is when it has no cgroups. Of set 0 undefined. */
  readonly sample: WorkloadSubject | undefined;
  /** Whether the kernel's tables have it. */
  isReady: boolean;
  emptySinceMs: number;
}

/** All sets. Set 0 is always there; no list matches it. */
export class SetIndex {
  readonly zero: WorkloadSet = newSet(0, 0n, { sample: undefined, nowMs: 0 });
  readonly #setsMax: number;
  readonly #sets = new Map<number, WorkloadSet>([[0, this.zero]]);
  /** Those that cgroups are put into. */
  readonly #byBits = new Map<bigint, WorkloadSet>([[0n, this.zero]]);

  constructor(setsMax: number) {
    this.#setsMax = setsMax;
  }

  /** Set 0 first. */
  [Symbol.iterator](): Iterator<WorkloadSet> {
    return this.#sets.values();
  }

  get size(): number {
    return this.#sets.size;
  }

  byNumber(number: number): WorkloadSet | undefined {
    return this.#sets.get(number);
  }

  /** The set that cgroups are put into of which these lists match. */
  find(bits: bigint): WorkloadSet | undefined {
    return this.#byBits.get(bits);
  }

  /** Undefined: there are too many. The kernel's table has a place for each number. */
  add(bits: bigint, sample: WorkloadSubject, nowMs: number): WorkloadSet | undefined {
    if (this.#sets.size >= this.#setsMax) return undefined;
    let number = 1;
    while (this.#sets.has(number)) number++;
    const set = newSet(number, bits, { sample, nowMs });
    this.#sets.set(number, set);
    this.#byBits.set(bits, set);
    return set;
  }

  /** No cgroup is put into it any more. */
  hide(set: WorkloadSet): void {
    if (this.#byBits.get(set.bits) === set) this.#byBits.delete(set.bits);
  }

  remove(set: WorkloadSet): void {
    this.hide(set);
    this.#sets.delete(set.number);
  }

  /** Lists that nobody had match it too. */
  addBits(set: WorkloadSet, bits: bigint): void {
    const isCurrent = this.#byBits.get(set.bits) === set;
    if (isCurrent) this.#byBits.delete(set.bits);
    set.bits |= bits;
    if (isCurrent) this.#byBits.set(set.bits, set);
  }

  /** Nobody has these lists any more. Gives sets that are like another one now. */
  clearBits(bits: bigint): [WorkloadSet, WorkloadSet][] {
    const same: [WorkloadSet, WorkloadSet][] = [];
    this.#byBits.clear();
    for (const set of this.#sets.values()) {
      set.bits &= ~bits;
      const other = this.#byBits.get(set.bits);
      if (other === undefined) this.#byBits.set(set.bits, set);
      else same.push([set, other]);
    }
    return same;
  }
}

function newSet(
  number: number,
  bits: bigint,
  { sample, nowMs }: { readonly sample: WorkloadSubject | undefined; readonly nowMs: number },
): WorkloadSet {
  const state = { isReady: number === 0, emptySinceMs: nowMs };
  return { number, bits, sample, members: new Map(), ...state };
}
