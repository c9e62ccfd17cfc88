/** Which program calls: by the file that runs and the name it was given, however it is reached. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Test } from "../../src/policy/mod.ts";
import { PolicyCount } from "../../src/wire/mod.ts";
import { condition, makePolicy, numbers, texts } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import type { SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const NO_OPTION = 0x7fff_0001;
const O_RDONLY = 0;
const AT_FDCWD = -100;

/** A copy of the workload, and other names of it. */
class Programs {
  readonly directory = Deno.makeTempDirSync();
  readonly real = `${this.directory}/real`;
  readonly symlink = `${this.directory}/symlink`;
  readonly hardlink = `${this.directory}/hardlink`;
  readonly odd = Buffer.concat([Buffer.from(`${this.directory}/o`), Buffer.of(0xff, 0x0a, 0x80)]);

  constructor() {
    Deno.copyFileSync(program, this.real);
    Deno.symlinkSync(this.real, this.symlink);
    Deno.linkSync(this.real, this.hardlink);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Whether a policy on binaries matches a call of `caller`. */
async function matches(
  bench: PolicyKernelBench,
  caller: SystemCaller,
  test: Test,
  not = false,
): Promise<boolean> {
  const only = condition({ of: "binary", followChildren: false }, test, not);
  await bench.add(makePolicy("row", { call: "prctl", selectors: [{ conditions: [only] }] }));
  const { hits } = await bench.during(caller, "prctl", [NO_OPTION]);
  await bench.remove("row");
  return hits.length === 1;
}

kernelTest({
  name: "policies on binaries see the file that runs, through symbolic and hard links",
  async run() {
    using programs = new Programs();
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller(programs.real);
    const { real, symlink, hardlink } = programs;
    strictEqual(await matches(bench, caller, texts("text", real)), true);
    strictEqual(await matches(bench, caller, texts("text", program)), false);
    strictEqual(await matches(bench, caller, texts("text", program), true), true);
    strictEqual(await matches(bench, caller, texts("prefix", `${programs.directory}/`)), true);
    strictEqual(await matches(bench, caller, texts("postfix", "/real")), true);
    strictEqual(await matches(bench, caller, texts("postfix", "/unreal")), false);
    // Names of execs are kept while a policy asks for them.
    await bench.add(makePolicy("keeps", {
      call: "getpid",
      selectors: [{
        conditions: [condition({ of: "binary", followChildren: false }, texts("text", "/none"))],
      }],
    }));
    await caller.exec(symlink);
    strictEqual(await matches(bench, caller, texts("text", real)), true, "the file itself");
    strictEqual(await matches(bench, caller, texts("text", symlink)), true, "the given name");
    strictEqual(await matches(bench, caller, texts("text", real), true), false);
    strictEqual(await matches(bench, caller, texts("text", symlink), true), true, "file only");
    strictEqual(await matches(bench, caller, texts("prefix", symlink)), true, "the given name");
    strictEqual(await matches(bench, caller, texts("postfix", "/symlink")), true);
    strictEqual(await matches(bench, caller, texts("prefix", symlink), true), true, "file only");
    strictEqual(await matches(bench, caller, texts("postfix", "/symlink"), true), true);
    await caller.exec(hardlink);
    strictEqual(await matches(bench, caller, texts("text", hardlink)), true);
    await caller.exec("/proc/self/exe");
    strictEqual(await matches(bench, caller, texts("text", hardlink)), true);
    strictEqual(await matches(bench, caller, texts("text", "/proc/self/exe")), true);
    strictEqual(await matches(bench, caller, texts("text", symlink)), false, "an earlier name");
    strictEqual(bench.lost, 0);
  },
});

kernelTest({
  name: "policies on binaries see odd names, moved files and files without a name",
  async run() {
    using programs = new Programs();
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller(programs.real);
    await new Deno.Command("cp", { args: [programs.real, "-t", programs.directory] }).output();
    const { odd, real } = programs;
    strictEqual(await caller.call("link", [real, new Uint8Array(odd)]), 0n);
    await caller.exec(new Uint8Array(odd));
    strictEqual(await matches(bench, caller, texts("text", new Uint8Array(odd))), true);
    const tail = Uint8Array.of(0xff, 0x0a, 0x80);
    strictEqual(await matches(bench, caller, texts("postfix", tail)), true);
    strictEqual(await matches(bench, caller, texts("postfix", "o")), false);
    const moved = `${programs.directory}/moved`;
    strictEqual(await caller.call("rename", [new Uint8Array(odd), moved]), 0n);
    strictEqual(await matches(bench, caller, texts("text", moved)), true, "where it is now");
    const fd = await caller.call("memfd_create", ["payload", 0]);
    const from = await caller.call("openat", [AT_FDCWD, real, O_RDONLY]);
    strictEqual(
      await caller.call("sendfile", [fd, from, 0, 1 << 26]),
      BigInt(Deno.statSync(real).size),
    );
    await caller.exec(`/proc/self/fd/${fd}`);
    strictEqual(await matches(bench, caller, texts("text", "memfd:payload")), true);
    strictEqual(await matches(bench, caller, texts("prefix", "memfd:")), true);
    strictEqual(await matches(bench, caller, texts("prefix", "/"), true), true, "the file only");
    strictEqual(await matches(bench, caller, texts("text", moved), true), true);
  },
});

kernelTest({
  name: "policies on binaries see a path of 4,095 bytes, and none that is longer",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    const root = Deno.makeTempDirSync();
    const name = "d".repeat(250);
    await using caller = await bench.caller();
    let path = root;
    strictEqual(await caller.call("chdir", [root]), 0n);
    while (path.length + 1 + name.length + 1 < 4095) {
      strictEqual(await caller.call("mkdir", [name, 0o755]), 0n);
      strictEqual(await caller.call("chdir", [name]), 0n);
      path += `/${name}`;
    }
    const file = "f".repeat(4095 - path.length - 1);
    const [fd, from] = [
      await caller.call("openat", [AT_FDCWD, file, 0o101, 0o755]),
      await caller.call("openat", [AT_FDCWD, program, O_RDONLY]),
    ];
    await caller.call("sendfile", [fd, from, 0, 1 << 26]);
    await caller.call("close", [fd]);
    strictEqual(await caller.call("link", [file, `${file}ff`]), 0n);
    await caller.exec(file);
    const whole = `${path}/${file}`;
    strictEqual(whole.length, 4095);
    strictEqual(await matches(bench, caller, texts("text", whole)), true);
    strictEqual(await matches(bench, caller, texts("postfix", file.slice(-100))), true);
    strictEqual(
      await matches(bench, caller, texts("prefix", `${root}/${name.slice(0, 90)}`)),
      true,
    );
    await caller.exec(`${file}ff`);
    strictEqual(await matches(bench, caller, texts("text", whole)), false);
    strictEqual(await matches(bench, caller, texts("text", whole), true), true);
    strictEqual(await matches(bench, caller, texts("postfix", "fff")), true, "the end is there");
    strictEqual(await matches(bench, caller, texts("prefix", "/")), false, "the front is cut");
    await new Deno.Command("rm", { args: ["-rf", root] }).output();
  },
});

kernelTest({
  name: "names that were given before a policy asks are those that user space enters",
  async run() {
    using programs = new Programs();
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller(programs.symlink);
    await bench.add(makePolicy("given", {
      call: "prctl",
      selectors: [{
        conditions: [
          condition({ of: "binary", followChildren: false }, texts("text", programs.symlink)),
        ],
      }],
    }));
    deepStrictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits, []);
    bench.enterName(caller.pid, programs.symlink);
    strictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits.length, 1);
    await caller.exec(programs.real);
    deepStrictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits, []);
  },
});

