/** Calls that are made to fail by LSM hooks and functions security_..., in guests only. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import {
  type ArgumentType,
  type Condition,
  planHook,
  type Policy,
  policyOutlook,
} from "../../src/policy/mod.ts";
import { hookTest, openAbilities } from "../support/hook_case.ts";
import { argumentIs, makePolicy, numbers, texts } from "../support/policy_factory.ts";
import type { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { CallerEnded, SystemCaller } from "../support/system_caller.ts";
import { IS_GUEST, kernelTest, skipLine } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const abilities = openAbilities();

const AT_FDCWD = -100;
const [EPERM, EACCES] = [1, 13];
const CAP_SYS_CHROOT = 18;

/** A policy that denies and tells. */
function denying(
  name: string,
  hook: string,
  { types, condition, errno }: {
    readonly types: readonly ArgumentType[];
    readonly condition: Condition;
    readonly errno: number;
  },
): Policy {
  const selectors = [{
    conditions: [condition],
    actions: [{ kind: "override", errno }, { kind: "post" }] as const,
  }];
  return makePolicy(name, {
    point: { kind: "lsm", name: hook },
    types,
    mode: "enforce",
    selectors,
  });
}

const HOLDER = new URL("../support/policy_holder.ts", import.meta.url).pathname;
const LSM_LIST = "/sys/kernel/security/lsm";

async function open(caller: SystemCaller, path: string): Promise<number> {
  const value = await caller.call("openat", [AT_FDCWD, path, 0]);
  if (value >= 0n) await caller.call("close", [value]);
  return value >= 0n ? 0 : Number(value);
}

kernelTest({
  name: "abilities are what this kernel does, and a rule's guarantee follows",
  run() {
    if (!IS_GUEST) return skipLine("abilities", "to try them calls are made to fail");
    deepStrictEqual([abilities.kprobe, abilities.tracepoint, abilities.modifyReturn], [
      ...[{ has: true }, { has: true }, { has: true }],
    ]);
    const active = Deno.readTextFileSync(LSM_LIST).split(",");
    strictEqual(abilities.lsm.has, active.includes("bpf"), JSON.stringify(abilities.lsm));
    if (!abilities.lsm.has) match(abilities.lsm.reason, /no active LSM/);
    strictEqual(abilities.overrideReturn.has, Deno.osRelease().endsWith("-shrike-override"));
    const lsm = { kind: "lsm", name: "file_open" } as const;
    const plan = planHook(lsm, abilities);
    ok("means" in plan);
    const by = active.includes("bpf") ? "lsm" : "fmod_ret";
    strictEqual(plan.means, by);
    const denies = makePolicy("denies", {
      point: lsm,
      selectors: [{ actions: [{ kind: "post" }, { kind: "override", errno: EPERM }] }],
    });
    const outlook = policyOutlook({ ...denies, require: "prevent" }, abilities);
    deepStrictEqual([outlook.obstacles, outlook.rules], [[], [[{ guarantee: "prevent", by }]]]);
    const onSyscall = policyOutlook(
      makePolicy("denies", {
        call: "openat",
        selectors: [{ actions: [{ kind: "override", errno: EPERM }] }],
      }),
      abilities,
    );
    // Debian's kernels let system calls be replaced since 7.2.
    if (abilities.modifySyscall.has || abilities.overrideReturn.has) {
      deepStrictEqual(onSyscall.obstacles, []);
    } else {
      match(onSyscall.obstacles[0]?.text ?? "", /Override is not possible on syscall openat/);
      match(onSyscall.obstacles[0]?.hint ?? "", /file_open/);
    }
    const misspelt = planHook({ kind: "lsm", name: "file_opn" }, abilities);
    ok(!("means" in misspelt) && misspelt.isMissing);
    match(misspelt.hint, /file_open/);
  },
});

hookTest(abilities, {
  name: "Override on file_open, and on security_file_open, fails with the errno and only there",
  needs: ["modifyReturn"],
  enforces: true,
  async run(bench) {
    await checkFileOpen(bench, { kind: "lsm", name: "file_open" });
    await checkFileOpen(bench, { kind: "kprobe", name: "security_file_open" });
    // Its end is told too, with what was put in its place.
    await using caller = await bench.caller();
    const path = Deno.makeTempFileSync();
    await bench.add(makePolicy("ends", {
      point: { kind: "kprobe", name: "security_file_open" },
      types: ["file"],
      returns: "int32",
      mode: "enforce",
      selectors: [{
        conditions: [argumentIs(0, texts("text", path))],
        actions: [{ kind: "post" }, { kind: "override", errno: EACCES }],
      }],
    }));
    bench.take();
    strictEqual(await open(caller, path), -EACCES);
    const told = bench.take().filter(({ words }) => words.length > 0);
    deepStrictEqual(told.map(({ phase }) => phase), ["call", "return"]);
    strictEqual(told[1]!.returnValue, BigInt(-EACCES));
    await bench.remove("ends");
    bench.detachUnused();
    strictEqual(await open(caller, path), 0);
    Deno.removeSync(path);
  },
});

