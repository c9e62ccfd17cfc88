import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { Errno, Libbpf } from "../../ffi/mod.ts";
import { FAILING_SYMBOLS, FakeLibbpf } from "../../tests/support/fake_libbpf.ts";
import type { Sensor, SensorProgram } from "../sensors/sensor.ts";
import { LAYOUT_HASH } from "../wire/mod.ts";
import { LoadError } from "./load_error.ts";
import { type LoaderSystem, loadSensors } from "./load_sensors.ts";

const ON_EXEC: SensorProgram = { name: "on_exec", hook: "tp_btf/exec", required: true };
const ON_EXIT: SensorProgram = { name: "on_exit", hook: "tp_btf/exit", required: true };

/** A sensor of the object that the fake has. */
function sensor(changes: Partial<Sensor> = {}): Sensor {
  return {
    name: "fake",
    requires: ["btf"],
    programs: [ON_EXEC, ON_EXIT],
    decoders: [],
    globals: () => ({ flag: true }),
    ...changes,
  };
}

function payload() {
  const globals = { flag: { section: ".rodata", offset: 0, size: 1 } };
  const objects = { fake: { file: "fake.bpf.o", globals }, other: { file: "o.bpf.o", globals } };
  const manifest = new TextEncoder().encode(JSON.stringify({ layoutHash: LAYOUT_HASH, objects }));
  return { read: (name: string) => name.endsWith(".json") ? manifest : new Uint8Array(8) };
}

const SYSTEM: LoaderSystem = {
  features: { has: () => true, missingHooks: () => [] },
  release: "6.18.0",
  possibleCpus: [0, 1],
  check: () => {},
  openCgroupRoot: () => ({ fd: 9, [Symbol.dispose]: () => {} }),
};

interface Bench {
  readonly fake: FakeLibbpf;
  readonly warnings: string[];
  load(sensors?: readonly Sensor[], system?: Partial<LoaderSystem>): ReturnType<typeof loadSensors>;
}

function bench(): Bench & Disposable {
  const fake = new FakeLibbpf();
  const libbpf = new Libbpf(fake.parts, "fake");
  const warnings: string[] = [];
  const log = {
    warn: (_: string, { message }: Record<string, unknown>) => void warnings.push(String(message)),
    debug: () => {},
  };
  return {
    fake,
    warnings,
    load: (sensors = [sensor()], system = {}) =>
      loadSensors({
        libbpf,
        payload: payload(),
        sensors,
        settings: {},
        log,
        system: { ...SYSTEM, ...system },
      }),
    [Symbol.dispose]: () => libbpf[Symbol.dispose](),
  };
}

