/** Programs and tables of policies come and go whole, and leave nothing behind. */
import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { openLibbpf, openLibc } from "../../ffi/mod.ts";
import { PolicyKernel } from "../../src/enforcement/mod.ts";
import { LoadError, openPayload } from "../../src/loader/mod.ts";
import { randomSipSecret } from "../../src/policy/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { argumentIs, condition, makePolicy, numbers, texts } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { CallerEnded } from "../support/system_caller.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

await buildWorkload();

const NO_OPTION = 0x7fff_0001;

/** Programs, maps and links that this process has open, by descriptor. */
function openThings(): Record<string, number> {
  const counts: Record<string, number> = { "bpf-prog": 0, "bpf-map": 0, bpf_link: 0 };
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const kind = /^anon_inode:\[?(bpf-prog|bpf-map|bpf_link)/.exec(
        Deno.readLinkSync(`/proc/self/fd/${name}`),
      )?.[1];
      if (kind !== undefined) counts[kind]! += 1;
    } catch {
      // The descriptor of the directory that is being read.
    }
  }
  return counts;
}

kernelTest({
  name: "PolicyKernel runs programs only while a policy needs them",
  async run() {
    await using bench = await PolicyKernelBench.shared({ isEmpty: true });
    await using caller = await bench.caller();
    deepStrictEqual(bench.kernel.programs(), []);
    const before = openThings();
    const given = condition({ of: "binary", followChildren: false }, texts("text", "/none"));
    await bench.add(makePolicy("plain", { call: "prctl" }));
    deepStrictEqual(bench.kernel.programs(), ["on_sys_enter"]);
    await bench.add(makePolicy("returns", { call: "getpriority", returns: "int32" }));
    await bench.add(makePolicy("given", { call: "prctl", selectors: [{ conditions: [given] }] }));
    deepStrictEqual(bench.kernel.programs().sort(), [
      ...["on_policy_exec", "on_policy_exit", "on_policy_fork", "on_sys_enter", "on_sys_exit"],
    ]);
    await bench.remove("given");
    bench.detachUnused();
    deepStrictEqual(bench.kernel.programs().sort(), ["on_sys_enter", "on_sys_exit"]);
    await bench.remove("returns");
    bench.detachUnused();
    deepStrictEqual(bench.kernel.programs(), ["on_sys_enter"]);
    strictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits.length, 1);
    await bench.remove("plain");
    bench.detachUnused();
    deepStrictEqual(bench.kernel.programs(), []);
    deepStrictEqual(openThings(), before);
    deepStrictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits, []);
  },
});

kernelTest({
  name: "PolicyKernel.attach() refuses hooks that it cannot have, and changes nothing",
  async run() {
    await using bench = await PolicyKernelBench.shared({ isEmpty: true });
    await using caller = await bench.caller();
    await bench.add(makePolicy("plain", { call: "prctl" }));
    const before = openThings();
    const points = [
      { kind: "syscall", name: "no_such_call" },
      { kind: "kprobe", name: "no_such_function" },
    ] as const;
    for (const point of points) {
      throws(
        () => bench.kernel.attach([...bench.tables.hooks(), { id: 9, point, policyCount: 1 }]),
        (error) => error instanceof LoadError && error.feature === point.name && error.hint !== "",
      );
    }
    deepStrictEqual(openThings(), before);
    deepStrictEqual(bench.kernel.programs(), ["on_sys_enter"]);
    strictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits.length, 1);
  },
});

kernelTest({
  name: "PolicyKernel.attach() serves the call that a hook's number is used again for",
  async run() {
    await using bench = await PolicyKernelBench.shared({ isEmpty: true });
    await using caller = await bench.caller();
    await bench.add(makePolicy("first", { call: "getpriority" }));
    await bench.remove("first");
    await bench.add(makePolicy("second", { call: "prctl" }));
    strictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits.length, 1);
    deepStrictEqual((await bench.during(caller, "getpriority", [0, 0])).hits, []);
  },
});

kernelTest({
  name: "PolicyKernel leaves nothing when the kernel refuses a program or a map",
  run() {
    const payload = openPayload();
    using libbpf = openLibbpf(payload.libbpfPath());
    using libc = openLibc();
    const before = openThings();
    const open = (read: (name: string) => Uint8Array<ArrayBuffer>, rows = 8) =>
      new PolicyKernel({
        ...{ libbpf, libc, payload: { read }, sensorMap: () => undefined, cgroupGlobals: {} },
        ...{ secret: randomSipSecret(), agent: { tgid: 0, pidNamespace: 0 }, possibleCpus: [0, 1] },
        ...{ counters: new Counters(), mapEntries: { policy_rows: rows } },
      });
    throws(() => open((name) => payload.read(name), 0xffff_ffff), LoadError);
    deepStrictEqual(openThings(), before);
    const broken = (name: string) => {
      const bytes = payload.read(name);
      return name.endsWith(".o") ? breakProgram(bytes, "on_sys_enter") : bytes;
    };
    using kernel = open(broken);
    const loaded = openThings();
    throws(
      () => kernel.attach([{ id: 0, point: { kind: "syscall", name: "prctl" }, policyCount: 1 }]),
      (error) => error instanceof LoadError && error.obstacle === "refused",
    );
    deepStrictEqual(openThings(), loaded);
    deepStrictEqual(kernel.programs(), []);
  },
});

