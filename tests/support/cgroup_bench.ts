/**
 * All sensors in the kernel, following one cgroup hierarchy, with the kernel's map of cgroups.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import type { CgroupFact, KernelFact, ProcessExecuted } from "../../src/events/mod.ts";
import {
  CGROUP_COUNTS_MAP,
  CgroupMap,
  CGROUPS_MAP,
  type MapEntries,
} from "../../src/loader/mod.ts";
import { cgroupSettings, type SensorSettings } from "../../src/sensors/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { SensorRecorder } from "./expect_event.ts";
import { type TestHierarchy, v2Hierarchy } from "./test_cgroup.ts";

/** How a bench is set up. */
export interface CgroupBenchOptions {
  readonly controller?: string;
  readonly entries?: number;
  readonly settings?: SensorSettings;
  readonly network?: SensorSettings;
  readonly mapEntries?: MapEntries;
}

/** All sensors in the kernel, following one hierarchy. */
export class CgroupBench {
  readonly recorder: SensorRecorder;
  readonly map: CgroupMap;
  readonly counters = new Counters();

  /** A bench whose sensors other tests use, too; nobody else has it at the same time. */
  static shared(options: CgroupBenchOptions = {}): CgroupBench {
    return new CgroupBench(v2Hierarchy(), options, true);
  }

  constructor(
    readonly hierarchy: TestHierarchy = v2Hierarchy(),
    { controller, entries, settings = {}, network, mapEntries = {} }: CgroupBenchOptions = {},
    isShared = false,
  ) {
    const tracked = cgroupSettings({
      hierarchyId: hierarchy.hierarchyId,
      ...(controller !== undefined && { controller }),
    });
    const more = {
      cgroup: { ...tracked, ...settings },
      ...(network !== undefined && { network }),
      mapEntries: { ...mapEntries, ...(entries !== undefined && { [CGROUPS_MAP]: entries }) },
    };
    this.recorder = isShared ? SensorRecorder.shared({}, more) : new SensorRecorder({}, more);
    const map = this.recorder.sensors.sharedMap(CGROUPS_MAP);
    ok(map !== undefined);
    this.map = new CgroupMap({
      map,
      countsMap: this.recorder.sensors.sharedMap(CGROUP_COUNTS_MAP),
      hierarchy: hierarchy.hierarchyId,
      counters: this.counters,
    });
  }

  /** Waits for a fact, and gives all that was told so far. */
  async upTo(matches: (fact: KernelFact) => boolean): Promise<KernelFact[]> {
    await this.recorder.until(matches);
    return this.recorder.take();
  }

  [Symbol.dispose](): void {
    this.recorder[Symbol.dispose]();
  }
}

/** Picks facts of a type about a cgroup. */
export function isAbout(type: CgroupFact["type"], id: bigint): (fact: KernelFact) => boolean {
  return (fact) => fact.type === type && fact.cgroup.id === id;
}

/** Facts about these cgroups. */
export function cgroupFacts(facts: readonly KernelFact[], ids: readonly bigint[]): CgroupFact[] {
  return facts.filter((fact): fact is CgroupFact =>
    fact.type.startsWith("cgroup_") && ids.includes(fact.cgroup.id)
  );
}

/** Execs of a process. */
export function execsOf(facts: readonly KernelFact[], tgid: number): ProcessExecuted[] {
  return facts.filter((fact): fact is ProcessExecuted =>
    fact.type === "process_executed" && fact.tgid === tgid
  );
}
