/** Policies on many functions: one program for all of them, or one for each. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { isKernelSince, LoadError } from "../../src/loader/mod.ts";
import type { KernelAbilities, Policy } from "../../src/policy/mod.ts";
import { hookTest, openAbilities } from "../support/hook_case.ts";
import { makePolicy } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { IS_GUEST, kernelTest, skipLine } from "../support/require_kernel.ts";

const abilities = openAbilities();
const AT_FDCWD = -100;
const ONCE = "on_functions";
const EACH = "on_function";

/** As a list of functions in a policy becomes: a hook each. */
function onFunctions(name: string, functions: readonly string[], returns = false): Policy {
  const policies = functions.map((target) =>
    makePolicy(name, {
      point: { kind: "kprobe", name: target },
      ...(returns && { returns: "int64" }),
    })
  );
  return { ...policies[0]!, hooks: policies.flatMap(({ hooks }) => hooks) };
}

/** The same kernel, with or without the ability. */
function withMulti(isThere: boolean): KernelAbilities {
  const reason = "a test has taken it away";
  return {
    ...{ kprobe: abilities.kprobe, tracepoint: abilities.tracepoint },
    kprobeMulti: isThere ? abilities.kprobeMulti : { has: false, reason },
    lsm: { has: false, reason },
    ...{ modifyReturn: { has: false, reason }, modifySyscall: { has: false, reason } },
    modifyCompat: { has: false, reason },
    overrideReturn: { has: false, reason },
    accepts: (means, target) => abilities.accepts(means, target),
    findPoint: (point) => abilities.findPoint(point),
  };
}

/** Functions and how often each was hit while a file was opened, sorted. */
async function hitsOf(bench: PolicyKernelBench): Promise<Record<string, string[]>> {
  await using caller = await bench.caller();
  bench.take();
  const fd = await caller.call("openat", [AT_FDCWD, "/etc/passwd", 0]);
  ok(fd >= 0n);
  const names = new Map(
    bench.tables.hooks().map(({ id, point }) => [id, point.name] as const),
  );
  const seen: Record<string, string[]> = {};
  for (const { hook, phase, words } of bench.take()) {
    const name = names.get(hook) ?? "?";
    if (words.length > 0 && name !== "?") (seen[name] ??= []).push(phase);
  }
  return seen;
}

