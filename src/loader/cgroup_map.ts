/**
 * The kernel's map of cgroups as user space sees it: what was there before the hooks is entered,
 * what the kernel could only guess is corrected, and what nobody needs any more is deleted.
 *
 * @module
 */
import { type BpfMap, Errno, LibbpfError, MapUpdate } from "../../ffi/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";
import {
  CGROUP_ENTRY_SIZE,
  CGROUP_KEY_SIZE,
  CgroupCount,
  CgroupEntryFlag,
  CgroupEntryOffset as Entry,
  CgroupKeyOffset as Key,
  CgroupLimit,
  CgroupState,
  POLICY_SET_ORDER_SIZE,
  PolicySetOrderOffset as Order,
} from "../wire/mod.ts";
import type { LoadedSensors } from "./load_sensors.ts";

/** Whose workload a cgroup is. */
export interface CgroupOwner {
  readonly trackingId: bigint;
  readonly isLeaf: boolean;
  readonly isContainer: boolean;
}

/** A cgroup to enter. */
export interface CgroupRow extends CgroupOwner {
  readonly id: bigint;
  readonly parentId: bigint;
  readonly level: number;
  /** Last part of the path. */
  readonly name: string;
}

/** A cgroup as the kernel has it. */
export interface KernelCgroupRow extends CgroupOwner {
  readonly parentId: bigint;
  /** CLOCK_MONOTONIC ns; 0 when user space has entered it. */
  readonly createdNs: bigint;
  readonly level: number;
  /** Which policies concern it; 0: those that select no workloads. */
  readonly policySet: number;
  /** One of `CgroupState`. */
  readonly state: number;
  /** A task was moved into it. */
  readonly isAttached: boolean;
  /** Undefined when it was cut. */
  readonly name: string | undefined;
}

/** What `CgroupMap` works with. */
export interface CgroupMapOptions {
  readonly map: Pick<BpfMap, "lookup" | "update" | "delete" | "keys" | "maxEntries">;
  /** Counters by `CgroupCount`. */
  readonly countsMap: Pick<BpfMap, "lookup"> | undefined;
  /** Number of the tracked hierarchy. */
  readonly hierarchy: number;
  readonly counters: Counters;
  /** Those whose map it is; without them no cgroup gets another policy set. */
  readonly sensors?: Pick<LoadedSensors, "runProgram">;
}

/** What is counted in the kernel, as metrics. */
const KERNEL_COUNTS: Readonly<Record<number, readonly [name: string, help: string]>> = {
  [CgroupCount.CGROUP_COUNT_FULL]: [
    "shrike_cgroup_map_full_total",
    "New cgroups that found no room",
  ],
  [CgroupCount.CGROUP_COUNT_FAILED]: [
    "shrike_cgroup_map_failed_total",
    "New cgroups that the kernel's map refused",
  ],
  [CgroupCount.CGROUP_COUNT_TOO_DEEP]: [
    "shrike_cgroup_map_too_deep_total",
    "New cgroups deeper than the map goes",
  ],
  [CgroupCount.CGROUP_COUNT_ZERO_ID]: [
    "shrike_cgroup_zero_id_total",
    "Records of tasks without a cgroup id",
  ],
  [CgroupCount.CGROUP_COUNT_DEEP_TASK]: [
    "shrike_cgroup_task_too_deep_total",
    "Records of tasks that are too deep",
  ],
  [CgroupCount.CGROUP_COUNT_ANCESTOR]: [
    "shrike_cgroup_by_ancestor_total",
    "Records whose cgroup only an ancestor told",
  ],
  [CgroupCount.CGROUP_COUNT_SHARE_FULL]: [
    "shrike_cgroup_map_share_full_total",
    "New cgroups whose maker or workload had its share of the map; an ancestor stands for them",
  ],
  [CgroupCount.CGROUP_COUNT_UNKNOWN]: [
    "shrike_cgroup_untracked_total",
    "Records of cgroups that the map does not know",
  ],
};

/** One hierarchy's part of the map. A system call each; not for the read path but on a miss. */
export class CgroupMap {
  readonly #options: CgroupMapOptions;
  readonly #failures: Counter;
  readonly #corrections: Counter;