async function checkFileOpen(
  bench: PolicyKernelBench,
  point: Parameters<typeof planHook>[0],
): Promise<void> {
  await using caller = await bench.caller();
  await using outside = await SystemCaller.startAnywhere(program);
  const path = Deno.makeTempFileSync();
  await bench.add(makePolicy("guards", {
    point,
    types: ["file"],
    mode: "enforce",
    selectors: [{
      conditions: [argumentIs(0, texts("text", path))],
      actions: [{ kind: "post" }, { kind: "override", errno: EPERM }],
    }],
  }));
  bench.take();
  strictEqual(await open(caller, path), -EPERM);
  const [hit] = bench.take().filter(({ words }) => words.length > 0);
  deepStrictEqual(hit?.effect, { kind: "override", parameter: EPERM, isEnforced: true });
  const [file] = hit!.args;
  strictEqual(file?.kind === "file" && file.path.text, path);
  strictEqual(await open(caller, "/etc/passwd"), 0);
  strictEqual(await open(outside, path), 0);
  await bench.tables.setMode("guards", "monitor");
  bench.take();
  strictEqual(await open(caller, path), 0);
  deepStrictEqual(bench.take().find(({ effect }) => effect)?.effect, {
    ...{ kind: "override", parameter: EPERM, isEnforced: false },
  });
  await bench.tables.setMode("guards", "enforce");
  strictEqual(await open(caller, path), -EPERM);
  await bench.remove("guards");
  bench.detachUnused();
  deepStrictEqual(bench.kernel.programs(), []);
  strictEqual(await open(caller, path), 0);
  strictEqual(bench.lost, 0);
  Deno.removeSync(path);
}

hookTest(abilities, {
  name: "LSM hooks of exec, connections and capabilities deny, a kprobe kills",
  needs: ["modifyReturn"],
  enforces: true,
  async run(bench) {
    await using caller = await bench.caller();
    const copy = Deno.makeTempFileSync();
    Deno.copyFileSync(program, copy);
    Deno.chmodSync(copy, 0o755);
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    await bench.add(
      denying("execs", "bprm_check_security", {
        types: ["linux_binprm"],
        condition: argumentIs(0, texts("text", copy)),
        errno: EACCES,
      }),
      denying("connects", "socket_connect", {
        types: ["nop", "sockaddr", "int32"],
        condition: argumentIs(1, numbers(port), { part: "destination_port" }),
        errno: EACCES,
      }),
      denying("chroots", "capable", {
        types: ["cred", "nop", "capability"],
        condition: argumentIs(2, numbers(CAP_SYS_CHROOT)),
        errno: EPERM,
      }),
    );
    bench.take();
    await rejects(caller.exec(copy), new RegExp(`exec: -${EACCES}`));
    deepStrictEqual(bench.actsOf(bench.take()).map(({ policy }) => policy), ["execs"]);
    const fd = await caller.call("socket", [2, 1, 0]);
    const address = new Uint8Array([
      2,
      0,
      port >> 8,
      port & 255,
      127,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    ]);
    strictEqual(await caller.call("connect", [fd, address, 16]), BigInt(-EACCES));
    deepStrictEqual(bench.actsOf(bench.take()).map(({ policy }) => policy), ["connects"]);
    strictEqual(await caller.call("chroot", ["/"]), BigInt(-EPERM));
    const chroots = bench.actsOf(bench.take());
    deepStrictEqual(chroots.map(({ policy }) => policy), ["chroots"]);
    const [credentials, , capability] = chroots[0]!.hit.args;
    strictEqual(credentials?.kind, "credentials");
    deepStrictEqual(
      chroots[0]!.hit.args.find(({ kind }) => kind === "number") ?? capability,
      { kind: "number", value: BigInt(CAP_SYS_CHROOT) },
    );
    await bench.remove("execs", "connects", "chroots");
    bench.detachUnused();
    await caller.exec(copy);
    strictEqual(await caller.call("chroot", ["/"]), 0n);
    Deno.removeSync(copy);
    await checkSigkill(bench);
    strictEqual(bench.lost, 0);
  },
});

async function checkSigkill(bench: PolicyKernelBench): Promise<void> {
  const caller = await bench.caller();
  const path = Deno.makeTempFileSync();
  await bench.add(makePolicy("kills", {
    point: { kind: "kprobe", name: "vfs_open" },
    types: ["path"],
    mode: "enforce",
    selectors: [{
      conditions: [argumentIs(0, texts("text", path))],
      actions: [{ kind: "sigkill" }, { kind: "post" }],
    }],
  }));
  await rejects(open(caller, path), (error) => {
    ok(error instanceof CallerEnded);
    strictEqual(error.status.signal, "SIGKILL");
    return true;
  });
  deepStrictEqual(bench.actsOf(bench.take()).map(({ policy }) => policy), ["kills"]);
  Deno.removeSync(path);
}

kernelTest({
  name: "a killed agent leaves no program behind",
  async run() {
    if (!IS_GUEST) return skipLine("a killed agent", "it enforces, and this is no guest");
    const path = Deno.makeTempFileSync();
    const holder = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--cached-only", HOLDER, path],
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const directory = (await reader.read()).value?.trim() ?? "";
    const caller = await SystemCaller.start(program, { directory });
    strictEqual(await open(caller, path), -EPERM);
    holder.kill("SIGKILL");
    await holder.status;
    await reader.cancel();
    strictEqual(await open(caller, path), 0);
    await caller.end();
    Deno.removeSync(directory);
    Deno.removeSync(path);
  },
});