kernelTest({
  name: "trees of processes are inherited by forks and survive exec",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const subject = { of: "pid", isNamespacePid: false, followForks: true } as const;
    await bench.add(makePolicy("tree", {
      call: "prctl",
      selectors: [{ conditions: [condition(subject, numbers(caller.pid))] }],
    }));
    deepStrictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits, []);
    const [tree] = bench.tables.trees();
    bench.kernel.enterProcesses([{ tgid: caller.pid, trees: 1n << BigInt(tree!.bit) }]);
    strictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits.length, 1);
    await caller.exec(program);
    strictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits.length, 1);
    strictEqual(await caller.fork(), "ready");
    const { hits } = await bench.during(caller, "prctl", [NO_OPTION]);
    strictEqual(hits.length, 1);
    strictEqual(hits[0]!.tgid === caller.pid, false, "the child has called");
    await bench.remove("tree");
    await bench.add(makePolicy("other", {
      call: "prctl",
      selectors: [{ conditions: [condition(subject, numbers(1))] }],
    }));
    deepStrictEqual((await bench.during(caller, "prctl", [NO_OPTION])).hits, [], "cleared");
  },
});

kernelTest({
  name: "descendants of a program are followed from its exec on, whatever they become",
  async run() {
    using programs = new Programs();
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const { real, hardlink } = programs;
    const subject = { of: "binary", followChildren: true } as const;
    await bench.add(makePolicy("descends", {
      call: "prctl",
      selectors: [{ conditions: [condition(subject, texts("text", hardlink))] }],
    }));
    const count = async () => (await bench.during(caller, "prctl", [NO_OPTION])).hits.length;
    strictEqual(await count(), 0);
    await caller.exec(real);
    strictEqual(await count(), 0, "another program");
    await caller.exec(hardlink);
    strictEqual(await count(), 1, "the program itself, from its first instruction");
    await caller.fork();
    strictEqual(await count(), 1, "its child");
    await caller.exec(real);
    strictEqual(await count(), 1, "its child as another program");
    await using other = await bench.caller(real);
    deepStrictEqual((await bench.during(other, "prctl", [NO_OPTION])).hits, []);
  },
});

