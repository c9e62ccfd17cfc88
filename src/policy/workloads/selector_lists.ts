/**
 * The different lists of workload selectors that policies have. Each has a bit, so that which of
 * them match a workload is one number.
 *
 * @module
 */
import type { Workload } from "../../events/mod.ts";
import type { WorkloadSelector } from "../model.ts";
import { selectorsKey, WorkloadMatcher, type WorkloadSubject } from "./match_workload.ts";

interface UsedList {
  readonly key: string;
  readonly mask: bigint;
  readonly matcher: WorkloadMatcher;
  users: number;
}

/** Of a list without selectors, which matches everything. */
export const ALL_WORKLOADS = 0n;

/** Lists in use, by their bits. */
export class SelectorLists {
  readonly #byKey = new Map<string, UsedList>();
  readonly #byBit: (UsedList | undefined)[] = [];
  /** Many cgroups have one workload, which never changes. */
  #known = new WeakMap<Workload, bigint>();
  #pathLists = 0;

  get size(): number {
    return this.#byKey.size;
  }

  /** The bit of a list; `ALL_WORKLOADS` when it matches everything. */
  take(selectors: readonly WorkloadSelector[]): bigint {
    if (selectors.length === 0) return ALL_WORKLOADS;
    const key = selectorsKey(selectors);
    let list = this.#byKey.get(key);
    if (list === undefined) {
      const free = this.#byBit.indexOf(undefined);
      const bit = free < 0 ? this.#byBit.length : free;
      const matcher = new WorkloadMatcher(selectors);
      list = { key, mask: 1n << BigInt(bit), matcher, users: 0 };
      this.#byBit[bit] = list;
      this.#byKey.set(key, list);
      this.#change(matcher, 1);
    }
    list.users++;
    return list.mask;
  }

  /** True: nobody has it any more, and its bit may come to mean another list. */
  giveBack(mask: bigint): boolean {
    const bit = this.#byBit.findIndex((list) => list?.mask === mask);
    const list = this.#byBit[bit];
    if (list === undefined || --list.users > 0) return false;
    this.#byBit[bit] = undefined;
    this.#byKey.delete(list.key);
    this.#change(list.matcher, -1);
    return true;
  }

  /** Bits of the lists that match, of those in `wanted` or of all. */
  match(subject: WorkloadSubject, wanted?: bigint): bigint {
    const { workload } = subject;
    const isWhole = wanted === undefined && this.#pathLists === 0;
    const known = isWhole ? this.#known.get(workload) : undefined;
    if (known !== undefined) return known;
    let bits = 0n;
    for (const list of this.#byBit) {
      if (list === undefined || (wanted !== undefined && (wanted & list.mask) === 0n)) continue;
      if (list.matcher.match(subject) === "matched") bits |= list.mask;
    }
    if (isWhole) this.#known.set(workload, bits);
    return bits;
  }

  #change({ asksPath }: WorkloadMatcher, count: number): void {
    if (asksPath) this.#pathLists += count;
    this.#known = new WeakMap();
  }
}
