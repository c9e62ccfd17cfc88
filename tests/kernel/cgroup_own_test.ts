/** The kernel's own view of where the agent is, by the program that the agent runs itself. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { openLibc } from "../../ffi/mod.ts";
import { HostFiles, readCgroupId } from "../../src/cgroups/mod.ts";
import { readOwnCgroup } from "../../src/loader/mod.ts";
import { CgroupBench } from "../support/cgroup_bench.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import {
  TestCgroup,
  type TestHierarchy,
  v1Hierarchy,
  v2Hierarchy,
} from "../support/test_cgroup.ts";

/** The path of this process in a hierarchy. */
function ownPath({ hierarchyId }: TestHierarchy): string {
  const own = Deno.readTextFileSync("/proc/self/cgroup");
  const path = new RegExp(`^${hierarchyId}:[^:]*:(.*)$`, "m").exec(own)?.[1];
  ok(path !== undefined, own);
  return path;
}

/** Mount point and own path of this process as `readCgroupId()` takes it. */
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
    // The namespace begins where its maker is.
    const script = `echo $$ >"$0/cgroup.procs" && exec unshare --cgroup --mount sh -c '
      mount -o remount,bind,ro "$0" && shift && exec "$@"' "$@"`;
    const deno = [Deno.execPath(), "eval", "--quiet", "--no-check", "--ext=ts", ASK];
    const args = ["-c", script, directory, mount, "-", ...deno, directory];
    const command = new Deno.Command("sh", { args, cwd: new URL("../..", import.meta.url) });
    const { success, stdout, stderr } = await command.output();
    const said = new TextDecoder().decode(stderr);
    if (/unshare: unshare failed|remount/.test(said)) {
      return skipLine("readOwnCgroup() in a namespace", said.trim());
    }
    ok(success, said);
    deepStrictEqual(JSON.parse(new TextDecoder().decode(stdout)), [
      ...[String(cgroup.id), cgroup.path, 3, "/", "EROFS"],
    ]);
  },
});
