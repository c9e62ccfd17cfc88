/**
 * Traffic by workload, in numbers that never go back.
 *
 * The kernel counts by cgroup. Each look adds what a row has grown by to whoever the cgroup belongs
 * to then; what a workload had goes to `ended` with its last cgroup. So all rows together always
 * say what has been counted, whatever happens to cgroups, their ids and the names of workloads.
 *
 * @module
 */
import type { TrafficCount, Workload } from "../events/mod.ts";
import type { Clock, Counter, Counters } from "../telemetry/mod.ts";
import { type NetworkKernel, OTHER_ROW, type TrafficRow } from "./network_kernel.ts";
import type { WorkloadTraffic } from "./network_service.ts";
import { TrafficTally } from "./traffic_tally.ts";

/** Whose a cgroup is, as of now. */
export interface CgroupOwner {
  /** With the id a name for ever; 0 when it was there before the agent. */
  readonly createdNs: bigint;
  readonly workload: Workload;
}

/** What totals are made from. */
export interface TrafficTotalsParts {
  readonly kernel: Pick<NetworkKernel, "readTraffic" | "takeTraffic">;
  /** Undefined: no such cgroup is known. */
  readonly ownerOf: (trackingId: bigint) => CgroupOwner | undefined;
  readonly clock: Clock;
  readonly counters: Counters;
  /** Workloads at most; as many as there can be cgroups. */
  readonly workloadsMax: number;
}

/** Rows whose cgroup nobody knows are given up after that long: it may be about to be told. */
const UNKNOWN_MAX_NS = 60_000_000_000n;
/** Cgroups whose programs are remembered between two looks; a number each. */
const EXEC_CGROUPS_MAX = 65_536;
const NO_COUNTS: readonly TrafficCount[] = [];

/** A workload with the cgroups that name it: of the host's there are many. */
interface Group {
  key: string;
  workload: Workload;
  readonly tally: TrafficTally;
  readonly ids: Set<bigint>;
}

/** What is known of a row of the kernel. */
interface Seat {
  /** As it was at the last look. */
  counts: readonly TrafficCount[];
  openCount: number;
  createdNs: bigint;
  /** Undefined: not known whose, or there was no room. */
  group: Group | undefined;
  isFolded: boolean;
  /** CLOCK_MONOTONIC ns since when it is not known whose it is. */
  unknownSinceNs: bigint | undefined;
}

/** All totals. Single-threaded; a look costs some microseconds per 10 cgroups. */
export class TrafficTotals {
  readonly #parts: TrafficTotalsParts;
  readonly #seats = new Map<bigint, Seat>();
  readonly #groups = new Map<string, Group>();
  readonly #ended = new TrafficTally();
  readonly #unknown = new TrafficTally();
  readonly #other = new TrafficTally();
  /** Programs started since the last look, by tracking id. */
  readonly #execs = new Map<bigint, number>();
  readonly #folded: Counter;
  readonly #restarted: Counter;
  readonly #execsFolded: Counter;