kernelTest({
  name: "PolicyKernel knows calls that are under way, and tells how much memory it has",
  async run() {
    await using bench = await PolicyKernelBench.shared({ isEmpty: true });
    await using caller = await bench.caller();
    await bench.add(makePolicy("waits", {
      ...{ call: "nanosleep", types: ["nop"], returns: "int32" },
      selectors: [{ conditions: [condition({ of: "return" }, numbers(0))] }],
    }));
    const [hook] = bench.tables.hooks();
    strictEqual(bench.kernel.hasCallUnderWay(hook!.id, 0, 1n), false);
    // A guest is slow: it must not end before it was looked at, and is interrupted then.
    const minutes = new Uint8Array(new BigUint64Array([600n, 0n]).buffer);
    const call = bench.during(caller, "nanosleep", [minutes, 0]);
    await bench.until(({ expectsReturn }) => expectsReturn);
    strictEqual(bench.kernel.hasCallUnderWay(hook!.id, 0, 1n), true);
    strictEqual(bench.kernel.hasCallUnderWay(hook!.id, 0, 2n), false);
    strictEqual(bench.kernel.hasCallUnderWay(hook!.id + 1, 0, 1n), false);
    // When it is stopped and goes on, this call ends.
    Deno.kill(caller.pid, "SIGSTOP");
    Deno.kill(caller.pid, "SIGCONT");
    await bench.until(({ phase }) => phase === "return");
    // What goes on is restart_syscall(2).
    strictEqual(bench.kernel.hasCallUnderWay(hook!.id, 0, 1n), false);
    Deno.kill(caller.pid, "SIGKILL");
    await rejects(call, CallerEnded);
    ok(bench.kernel.mapMemorySize() > 1 << 20);
  },
});

kernelTest({
  name: "a hundred policies on one hook are told apart, with the programs of one",
  async run() {
    await using bench = await PolicyKernelBench.shared({ isEmpty: true });
    await using caller = await bench.caller();
    const names = Array.from({ length: 100 }, (_, i) => `policy-${i}`);
    const policies = names.map((name, i) =>
      makePolicy(name, {
        ...{ call: "prctl", types: ["nop", "string"] },
        selectors: [{ conditions: [argumentIs(1, texts("text", `/file/${i}`, "/all"))] }],
      })
    );
    for (const policy of policies) await bench.add(policy);
    deepStrictEqual(bench.kernel.programs(), ["on_thread_end", "on_sys_exit", "on_sys_enter"]);
    for (const i of [0, 63, 64, 99]) {
      const { hits } = await bench.during(caller, "prctl", [NO_OPTION, `/file/${i}`]);
      deepStrictEqual(bench.actsOf(hits).map(({ policy }) => policy), [`policy-${i}`]);
    }
    const { hits } = await bench.during(caller, "prctl", [NO_OPTION, "/all"]);
    deepStrictEqual(bench.actsOf(hits).map(({ policy }) => policy).sort(), names.toSorted());
    await bench.remove(...names.filter((_, i) => i % 2 === 0));
    const left = await bench.during(caller, "prctl", [NO_OPTION, "/all"]);
    strictEqual(bench.actsOf(left.hits).length, 50);
  },
});

/** Makes the first instruction of a program one that the verifier refuses. */
function breakProgram(bytes: Uint8Array<ArrayBuffer>, program: string): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer);
  const sectionsAt = Number(view.getBigUint64(40, true));
  const [size, count] = [view.getUint16(58, true), view.getUint16(60, true)];
  const section = (i: number) => {
    const at = sectionsAt + i * size;
    const number = (offset: number) => Number(view.getBigUint64(at + offset, true));
    return { name: view.getUint32(at, true), at: number(24), size: number(32) };
  };
  const names = section(view.getUint16(62, true));
  const nameOf = (i: number) => {
    const start = names.at + section(i).name;
    return new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start)));
  };
  const wanted = program === "on_sys_enter" ? "tp_btf/sys_enter" : program;
  for (let i = 0; i < count; i++) {
    // exit without a result
    if (nameOf(i) === wanted) view.setBigUint64(section(i).at, 0x95n, true);
  }
  return bytes;
}