/** The LoadError that `run` throws. */
function loadError(run: () => unknown): LoadError {
  try {
    run();
  } catch (error) {
    if (error instanceof LoadError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

Deno.test("loadSensors() loads, attaches and frees", () => {
  using test = bench();
  const loaded = test.load();
  deepStrictEqual(loaded.report, [
    { sensor: "fake", loaded: true, programs: ["on_exec", "on_exit"], leftOut: [] },
  ]);
  loaded.attach();
  deepStrictEqual(test.fake.open, ["library", "object", "link", "link"]);
  loaded.detach();
  loaded.detach();
  deepStrictEqual(test.fake.open, ["library", "object"]);
  loaded[Symbol.dispose]();
  loaded[Symbol.dispose]();
  deepStrictEqual(test.fake.open, ["library"]);
});

Deno.test("loadSensors() leaves nothing open whichever call fails", () => {
  const calls = bench();
  const whole = calls.load();
  whole.attach();
  whole[Symbol.dispose]();
  const used = new Set(calls.fake.calls);
  calls[Symbol.dispose]();
  let failed = 0;
  for (const symbol of FAILING_SYMBOLS.filter((name) => used.has(name))) {
    for (const time of [1, 2]) {
      using test = bench();
      test.fake.failing = { symbol, time, errno: Errno.ENOMEM };
      try {
        using loaded = test.load();
        loaded.attach();
      } catch (error) {
        ok(error instanceof LoadError, `${symbol}: ${error}`);
        const isSearch = ["bpf_object__find_map_by_name", "bpf_map__initial_value"].includes(
          symbol,
        );
        strictEqual(error.obstacle, isSearch ? "build_mismatch" : "no_memory", symbol);
        failed++;
      }
      deepStrictEqual(test.fake.open, ["library"], `${symbol}, time ${time}`);
    }
  }
  ok(failed >= 6, `only ${failed} failures were seen`);
});

Deno.test("LoadedSensors.attach() goes on without an optional sensor", () => {
  using test = bench();
  using loaded = test.load([sensor({ name: "other" }), sensor({ isOptional: true })]);
  // Its second program: what the first has attached must go too.
  test.fake.failing = { symbol: "bpf_program__attach", time: 4, errno: Errno.ENOMEM };
  loaded.attach();
  deepStrictEqual(loaded.report.map(({ leftOut }) => leftOut.map(({ program }) => program)), [
    [],
    ["on_exit"],
  ]);
  deepStrictEqual(test.fake.open, ["library", "object", "object", "link", "link"]);
});

Deno.test("loadSensors() throws when only an optional sensor is left", () => {
  using test = bench();
  const sensors = [sensor({ isOptional: true }), sensor({ name: "unknown" })];
  const error = loadError(() => test.load(sensors));
  strictEqual(error.object, 'sensor "unknown"');
  deepStrictEqual(test.fake.open, ["library"]);
});

Deno.test("loadSensors() names the obstacle by errno", () => {
  for (
    const [errno, obstacle] of [
      [Errno.EPERM, "not_permitted"],
      [Errno.EACCES, "not_permitted"],
      [Errno.ESRCH, "not_supported"],
      [Errno.ENOENT, "not_supported"],
      [Errno.ENOMEM, "no_memory"],
      [Errno.EBUSY, "other"],
    ] as const
  ) {
    using test = bench();
    test.fake.failing = { symbol: "bpf_object__load", time: 1, errno };
    const error = loadError(() => test.load());
    strictEqual(error.obstacle, obstacle);
    ok(error.hint !== "");
    ok(error.cause !== undefined);
  }
});

Deno.test("loadSensors() gives the verifier's verdict, not its log", () => {
  using test = bench();
  test.fake.failing = { symbol: "bpf_object__load", time: 1, errno: Errno.EACCES };
  test.fake.verifierLog =
    "0: (b7) r1 = 0\nR1 invalid mem access\nprocessed 2 insns (limit 1000000)\n";
  const error = loadError(() => test.load());
  strictEqual(error.obstacle, "refused");
  ok(error.message.endsWith(": R1 invalid mem access"), error.message);
  strictEqual(error.errnoName, undefined);
  // Not an errno of rights: the kernel would take another program.
  strictEqual(error.feature?.startsWith("program "), true);
});

Deno.test("loadSensors() runs the other sensors when one is refused", () => {
  using test = bench();
  const features = {
    has: () => true,
    missingHooks: (hooks: readonly string[]) => hooks.filter((hook) => hook === "tp_btf/none"),
  };
  const bad = sensor({
    name: "other",
    programs: [{ ...ON_EXEC, hook: "tp_btf/none" }],
  });
  using loaded = test.load([bad, sensor()], { features });
  deepStrictEqual(loaded.report.map(({ sensor, loaded }) => [sensor, loaded]), [
    ["fake", true],
    ["other", false],
  ]);
  strictEqual(loaded.report[1]?.reason, "the kernel has no hook tp_btf/none");
  strictEqual(loaded.report[1]?.error?.feature, "tp_btf/none");
  strictEqual(test.warnings.length, 1);
});

Deno.test("loadSensors() leaves out an optional program that the verifier refuses", () => {
  using test = bench();
  // The fake writes its log for the last program that was given a buffer.
  test.fake.verifierLog = "bad\nprocessed 1 insns";
  const programs = [ON_EXEC, { ...ON_EXIT, required: false }];
  test.fake.failing = { symbol: "bpf_object__load", time: 1, errno: Errno.EINVAL };
  // It fails as long as it is told to, so the second try fails as well; it must have been made.
  throws(() => test.load([sensor({ programs })]), LoadError);
  const tries = test.fake.calls.filter((call) => call === "bpf_object__open_mem").length;
  ok(tries >= 2, `${tries} tries`);
  ok(test.fake.calls.includes("bpf_program__set_autoload"));
  deepStrictEqual(test.fake.open, ["library"]);
});

Deno.test("loadSensors() loads programs only on kernels that need them", () => {
  for (const [release, switchedOff] of [["6.19.2", 1], ["7.0.0", 0], ["7.2.13", 0]] as const) {
    using test = bench();
    const spare: SensorProgram = { ...ON_EXIT, since: [7, 0], spareOf: "on_exec" };
    using _loaded = test.load([sensor({ programs: [ON_EXEC, spare] })], { release });
    const calls = test.fake.calls.filter((call) => call === "bpf_program__set_autoload");
    strictEqual(calls.length, switchedOff, release);
  }
});

Deno.test("loadSensors() refuses what the system, the kernel or the build does not have", () => {
  using test = bench();
  const check = () => {
    throw new LoadError("BPF programs", "no", { obstacle: "lockdown", hint: "boot otherwise" });
  };
  strictEqual(loadError(() => test.load([sensor()], { check })).obstacle, "lockdown");
  const features = { has: () => false, missingHooks: () => [] };
  const lacking = loadError(() => test.load([sensor()], { features }));
  deepStrictEqual([lacking.obstacle, lacking.feature], ["not_supported", "btf"]);
  const unknown = loadError(() => test.load([sensor({ name: "unknown" })]));
  strictEqual(unknown.obstacle, "build_mismatch");
  const global = loadError(() => test.load([sensor({ globals: () => ({ no_such: 1 }) })]));
  strictEqual(global.obstacle, "build_mismatch");
  loadError(() => test.load([]));
  deepStrictEqual(test.fake.open, ["library"]);
});

Deno.test("loadSensors() leaves out optional programs for hooks that the kernel lacks", () => {
  using test = bench();
  const features = {
    has: () => true,
    missingHooks: (hooks: readonly string[]) => hooks.filter((hook) => hook === "tp_btf/exit"),
  };
  const programs = [ON_EXEC, { ...ON_EXIT, required: false }];
  using loaded = test.load([sensor({ programs })], { features });
  deepStrictEqual(loaded.report[0]?.leftOut, [
    { program: "on_exit", reason: "the kernel has no hook tp_btf/exit" },
  ]);
  strictEqual(test.fake.calls.filter((call) => call === "bpf_object__load").length, 1);
});

Deno.test("loadSensors() tries without trampolines when the kernel does not say what it lacks", () => {
  using test = bench();
  const programs = [ON_EXEC, { ...ON_EXIT, hook: "fexit/accept", required: false }];
  test.fake.failing = { symbol: "bpf_object__load", time: 1, errno: Errno.EPERM };
  // As above: the second try fails as well.
  throws(() => test.load([sensor({ programs })]), LoadError);
  strictEqual(test.fake.calls.filter((call) => call === "bpf_object__load").length, 2);
  using other = bench();
  other.fake.failing = { symbol: "bpf_object__load", time: 1, errno: Errno.EPERM };
  throws(() => other.load([sensor({ programs: [ON_EXEC, ON_EXIT] })]), LoadError);
  strictEqual(other.fake.calls.filter((call) => call === "bpf_object__load").length, 1);
});

Deno.test("loadSensors() does not load what newer kernels do not need", () => {
  for (const [release, switchedOff] of [["6.2.9", 0], ["6.3.0", 1]] as const) {
    using test = bench();
    const old: SensorProgram = { ...ON_EXIT, before: [6, 3] };
    using _loaded = test.load([sensor({ programs: [ON_EXEC, old] })], { release });
    const calls = test.fake.calls.filter((call) => call === "bpf_program__set_autoload");
    strictEqual(calls.length, switchedOff, release);
  }
});

Deno.test("LoadedSensors.attach() attaches to the root of cgroups, which it closes again", () => {
  const closed: number[] = [];
  let fd = 9;
  const openCgroupRoot = () => {
    const own = fd++;
    return { fd: own, [Symbol.dispose]: () => void closed.push(own) };
  };
  using test = bench();
  const programs = [{ ...ON_EXEC, attachTo: "cgroup_root" as const }, {
    ...ON_EXIT,
    attachTo: "cgroup_root" as const,
  }];
  using loaded = test.load([sensor({ programs })], { openCgroupRoot });
  loaded.attach();
  strictEqual(test.fake.calls.filter((call) => call === "bpf_program__attach_cgroup").length, 2);
  deepStrictEqual(closed, [9]);
  deepStrictEqual([loaded.isAttached("on_exec"), loaded.isAttached("other")], [true, false]);
  loaded.detach();
  strictEqual(loaded.isAttached("on_exec"), false);
});

Deno.test("LoadedSensors.attach() goes on without a sensor that finds no root of cgroups", () => {
  using test = bench();
  const lacking = (): never => {
    throw new LoadError("programs of cgroups", "no root", { obstacle: "other", hint: "" });
  };
  const programs = [{ ...ON_EXEC, attachTo: "cgroup_root" as const }];
  const sensors = [sensor({ name: "other" }), sensor({ isOptional: true, programs })];
  using loaded = test.load(sensors, { openCgroupRoot: lacking });
  loaded.attach();
  deepStrictEqual(loaded.report[1]?.leftOut, [{ program: "on_exec", reason: "no root" }]);
  strictEqual(loaded.isAttached("on_exec"), true, "of the other sensor");
});