  constructor(parts: TrafficTotalsParts) {
    this.#parts = parts;
    const { counters } = parts;
    this.#folded = counters.counter(
      "shrike_network_workloads_folded_total",
      "Workloads that are counted as `other` because there was no room for them",
    );
    this.#restarted = counters.counter(
      "shrike_network_rows_restarted_total",
      "Rows of traffic that had less than before; they are counted from 0 on",
    );
    this.#execsFolded = counters.counter(
      "shrike_network_execs_folded_total",
      "Programs started that are counted as `other`: too many cgroups between two looks",
    );
    counters.gauge(
      "shrike_network_workloads",
      "Workloads whose traffic is kept apart",
      {},
      () => this.#groups.size,
    );
  }

  /** A program was started in a cgroup. */
  noteExec(trackingId: bigint): void {
    const count = this.#execs.get(trackingId);
    if (count === undefined && this.#execs.size >= EXEC_CGROUPS_MAX) {
      this.#execsFolded.value += 1;
      this.#other.execs += 1;
    } else this.#execs.set(trackingId, (count ?? 0) + 1);
  }

  /** Looks at the kernel's rows, and gives up those that have no owner for long. */
  look(): void {
    const nowNs = this.#parts.clock.monotonicNs();
    for (const row of this.#parts.kernel.readTraffic()) this.#add(row);
    for (const [id, count] of this.#execs) this.#tallyOf(id).execs += count;
    this.#execs.clear();
    for (const [id, seat] of this.#seats) {
      if (seat.group !== undefined || seat.isFolded || isSum(id)) continue;
      seat.unknownSinceNs ??= nowNs;
      if (nowNs - seat.unknownSinceNs > UNKNOWN_MAX_NS) this.forget(id);
    }
  }

  /** A cgroup is gone for good: its id may be another's from now on. */
  forget(trackingId: bigint): void {
    const seat = this.#seats.get(trackingId);
    // Of one that came and went between two looks nobody has seen whose it was.
    const tally = seat === undefined ? this.#ended : this.#homeOf(seat);
    const row = this.#parts.kernel.takeTraffic(trackingId);
    if (row !== undefined) this.#grow(tally, row.counts, seat?.counts ?? NO_COUNTS);
    tally.execs += this.#execs.get(trackingId) ?? 0;
    this.#execs.delete(trackingId);
    if (seat === undefined) return;
    this.#leave(seat, trackingId);
    this.#seats.delete(trackingId);
  }

  /**
   * Workloads, then `ended`, `unknown` and `other`, as of the last look.
   *
   * @param withConnections false: nobody counts them
   */
  rows(withConnections = true): WorkloadTraffic[] {
    const workloads = Array.from(this.#groups.values(), ({ key, workload, tally, ids }) => ({
      ...{ owner: "workload" as const, key, workload },
      ...{ counts: tally.counts(), execs: tally.execs },
      ...(withConnections && { connections: this.#openOf(ids) }),
    }));
    const sum = (owner: "ended" | "unknown" | "other", tally: TrafficTally) => ({
      ...{ owner, key: owner, counts: tally.counts(), execs: tally.execs },
    });
    return [
      ...workloads,
      sum("ended", this.#ended),
      sum("unknown", this.#unknown),
      sum("other", this.#other),
    ];
  }

  #openOf(ids: Iterable<bigint>): number {
    let sum = 0;
    for (const id of ids) sum += this.#seats.get(id)?.openCount ?? 0;
    return sum;
  }

  #add({ trackingId, counts, openCount }: TrafficRow): void {
    const tally = this.#tallyOf(trackingId);
    const seat = this.#seats.get(trackingId)!;
    this.#grow(tally, counts, seat.counts);
    seat.counts = counts;
    seat.openCount = openCount;
  }

  #grow(
    tally: TrafficTally,
    counts: readonly TrafficCount[],
    before: readonly TrafficCount[],
  ): void {
    if (tally.addGrowth(counts, before)) this.#restarted.value += 1;
  }

  /** Where what belongs to a cgroup is added up as of now. */
  #tallyOf(trackingId: bigint): TrafficTally {
    const owner = isSum(trackingId) ? undefined : this.#parts.ownerOf(trackingId);
    const seat = this.#seatOf(trackingId);
    if (trackingId === OTHER_ROW) return this.#other;
    if (owner === undefined) {
      this.#leave(seat, trackingId);
      seat.isFolded = false;
      return this.#unknown;
    }
    seat.unknownSinceNs = undefined;
    const key = workloadKey(owner.workload);
    if (seat.group?.key !== key) this.#move(seat, trackingId, key, owner);
    seat.createdNs = owner.createdNs;
    if (seat.group !== undefined) seat.group.workload = owner.workload;
    return this.#homeOf(seat);
  }

  #homeOf({ group, isFolded }: Seat): TrafficTally {
    return group?.tally ?? (isFolded ? this.#other : this.#unknown);
  }

  #seatOf(trackingId: bigint): Seat {
    let seat = this.#seats.get(trackingId);
    if (seat === undefined) {
      const nobody = { group: undefined, isFolded: false, unknownSinceNs: undefined };
      seat = { counts: NO_COUNTS, openCount: 0, createdNs: 0n, ...nobody };
      this.#seats.set(trackingId, seat);
    }
    return seat;
  }

  #move(seat: Seat, id: bigint, key: string, owner: CgroupOwner): void {
    const { group } = seat;
    const isSameCgroup = seat.createdNs === owner.createdNs || seat.createdNs === 0n;
    if (group?.ids.size === 1 && isSameCgroup && !this.#groups.has(key)) {
      // The same workload under another name, such as a container whose scope was renamed.
      this.#groups.delete(group.key);
      group.key = key;
      this.#groups.set(key, group);
      return;
    }
    this.#leave(seat, id);
    const joined = this.#groups.get(key) ?? this.#makeGroup(key, owner.workload);
    joined?.ids.add(id);
    if (joined === undefined && !seat.isFolded) this.#folded.value += 1;
    seat.group = joined;
    seat.isFolded = joined === undefined;
  }

  #makeGroup(key: string, workload: Workload): Group | undefined {
    if (this.#groups.size >= this.#parts.workloadsMax) return undefined;
    const group = { key, workload, tally: new TrafficTally(), ids: new Set<bigint>() };
    this.#groups.set(key, group);
    return group;
  }

  /** With its last cgroup a workload has ended. */
  #leave(seat: Seat, id: bigint): void {
    const { group } = seat;
    seat.group = undefined;
    if (group === undefined) return;
    group.ids.delete(id);
    if (group.ids.size > 0) return;
    this.#groups.delete(group.key);
    this.#ended.addTally(group.tally);
  }
}

/** The same text for the same workload, whatever its names. */
export function workloadKey({ kind, id }: Workload): string {
  return `${kind}:${id}`;
}

function isSum(trackingId: bigint): boolean {
  return trackingId === 0n || trackingId === OTHER_ROW;
}
