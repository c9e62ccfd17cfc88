/**
 * The workload of each cgroup that was asked for, by hierarchy and id: bounded, and kept a while
 * after the cgroup is gone, for late events.
 *
 * @module
 */
import type { Workload } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";
import type { Lookup } from "./lookups.ts";
import type { PathRecognition } from "./recognise_path.ts";

/**
 * A cgroup as its owner knows it. Copied, never kept, because the owner's object may change; the
 * entries of `CgroupTable` fit as they are.
 */
export interface CgroupIdentity {
  /** 0 for cgroup v2. Ids of different hierarchies collide. */
  readonly hierarchy: number;
  readonly id: bigint;
  /** CLOCK_MONOTONIC or other ns that tells a reused id from the old one; 0n when not known. */
  readonly createdNs: bigint;
  /** Path below the root of the hierarchy; undefined when not known. */
  readonly path: string | undefined;
  /** Where the path is from. */
  readonly pathSource: "kernel" | "path";
}

/** A cgroup with what is known of it. */
export interface CgroupEntry {
  /** Our own copy. */
  cgroup: CgroupIdentity;
  recognition: PathRecognition;
  lookup: Lookup | undefined;
  /**
   * Subject by which the entry is in the index; stays when `lookup` is not there for want of room.
   */
  key: string | undefined;
  workload: Workload;
  /** Whether the workload was settled once: told by a runtime, or given up. */
  wasSettled: boolean;
  /** Whether a process was seen to come in: the first tells what is around a container. */
  wasEntered: boolean;
  removedMs: number | undefined;
}

/** Bounds of the table. */
export interface CgroupLimits {
  readonly cgroupsMax: number;
  /** How long a removed cgroup stays known. */
  readonly removalDelayMs: number;
}

/** Index by (hierarchy, id) and by subject. */
export class CgroupWorkloads {
  readonly #limits: CgroupLimits;
  readonly #unused: (key: string) => void;
  readonly #byHierarchy = new Map<number, Map<bigint, CgroupEntry>>();
  readonly #byKey = new Map<string, Set<CgroupEntry>>();
  /** All entries, oldest first. */
  readonly #all = new Set<CgroupEntry>();
  /** In the order of their removal. */
  readonly #removed = new Set<CgroupEntry>();
  readonly #evicted: Counter;
  readonly #reused: Counter;

  /** `unused` is told of each subject that no cgroup depends on any more. */
  constructor(limits: CgroupLimits, counters: Counters, unused: (key: string) => void) {
    this.#limits = limits;
    this.#unused = unused;
    this.#evicted = counters.counter(
      "shrike_workloads_cgroups_evicted_total",
      "Cgroups forgotten before their time because the table was full",
    );
    this.#reused = counters.counter(
      "shrike_workloads_cgroup_ids_reused_total",
      "Cgroup ids that named another cgroup than before",
    );
    const gauge = (state: string, read: () => number) =>
      counters.gauge("shrike_workloads_cgroups", "Cgroups with a known workload", { state }, read);
    gauge("live", () => this.#all.size - this.#removed.size);
    gauge("removed", () => this.#removed.size);
    counters.gauge(
      "shrike_workloads_cgroups_capacity",
      "Cgroups held at most",
      {},
      () => limits.cgroupsMax,
    );
  }

  /** Cgroups held. */
  get size(): number {
    return this.#all.size;
  }

  /** The entry of that cgroup; undefined when it is unknown or belongs to an earlier cgroup. */
  find(cgroup: CgroupIdentity): CgroupEntry | undefined {
    const entry = this.#byHierarchy.get(cgroup.hierarchy)?.get(cgroup.id);
    if (entry === undefined || !isSame(entry.cgroup, cgroup)) return undefined;
    if (entry.cgroup.createdNs === 0n && cgroup.createdNs !== 0n) {
      entry.cgroup = { ...entry.cgroup, createdNs: cgroup.createdNs };
    }
    return entry;
  }

  /** Puts in an entry, in place of one with the same id. */
  put(entry: CgroupEntry): void {
    const { hierarchy, id, createdNs } = entry.cgroup;
    // First of all, so that the subject stays used when the older entry goes.
    if (entry.key !== undefined) {
      this.#byKey.set(entry.key, (this.#byKey.get(entry.key) ?? new Set()).add(entry));
    }
    const older = this.#byHierarchy.get(hierarchy)?.get(id);
    if (older !== undefined) {
      if (older.cgroup.createdNs !== createdNs) this.#reused.value += 1;
      this.#forget(older);
    }
    if (this.#all.size >= this.#limits.cgroupsMax) this.#evict();
    const ids = this.#byHierarchy.get(hierarchy) ?? new Map<bigint, CgroupEntry>();
    this.#byHierarchy.set(hierarchy, ids.set(id, entry));
    this.#all.add(entry);
  }

  /** Entries whose workload depends on that subject. */
  of(key: string): Iterable<CgroupEntry> {
    return this.#byKey.get(key) ?? [];
  }

  /** Whether any cgroup depends on that subject. */
  isUsed(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** All entries, oldest first. */
  entries(): Iterable<CgroupEntry> {
    return this.#all;
  }

  /** Notes that a cgroup is gone; does nothing when the id belongs to a later one by now. */
  remove(hierarchy: number, id: bigint, createdNs: bigint, nowMs: number): void {
    const entry = this.#byHierarchy.get(hierarchy)?.get(id);
    if (entry === undefined || entry.removedMs !== undefined) return;
    if (!isSameTime(entry.cgroup.createdNs, createdNs)) return;
    entry.removedMs = nowMs;
    this.#removed.add(entry);
  }

  /** Forgets cgroups whose delay is over. */
  sweep(nowMs: number): void {
    for (const entry of this.#removed) {
      if (entry.removedMs! + this.#limits.removalDelayMs > nowMs) return;
      this.#forget(entry);
    }
  }

  #evict(): void {
    const [victim] = this.#removed.size > 0 ? this.#removed : this.#all;
    if (victim === undefined) return;
    this.#evicted.value += 1;
    this.#forget(victim);
  }

  #forget(entry: CgroupEntry): void {
    const { hierarchy, id } = entry.cgroup;
    const ids = this.#byHierarchy.get(hierarchy);
    ids?.delete(id);
    if (ids?.size === 0) this.#byHierarchy.delete(hierarchy);
    this.#all.delete(entry);
    this.#removed.delete(entry);
    if (entry.key === undefined) return;
    const users = this.#byKey.get(entry.key);
    users?.delete(entry);
    if (users?.size !== 0) return;
    this.#byKey.delete(entry.key);
    this.#unused(entry.key);
  }
}

/** A path that was not known before does not make another cgroup; another path does. */
function isSame(known: CgroupIdentity, asked: CgroupIdentity): boolean {
  return isSameTime(known.createdNs, asked.createdNs) &&
    (asked.path === undefined || asked.path === known.path);
}

function isSameTime(a: bigint, b: bigint): boolean {
  return a === b || a === 0n || b === 0n;
}
