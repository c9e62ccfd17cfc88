/**
 * What the cgroup table counts.
 *
 * @module
 */
import type { Counter, Counters } from "../telemetry/mod.ts";
import type { CgroupEntry, CgroupState } from "./cgroup_entry.ts";

/** How a look-up ended. */
export type LookupResult =
  | "found"
  /** Only the kernel's table knew it. */
  | "recalled"
  /** It was the root's first: nothing but its level was needed. */
  | "root"
  | "unknown"
  /** The table has a later cgroup with that id. */
  | "reused_id"
  | "zero_id"
  | "other_hierarchy";

/** Counters and gauges of one table. */
export class CgroupCounts {
  readonly lookups: Readonly<Record<LookupResult, Counter>>;
  readonly ignored: Counter;
  readonly tooDeep: Counter;
  readonly overShare: Counter;
  readonly idReuse: Counter;
  readonly sweepFinds: Counter;
  readonly full: Counter;
  readonly evictions: Counter;

  constructor(
    counters: Counters,
    capacity: number,
    entries: () => ReadonlyMap<bigint, CgroupEntry>,
  ) {
    const counter = (name: string, help: string) => counters.counter(name, help);
    const lookup = (result: LookupResult) =>
      counters.counter(
        "shrike_cgroup_lookups_total",
        "Look-ups of the cgroup of a process record, by how they ended",
        { result },
      );
    this.lookups = {
      found: lookup("found"),
      recalled: lookup("recalled"),
      root: lookup("root"),
      unknown: lookup("unknown"),
      reused_id: lookup("reused_id"),
      zero_id: lookup("zero_id"),
      other_hierarchy: lookup("other_hierarchy"),
    };
    this.ignored = counter(
      "shrike_cgroup_facts_ignored_total",
      "Facts about cgroups of other hierarchies",
    );
    this.tooDeep = counter(
      "shrike_cgroup_too_deep_total",
      "Cgroups made deeper than the kernel's table goes",
    );
    this.overShare = counter(
      "shrike_cgroup_over_share_total",
      "Cgroups whose maker or workload had its share of the tables; an ancestor stands for them",
    );
    this.idReuse = counter(
      "shrike_cgroup_id_reuse_total",
      "Cgroups whose id an earlier one in the table had",
    );
    this.sweepFinds = counter(
      "shrike_cgroup_sweep_finds_total",
      "Removals that no record had told",
    );
    this.full = counter(
      "shrike_cgroup_table_full_total",
      "Cgroups that found no room in the table",
    );
    this.evictions = counter(
      "shrike_cgroup_table_evictions_total",
      "Removed cgroups given up before their time",
    );
    const gauge = (name: string, help: string, read: () => number) =>
      counters.gauge(name, help, {}, read);
    gauge("shrike_cgroup_table_entries", "Cgroups in the table", () => entries().size);
    gauge("shrike_cgroup_table_capacity", "Cgroups the table holds at most", () => capacity);
    for (const state of ["new", "running", "removed"] as const) {
      counters.gauge(
        "shrike_cgroup_table_cgroups",
        "Cgroups in the table by state",
        { state },
        () => countState(entries().values(), state),
      );
    }
  }
}

function countState(entries: Iterable<CgroupEntry>, state: CgroupState): number {
  let count = 0;
  for (const entry of entries) if (entry.state === state) count += 1;
  return count;
}