kernelTest({
  name: "policies see files where the process has them mounted",
  async run() {
    using programs = new Programs();
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller(programs.real);
    const { directory, real } = programs;
    const other = Deno.makeTempDirSync();
    const [CLONE_NEWNS, MS_BIND, MS_REC_PRIVATE] = [0x20000, 4096, 0x44000];
    // In a mount namespace of its own, so that nobody else sees it.
    strictEqual(await caller.call("unshare", [CLONE_NEWNS]), 0n);
    strictEqual(await caller.call("mount", ["none", "/", 0, MS_REC_PRIVATE, 0]), 0n);
    strictEqual(await caller.call("mount", [directory, other, 0, MS_BIND, 0]), 0n);
    // Nobody has kept what it was when it was executed, and its mounts are copies now.
    strictEqual(await matches(bench, caller, texts("text", real)), false, "it is outside");
    strictEqual(await matches(bench, caller, texts("text", `(unreachable)${real}`)), true);
    await caller.exec(`${other}/real`);
    strictEqual(await matches(bench, caller, texts("text", `${other}/real`)), true);
    strictEqual(await matches(bench, caller, texts("postfix", "/real")), true);
    strictEqual(await matches(bench, caller, texts("text", real)), false);
    await caller.end();
    Deno.removeSync(other);
  },
});

kernelTest({
  name: "a process that finds no room among those that are followed is counted",
  async run() {
    await using bench = new PolicyKernelBench({ mapEntries: { policy_processes: 1 } });
    await bench.add(makePolicy("given", {
      call: "prctl",
      selectors: [{
        conditions: [condition({ of: "binary", followChildren: false }, texts("text", program))],
      }],
    }));
    // What else runs on the host is counted too.
    const before = bench.count(PolicyCount.POLICY_COUNT_PROCESSES_FULL);
    // Each begins with an exec of its own; without room of its own CPU, a map keeps a few more.
    const callers = [];
    for (let i = 0; i < 8; i++) callers.push(await bench.caller());
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_PROCESSES_FULL) > before, true);
    for (const caller of callers) await caller.end();
  },
});