  constructor(options: CgroupMapOptions) {
    const { counters, map } = options;
    this.#options = options;
    this.#failures = counters.counter(
      "shrike_cgroup_map_failures_total",
      "Writes of the agent that the kernel's map of cgroups refused",
    );
    this.#corrections = counters.counter(
      "shrike_cgroup_map_corrections_total",
      "Cgroups whose workload the kernel had guessed wrong by their name",
    );
    counters.gauge(
      "shrike_cgroup_map_capacity",
      "Cgroups the kernel's map holds at most",
      {},
      () => map.maxEntries,
    );
    for (const [which, [name, help]] of Object.entries(KERNEL_COUNTS)) {
      counters.counterOf(name, help, {}, () => this.count(Number(which)));
    }
  }

  /** What the kernel has counted under a `CgroupCount`, on all CPUs. */
  count(which: number): number {
    const value = this.#options.countsMap?.lookup(u32(which)) ?? null;
    if (value === null) return 0;
    let sum = 0n;
    for (const count of new BigUint64Array(value.buffer)) sum += count;
    return Number(sum);
  }

  /** The kernel's row; undefined when there is none. */
  find(id: bigint): KernelCgroupRow | undefined {
    const value = this.#options.map.lookup(this.#key(id));
    if (value === null) return undefined;
    const view = new DataView(value.buffer);
    const flags = view.getUint16(Entry.flags, true);
    return {
      parentId: view.getBigUint64(Entry.parentId, true),
      trackingId: view.getBigUint64(Entry.trackingId, true),
      createdNs: view.getBigUint64(Entry.createdNs, true),
      level: view.getUint32(Entry.level, true),
      state: view.getUint16(Entry.state, true),
      policySet: view.getUint32(Entry.policySet, true),
      isLeaf: (flags & CgroupEntryFlag.CGROUP_LEAF) !== 0,
      isContainer: (flags & CgroupEntryFlag.CGROUP_CONTAINER) !== 0,
      isAttached: (flags & CgroupEntryFlag.CGROUP_ATTACHED) !== 0,
      name: readName(value.subarray(Entry.name, Entry.name + CgroupLimit.CGROUP_ENTRY_NAME_SIZE)),
    };
  }

  /** Enters a cgroup that was there before the hooks; one the kernel has entered itself stays. */
  enter(row: CgroupRow): void {
    if (row.level > CgroupLimit.CGROUP_LEVEL_MAX) return;
    const value = new Uint8Array(CGROUP_ENTRY_SIZE);
    const view = new DataView(value.buffer);
    view.setBigUint64(Entry.parentId, row.parentId, true);
    view.setUint32(Entry.level, row.level, true);
    view.setUint16(Entry.state, CgroupState.CGROUP_RUNNING, true);
    view.setUint16(Entry.flags, CgroupEntryFlag.CGROUP_FOUND, true);
    writeOwner(view, row);
    const name = value.subarray(Entry.name, Entry.name + CgroupLimit.CGROUP_ENTRY_NAME_SIZE - 1);
    new TextEncoder().encodeInto(row.name, name);
    this.#update(row.id, value, MapUpdate.noExist, Errno.EEXIST);
  }

  /**
   * Puts right whose workload a cgroup is, when the kernel has it otherwise. Its state may change
   * in between and is then lost; the table of user space has its own.
   */
  correct(id: bigint, createdNs: bigint, owner: CgroupOwner): void {
    const value = this.#options.map.lookup(this.#key(id));
    if (value === null) return;
    const view = new DataView(value.buffer);
    const made = view.getBigUint64(Entry.createdNs, true);
    if (made !== createdNs && made !== 0n) return;
    const [before, flagsBefore] = [
      view.getBigUint64(Entry.trackingId, true),
      view.getUint16(Entry.flags, true),
    ];
    writeOwner(view, owner);
    const isSame = before === owner.trackingId && flagsBefore === view.getUint16(Entry.flags, true);
    if (isSame) return;
    this.#corrections.value += 1;
    this.#update(id, value, MapUpdate.exist, Errno.ENOENT);
  }

  /**
   * Says which policies concern a cgroup; cgroups that are made below it afterwards get the same.
   * Seen by the next call of a process there.
   *
   * @returns false when the kernel's map has no such cgroup (any more), or cannot be told
   * @throws {LibbpfError} the kernel cannot run the program that does it
   */
  setPolicySet(id: bigint, createdNs: bigint, set: number): boolean {
    const input = new Uint8Array(POLICY_SET_ORDER_SIZE);
    const view = new DataView(input.buffer);
    view.setBigUint64(Order.cgroupId, id, true);
    view.setBigUint64(Order.createdNs, createdNs, true);
    view.setUint32(Order.policySet, set, true);
    const row = this.#options.sensors?.runProgram("set_policy_set", "policy_set_order", input);
    return row !== undefined && new DataView(row.buffer).getUint32(Order.isDone, true) === 1;
  }

  /** Sets of policies that any cgroup has. Reads the whole map: tens of milliseconds when full. */
  policySets(): Set<number> {
    const sets = new Set<number>();
    for (const key of this.#options.map.keys()) {
      const value = this.#options.map.lookup(key);
      if (value !== null) sets.add(new DataView(value.buffer).getUint32(Entry.policySet, true));
    }
    return sets;
  }

  /** Deletes a cgroup; one of a later making with the same id stays. */
  delete(id: bigint, createdNs: bigint): void {
    const key = this.#key(id);
    const value = this.#options.map.lookup(key);
    if (value === null) return;
    const made = new DataView(value.buffer).getBigUint64(Entry.createdNs, true);
    if (made === createdNs || made === 0n || createdNs === 0n) this.#options.map.delete(key);
  }

  /** Full or raced: counted, because the table of user space does without the kernel's. */
  #update(
    id: bigint,
    value: Uint8Array<ArrayBuffer>,
    flags: bigint,
    expected: number,
  ): void {
    try {
      this.#options.map.update(this.#key(id), value, flags);
    } catch (error) {
      if (!(error instanceof LibbpfError)) throw error;
      if (error.code !== expected) this.#failures.value += 1;
    }
  }

  #key(id: bigint): Uint8Array<ArrayBuffer> {
    const key = new Uint8Array(CGROUP_KEY_SIZE);
    const view = new DataView(key.buffer);
    view.setBigUint64(Key.id, id, true);
    view.setUint32(Key.hierarchy, this.#options.hierarchy, true);
    return key;
  }
}

function writeOwner(view: DataView, { trackingId, isLeaf, isContainer }: CgroupOwner): void {
  const owned = CgroupEntryFlag.CGROUP_LEAF | CgroupEntryFlag.CGROUP_CONTAINER;
  const others = view.getUint16(Entry.flags, true) & ~owned;
  const own = (isLeaf ? CgroupEntryFlag.CGROUP_LEAF : 0) |
    (isContainer ? CgroupEntryFlag.CGROUP_CONTAINER : 0);
  view.setBigUint64(Entry.trackingId, trackingId, true);
  view.setUint16(Entry.flags, others | own, true);
}

/** A name that fills its place may have been longer. */
function readName(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(0);
  if (end < 0 || end === bytes.length - 1) return undefined;
  return new TextDecoder().decode(bytes.subarray(0, end));
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}
