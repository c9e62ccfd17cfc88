import assert from "node:assert/strict";
import { CgroupController, CgroupSource } from "../wire/mod.ts";
import { CGROUP_CONTROLLERS, cgroupGlobals, cgroupSettings } from "./cgroup_globals.ts";

Deno.test("cgroupSettings() follows v2, a v1 controller, or nothing", () => {
  assert.deepEqual(cgroupSettings({ hierarchyId: 0 }), {
    cgroup_source: CgroupSource.CGROUP_SOURCE_V2,
  });
  assert.deepEqual(cgroupSettings({ hierarchyId: 4, controller: "memory" }), {
    cgroup_source: CgroupSource.CGROUP_SOURCE_V1,
    cgroup_hierarchy: 4,
    cgroup_controller: CgroupController.CGROUP_MEMORY,
  });
  const none = { cgroup_source: CgroupSource.CGROUP_SOURCE_NONE };
  assert.deepEqual(cgroupSettings(undefined), none);
  assert.deepEqual(cgroupSettings({ hierarchyId: 4, controller: "unheard_of" }), none);
});

Deno.test("cgroupGlobals() leaves to the object what the settings do not say", () => {
  assert.deepEqual(cgroupGlobals({ environment_variables: true }), {});
  assert.deepEqual(cgroupGlobals({ cgroup_source: 1, cgroup_hierarchy: 0, other: 3 }), {
    cgroup_source: 1,
    cgroup_hierarchy: 0,
  });
});

Deno.test("CGROUP_CONTROLLERS has the controllers by the names of /proc/cgroups", () => {
  for (
    const name of ["cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "pids"]
  ) {
    assert.ok(CGROUP_CONTROLLERS.has(name), name);
  }
  assert.equal(new Set(CGROUP_CONTROLLERS.values()).size, CGROUP_CONTROLLERS.size);
});
