/** The kernel's own view of where the agent is, by the program that the agent runs itself. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { openLibc } from "../../ffi/mod.ts";
import { HostFiles, readCgroupId } from "../../src/cgroups/mod.ts";
import { readOwnCgroup } from "../../src/loader/mod.ts";
import { CgroupBench } from "../support/cgroup_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import {
  TestCgroup,
  type TestHierarchy,
  v1Hierarchy,
  v2Hierarchy,
} from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

/** The path of this process in a hierarchy. */
function ownPath({ hierarchyId }: TestHierarchy): string {
  const own = Deno.readTextFileSync("/proc/self/cgroup");
  const path = new RegExp(`^${hierarchyId}:[^:]*:(.*)$`, "m").exec(own)?.[1];
  ok(path !== undefined, own);
  return path;
}

/** Id of the cgroup at a path, as user space reads it. */
function idAt(path: string): bigint | undefined {
  using libc = openLibc();
  return readCgroupId(new HostFiles(), path, libc).id;
}

/** Every hierarchy here that the programs can follow. */
function hierarchies(): { readonly hierarchy: TestHierarchy; readonly controller?: string }[] {
  const v1 = ["memory", "pids", "devices"].flatMap((controller) => {
    const hierarchy = v1Hierarchy(controller);
    return hierarchy === undefined ? [] : [{ hierarchy, controller }];
  });
  return [{ hierarchy: v2Hierarchy() }, ...v1];
}

kernelTest({
  name: "readOwnCgroup() gives id, level, path and hierarchy as user space reads them",
  run() {
    for (const { hierarchy, controller } of hierarchies()) {
      using bench = new CgroupBench(hierarchy, controller === undefined ? {} : { controller });
      const own = readOwnCgroup(bench.recorder.sensors);
      const path = ownPath(hierarchy);
      ok(own !== undefined);
      strictEqual(own.id, idAt(hierarchy.path + path));
      strictEqual(own.path, path);
      strictEqual(own.level, path.split("/").filter((name) => name !== "").length);
      strictEqual(own.hierarchyId, hierarchy.hierarchyId);
      strictEqual(own.tgid, Deno.pid);
    }
  },
});

kernelTest({
  name: "readOwnCgroup() gives id 0 when the controller is not of the chosen hierarchy",
  run() {
    using bench = new CgroupBench({ ...v2Hierarchy(), hierarchyId: 99 }, { controller: "pids" });
    strictEqual(readOwnCgroup(bench.recorder.sensors)?.id, 0n);
  },
});

/** What a process of its own says of itself; the tests' own must not be moved about. */
const ASK = `
  import { openLibbpf } from "${new URL("../../ffi/mod.ts", import.meta.url)}";
  import { loadSensors, openPayload, readOwnCgroup } from "${new URL(
  "../../src/loader/mod.ts",
  import.meta.url,
)}";
  import { SENSORS } from "${new URL("../../src/sensors/mod.ts", import.meta.url)}";
  const payload = openPayload();
  using libbpf = openLibbpf(payload.libbpfPath());
  const log = { warn() {}, debug() {} };
  using sensors = loadSensors({ libbpf, payload, sensors: SENSORS, settings: {}, log });
  const { id, path, level } = readOwnCgroup(sensors);
  const procs = Deno.args[0] + "/cgroup.procs";
  let written = "written";
  try {
    Deno.writeTextFileSync(procs, "0");
  } catch (error) {
    written = error.code;
  }
  const shown = /^0::(.*)$/m.exec(Deno.readTextFileSync("/proc/self/cgroup"))?.[1];
  console.log(JSON.stringify([String(id), path, level, shown, written]));`;

kernelTest({
  name: "readOwnCgroup() sees through a cgroup namespace, where cgroupfs is read-only too",
  async run() {
    using outer = new TestCgroup(v2Hierarchy());
    using cgroup = outer.make("box.scope").make("inner");
    const { directory, hierarchy: { path: mount } } = cgroup;
    const cache = Deno.makeTempDirSync();
    try {
      const deno = [Deno.execPath(), "eval", "--quiet", "--no-check", "--ext=ts", ASK, directory];
      const shell = ["/bin/sh", "sh", "-c", 'DENO_DIR="$0" exec "$@"', cache];
      const run = await cgroup.run(program, ["cgroup-namespace", mount, ...shell, ...deno]);
      strictEqual(run.code, 0);
      deepStrictEqual(JSON.parse(run.output), [
        ...[String(cgroup.id), cgroup.path, 3, "/", "EROFS"],
      ]);
    } finally {
      Deno.removeSync(cache, { recursive: true });
    }
  },
});
