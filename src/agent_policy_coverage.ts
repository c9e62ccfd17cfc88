/**
 * Which policies concern each cgroup: what the table of cgroups and the resolver of workloads say
 * becomes the set that the kernel has beside the cgroup.
 *
 * A new cgroup has the set of its parent from its first moment; when that is not the right one, the
 * time until it is right is measured.
 *
 * @module
 */
import type { AgentCgroups } from "./agent_cgroups.ts";
import type { CgroupPlace, Workload } from "./events/mod.ts";
import {
  type Policy,
  type PolicyMode,
  type PolicyTables,
  type SetCgroup,
  WorkloadSets,
} from "./policy/mod.ts";
import type { KnownCgroup } from "./state/mod.ts";
import type { Clock, Counter, Counters } from "./telemetry/mod.ts";

/** What the coverage works with. */
export interface PolicyCoverageParts {
  readonly cgroups: Pick<AgentCgroups, "table" | "observe" | "setPolicySet" | "policySets">;
  readonly workloadAt: (place: CgroupPlace) => Workload;
  /** Sets come and go in them. */
  readonly tables: () => Pick<PolicyTables, "addSet" | "removeSet">;
  readonly modeOf: (policy: Policy) => PolicyMode;
  /** Sets that the kernel has room for. */
  readonly setsMax: number;
  /** Something waits for `sets.settle()`. */
  readonly onWaiting: () => void;
  readonly clock: Clock;
  readonly counters: Counters;
}

/** Why a cgroup got another set than it had. */
type Cause =
  /** It was made, and its parent has another one. */
  | "made"
  /** More is known of its workload. */
  | "learned";

interface CauseCounts {
  readonly count: Counter;
  readonly seconds: Counter;
  longestSeconds: number;
}

const NS_PER_SECOND = 1e9;

/** Keeps the sets and the kernel's map in step with cgroups. */
export class PolicyCoverage {
  readonly sets: WorkloadSets;
  readonly #parts: PolicyCoverageParts;
  /** Cgroups by the one that names their workload, and the other way round. */
  readonly #tracked = new Map<bigint, Set<bigint>>();
  readonly #trackingIds = new Map<bigint, bigint>();
  /** Why the set of a cgroup is about to be looked at. */
  readonly #causes = new Map<bigint, Cause>();
  readonly #counts: Readonly<Record<Cause, CauseCounts>>;
  readonly #failures: Counter;

  constructor(parts: PolicyCoverageParts) {
    this.#parts = parts;
    const { counters, cgroups } = parts;
    this.sets = new WorkloadSets({
      addSet: (set) => parts.tables().addSet(set),
      removeSet: (set) => parts.tables().removeSet(set),
      assign: (cgroup, set) => this.#assign(cgroup, set),
      setsInKernel: () => cgroups.policySets(),
      modeOf: parts.modeOf,
      ...{ counters, setsMax: parts.setsMax },
    });
    this.#counts = {
      made: causeCounts(counters, "made"),
      learned: causeCounts(counters, "learned"),
    };
    this.#failures = counters.counter(
      "shrike_policy_cgroups_refused_total",
      "Cgroups whose set the kernel did not take, because its map has no such cgroup",
    );
    cgroups.observe((change, cgroup) => {
      if (change === "removed" || change === "forgotten") this.#forget(cgroup);
      else if (this.sets.isAsking) this.#tell(cgroup, change === "added" ? "made" : "learned");
    });
  }

  /** Tells the sets of all cgroups; before the first policy that asks for workloads. */
  begin(): void {
    for (const cgroup of this.#parts.cgroups.table?.entries() ?? []) {
      if (cgroup.state !== "removed") this.sets.enter(this.#describe(cgroup));
    }
  }

  /** More is known of a workload. */
  amend(trackingId: bigint): void {
    if (!this.sets.isAsking) return;
    const { table } = this.#parts.cgroups;
    for (const id of this.#tracked.get(trackingId) ?? []) {
      const cgroup = table?.find(id);
      if (cgroup !== undefined) this.#tell(cgroup, "learned");
    }
  }

  /** Whether there are cgroups that can be told apart. */
  get hasCgroups(): boolean {
    return this.#parts.cgroups.table !== undefined;
  }

  /** Every cgroup with its workload, for plans. */
  *subjects(): Generator<SetCgroup["subject"]> {
    for (const cgroup of this.#parts.cgroups.table?.entries() ?? []) {
      if (cgroup.state !== "removed") yield this.#subjectOf(cgroup);
    }
  }

  #tell(cgroup: KnownCgroup, cause: Cause): void {
    if (cgroup.state === "removed") return;
    const described = this.#describe(cgroup);
    // Without a parent that is known, the kernel has none to take a set from either.
    const inherited = this.sets.numberOf(cgroup.parentId) ?? 0;
    const isInherited = cause === "made" && inherited === this.sets.wouldBe(described);
    if (!isInherited && cgroup.createdNs > 0n) this.#causes.set(cgroup.id, cause);
    const result = this.sets.update(described);
    if (result === "waiting") this.#parts.onWaiting();
    else this.#causes.delete(cgroup.id);
  }

  #describe(cgroup: KnownCgroup): SetCgroup {
    const { id, createdNs, trackingId } = cgroup;
    if (this.#trackingIds.get(id) !== trackingId) {
      this.#untrack(id);
      this.#trackingIds.set(id, trackingId);
      const ids = this.#tracked.get(trackingId);
      if (ids === undefined) this.#tracked.set(trackingId, new Set([id]));
      else ids.add(id);
    }
    return { id, createdNs, subject: this.#subjectOf(cgroup) };
  }

  #subjectOf({ place, path }: KnownCgroup): SetCgroup["subject"] {
    return { workload: this.#parts.workloadAt(place), path };
  }

  #forget({ id }: KnownCgroup): void {
    this.sets.forget(id);
    this.#causes.delete(id);
    this.#untrack(id);
  }

  #untrack(id: bigint): void {
    const trackingId = this.#trackingIds.get(id);
    if (trackingId === undefined) return;
    this.#trackingIds.delete(id);
    const ids = this.#tracked.get(trackingId)!;
    ids.delete(id);
    if (ids.size === 0) this.#tracked.delete(trackingId);
  }

  #assign({ id, createdNs }: SetCgroup, set: number): void {
    const { cgroups, clock } = this.#parts;
    if (!cgroups.setPolicySet(id, createdNs, set)) this.#failures.value += 1;
    const cause = this.#causes.get(id);
    this.#causes.delete(id);
    if (cause === undefined) return;
    const counts = this.#counts[cause];
    const seconds = Number(clock.monotonicNs() - createdNs) / NS_PER_SECOND;
    counts.count.value += 1;
    counts.seconds.value += seconds;
    counts.longestSeconds = Math.max(counts.longestSeconds, seconds);
  }
}

function causeCounts(counters: Counters, cause: Cause): CauseCounts {
  const counts: CauseCounts = {
    count: counters.counter(
      "shrike_policy_uncovered_total",
      "Cgroups that had other policies than they should for a time after they were made",
      { cause },
    ),
    seconds: counters.counter(
      "shrike_policy_uncovered_seconds_total",
      "How long that was, all together",
      { cause },
    ),
    longestSeconds: 0,
  };
  counters.gauge(
    "shrike_policy_uncovered_longest_seconds",
    "How long that was at most",
    { cause },
    () => counts.longestSeconds,
  );
  return counts;
}