function programsOf(bench: PolicyKernelBench): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of bench.kernel.programs()) {
    const name = text.split(" ")[0]!;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** The same behaviour both ways; `name` is of the program at calls. */
async function checkFunctions(bench: PolicyKernelBench, name: string): Promise<void> {
  const opens = { vfs_open: ["call"], do_dentry_open: ["call"] };
  await bench.add(onFunctions("opens", ["vfs_open", "do_dentry_open", "vfs_statx"]));
  deepStrictEqual(programsOf(bench), { [name]: 3 });
  const first = await hitsOf(bench);
  deepStrictEqual([first["vfs_open"], first["do_dentry_open"]], Object.values(opens));
  // One function more, told at its end too; the others go on as they are.
  await bench.add(onFunctions("ends", ["vfs_open", "vfs_getattr"], true));
  deepStrictEqual(
    programsOf(bench),
    name === ONCE
      ? { [ONCE]: 3, [EACH]: 1, on_function_end: 2 }
      : { [EACH]: 4, on_function_end: 2 },
  );
  const second = await hitsOf(bench);
  deepStrictEqual(second["vfs_open"], ["call", "return"]);
  deepStrictEqual(second["do_dentry_open"], ["call"]);
  // The number of a hook that is gone is used again: its function must not be taken for the new.
  await bench.remove("opens");
  bench.detachUnused();
  const third = await hitsOf(bench);
  deepStrictEqual([third["vfs_open"], third["do_dentry_open"]], [["call", "return"], undefined]);
  await bench.add(onFunctions("others", ["vfs_read", "do_dentry_open"]));
  const fourth = await hitsOf(bench);
  deepStrictEqual(fourth["vfs_open"], ["call", "return"]);
  deepStrictEqual(fourth["do_dentry_open"], ["call"]);
  await bench.remove("ends", "others");
  bench.detachUnused();
  deepStrictEqual(bench.kernel.programs(), []);
  strictEqual(bench.lost, 0);
}

kernelTest({
  name: "policies on many functions have one program where the kernel can, else one each",
  async run() {
    if (!abilities.kprobe.has) return skipLine("many functions", abilities.kprobe.reason);
    const { kprobeMulti } = abilities;
    // Debian's 6.1 is built without CONFIG_FPROBE, later ones with it.
    const [release, since] = [Deno.osRelease(), isKernelSince];
    if (IS_GUEST && since(release, [6, 12]) && !since(release, [7, 0])) {
      ok(kprobeMulti.has, JSON.stringify(kprobeMulti));
    }
    if (kprobeMulti.has) {
      await using bench = new PolicyKernelBench({
        ...{ mapEntries: { policy_calls: 1024 }, abilities: withMulti(true) },
      });
      await checkFunctions(bench, ONCE);
    } else skipLine("many functions with one program", kprobeMulti.reason);
    await using bench = new PolicyKernelBench({
      ...{ mapEntries: { policy_calls: 1024 }, abilities: withMulti(false) },
    });
    await checkFunctions(bench, EACH);
  },
});

hookTest(abilities, {
  name: "functions that cannot be attached together are attached one by one, or none is",
  needs: ["kprobe", "kprobeMulti"],
  async run() {
    const missing = "shrike_has_no_such_function";
    const kernel: KernelAbilities = {
      ...withMulti(true),
      // The kernel takes it away between the question and the answer.
      findPoint: (point) =>
        point.name === missing ? { exists: true, returnsError: true } : abilities.findPoint(point),
    };
    await using bench = new PolicyKernelBench({ abilities: kernel });
    const refused = await bench.add(onFunctions("bad", ["vfs_open", "vfs_read", missing]))
      .then(() => undefined, (error: Error) => error);
    ok(refused instanceof LoadError, "the kernel refuses it");
    deepStrictEqual(bench.kernel.programs(), []);
    // Not entered by ftrace, so not by kprobe.multi; a kprobe may stand there.
    await bench.add(onFunctions("mixed", ["vfs_open", "vfs_read", "do_int3"]));
    strictEqual(bench.kernel.programs().length, 3);
    deepStrictEqual((await hitsOf(bench))["vfs_open"], ["call"]);
    await bench.remove("mixed");
    bench.detachUnused();
    await bench.add(onFunctions("good", ["vfs_open", "vfs_read"]));
    deepStrictEqual(programsOf(bench), { [ONCE]: 2 });
    deepStrictEqual((await hitsOf(bench))["vfs_open"], ["call"]);
  },
});

/** Functions that can be hooked, as many as wanted. */
function someFunctions(count: number): string[] {
  const known = Deno.readTextFileSync("/sys/kernel/tracing/available_filter_functions")
    .split("\n").filter((name) => /^(vfs|tcp|sock|inet)_\w+$/.test(name));
  const counts = new Map<string, number>();
  for (const name of known) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names: string[] = [];
  for (const [name, times] of counts) {
    if (names.length === count) break;
    if (times > 1) continue;
    const state = abilities.findPoint({ kind: "kprobe", name });
    if (state.exists && state.argCount !== undefined && state.replacedBy === undefined) {
      names.push(name);
    }
  }
  return names;
}

/** Under emulation a program of its own takes two seconds. */
const COUNT = Number(Deno.env.get("SHRIKE_FUNCTIONS") ?? 8);

hookTest(abilities, {
  name: "a policy on a list of functions: one program against one each",
  needs: ["kprobe", "kprobeMulti"],
  async run() {
    const functions = someFunctions(COUNT);
    strictEqual(functions.length, COUNT);
    const took: Record<string, number> = {};
    for (const isThere of [true, false]) {
      await using bench = new PolicyKernelBench({ abilities: withMulti(isThere) });
      await bench.tables.addSet(1);
      const start = performance.now();
      await bench.add(onFunctions("list", functions));
      const elapsedMs = performance.now() - start;
      const name = isThere ? ONCE : EACH;
      deepStrictEqual(programsOf(bench), { [name]: COUNT });
      strictEqual(bench.kernel.programInfo().length, isThere ? 1 : COUNT);
      took[name] = elapsedMs;
    }
    console.error(
      `${COUNT} functions: ${took[ONCE]!.toFixed(0)} ms together, ${took[EACH]!.toFixed(0)} ms ` +
        `one by one (${(took[EACH]! / took[ONCE]!).toFixed(1)} times)`,
    );
  },
});
