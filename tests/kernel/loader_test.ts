/** The loader on the running kernel. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { openLibbpf } from "../../ffi/mod.ts";
import { LoadError, loadSensors, openPayload } from "../../src/loader/mod.ts";
import { type Sensor, SENSORS } from "../../src/sensors/mod.ts";
import { ProcessRecordKind } from "../../src/wire/mod.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload, runWorkload } from "../support/workload.ts";

const program = await buildWorkload();

/** Loads with the real payload; warnings are collected. */
function load(sensors: readonly Sensor[], warnings: string[] = []) {
  const payload = openPayload();
  const libbpf = openLibbpf(payload.libbpfPath());
  const log = {
    warn: (_: string, { message }: Record<string, unknown>) => void warnings.push(String(message)),
    debug: () => {},
  };
  try {
    const loaded = loadSensors({ libbpf, payload, sensors, settings: {}, log });
    return {
      loaded,
      [Symbol.dispose]() {
        loaded[Symbol.dispose]();
        libbpf[Symbol.dispose]();
      },
    };
  } catch (error) {
    libbpf[Symbol.dispose]();
    throw error;
  }
}

/** The process sensor with something changed. */
function processSensor(changes: Partial<Sensor>): Sensor {
  const sensor = SENSORS.find(({ name }) => name === "process");
  if (sensor === undefined) throw new Error("The process sensor is not registered");
  return { ...sensor, ...changes };
}

kernelTest({
  name: "loadSensors() counts records that have no ring, by kind and CPU",
  async run() {
    using loader = load([processSensor({})]);
    deepStrictEqual(loader.loaded.report.map(({ loaded }) => loaded), [true]);
    strictEqual(loader.loaded.readDrops(ProcessRecordKind.PROCESS_EXEC).length, 0);
    loader.loaded.attach();
    const result = await runWorkload(program, ["exit"]);
    strictEqual(result.code, 0);
    loader.loaded.detach();
    for (const kind of Object.values(ProcessRecordKind)) {
      const rows = loader.loaded.readDrops(kind);
      ok(rows.length > 0);
      for (const { counts, firstNs, lastNs } of rows) {
        const [full, noRing = 0, other, noScratch] = counts;
        ok(noRing > 0);
        deepStrictEqual([full, other, noScratch], [0, 0, 0]);
        ok(firstNs > 0n && firstNs <= lastNs);
      }
    }
  },
});

kernelTest({
  name: "loadSensors() leaves out a sensor whose hook is missing and says so",
  run() {
    const missing = processSensor({
      name: "process",
      programs: [{ name: "on_process_exec", hook: "tp_btf/no_such_hook", required: true }],
    });
    const warnings: string[] = [];
    using loader = load([missing, processSensor({})], warnings);
    deepStrictEqual(loader.loaded.report.map(({ loaded }) => loaded), [true, false]);
    const error = loader.loaded.report[1]?.error;
    strictEqual(error?.obstacle, "not_supported");
    strictEqual(error.feature, "tp_btf/no_such_hook");
    strictEqual(warnings.length, 1);
  },
});

kernelTest({
  name: "loadSensors() throws when no sensor is left",
  run() {
    throws(
      () => load([processSensor({ name: "unknown" })]),
      (error) => error instanceof LoadError && error.obstacle === "build_mismatch",
    );
  },
});

kernelTest({
  name: "loadSensors() shares the maps of records between objects",
  run() {
    using loader = load([processSensor({}), processSensor({})]);
    const [first, second] = loader.loaded.report;
    ok(first?.loaded && second?.loaded);
    using alone = load([processSensor({})]);
    // scratch and .rodata are each object's own; records and record_drops count once.
    ok(loader.loaded.mapMemorySize() < 2 * alone.loaded.mapMemorySize());
  },
});

kernelTest({
  name: "loadSensors() tells a user without rights what is missing",
  async run() {
    const script = `
      import { openLibbpf } from "${new URL("../../ffi/mod.ts", import.meta.url)}";
      import { loadSensors, openPayload } from "${new URL(
      "../../src/loader/mod.ts",
      import.meta.url,
    )}";
      import { SENSORS } from "${new URL("../../src/sensors/mod.ts", import.meta.url)}";
      const payload = openPayload();
      const libbpf = openLibbpf(payload.libbpfPath());
      const log = { warn() {}, debug() {} };
      try {
        loadSensors({ libbpf, payload, sensors: SENSORS, settings: {}, log });
      } catch (error) {
        console.log(JSON.stringify([error.obstacle, error.errnoName, error.hint !== ""]));
      }`;
    const directory = Deno.makeTempDirSync();
    try {
      Deno.chmodSync(directory, 0o755);
      Deno.chownSync(directory, 65534, 65534);
      const command = new Deno.Command(Deno.execPath(), {
        args: ["eval", "--quiet", "--no-config", "--ext=ts", script],
        clearEnv: true,
        env: { DENO_DIR: directory, HOME: directory, DENO_NO_UPDATE_CHECK: "1" },
        uid: 65534,
        gid: 65534,
        stdout: "piped",
      });
      const { stdout } = await command.output();
      deepStrictEqual(JSON.parse(new TextDecoder().decode(stdout)), [
        "not_permitted",
        "EPERM",
        true,
      ]);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
