/**
 * Which cgroup hierarchy the programs of all sensors follow: variables of
 * `bpf/include/cgroup.bpf.h`.
 *
 * @module
 */
import { CgroupController, CgroupSource } from "../wire/mod.ts";
import type { SensorGlobals, SensorSettings } from "./sensor.ts";

/** v1 controllers that programs can follow, by name: the number they are known by there. */
export const CGROUP_CONTROLLERS: ReadonlyMap<string, number> = new Map(
  Object.entries(CgroupController)
    .map(([name, number]) => [name.replace("CGROUP_", "").toLowerCase(), number]),
);

/** Where to find the cgroup of a task. */
export interface TrackedCgroups {
  /** As the kernel numbers it; 0 is v2. */
  readonly hierarchyId: number;
  /** Name of a v1 controller that is bound to it; missing for v2. */
  readonly controller?: string;
}

/** The part of every sensor's settings that says which hierarchy is followed; undefined: none. */
export function cgroupSettings(tracked: TrackedCgroups | undefined): SensorSettings {
  if (tracked === undefined) return { cgroup_source: CgroupSource.CGROUP_SOURCE_NONE };
  const { controller, hierarchyId } = tracked;
  if (controller === undefined) return { cgroup_source: CgroupSource.CGROUP_SOURCE_V2 };
  const number = CGROUP_CONTROLLERS.get(controller);
  if (number === undefined) return { cgroup_source: CgroupSource.CGROUP_SOURCE_NONE };
  return {
    cgroup_source: CgroupSource.CGROUP_SOURCE_V1,
    cgroup_hierarchy: hierarchyId,
    cgroup_controller: number,
  };
}

/** Values of the variables; what the settings do not say stays as the object has it: v2. */
export function cgroupGlobals(settings: SensorSettings): SensorGlobals {
  const globals: Record<string, number> = {};
  for (const name of ["cgroup_source", "cgroup_hierarchy", "cgroup_controller"]) {
    const value = settings[name];
    if (typeof value === "number") globals[name] = value;
  }
  return globals;
}
