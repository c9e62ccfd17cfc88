/** Names that programs are given, in every spelling, against the specification. */
import { strictEqual } from "node:assert/strict";
import { shortestName } from "../../src/policy/mod.ts";
import { condition, makePolicy, texts } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const NO_OPTION = 0x7fff_0001;
const [O_RDONLY, O_PATH] = [0, 0x20_0000];
const AT_FDCWD = -100;
const EINVAL = 22;
const SPELLINGS = 60;

const encode = (text: string) => new TextEncoder().encode(text);
const binary = { of: "binary", followChildren: false } as const;

/** Directories below each other, and in the last a script that the workload runs. */
class Script {
  readonly root = Deno.makeTempDirSync();
  readonly directories = [`${this.root}`, `${this.root}/a`, `${this.root}/a/b.c`] as const;
  readonly path = `${this.root}/a/b.c/km.sh`;

  constructor() {
    Deno.mkdirSync(this.directories[2], { recursive: true });
    Deno.writeTextFileSync(this.path, `#!${program} calls\n`, { mode: 0o755 });
  }

  /** From a directory, with detours through names that are there. */
  spell(random: SeededRandom, from: string | undefined): string {
    const full = this.path.split("/").slice(1);
    const start = from === undefined ? 0 : from.split("/").length - 1;
    let name = from === undefined ? "/" : "";
    const noise = () => random.pick(["", "", "/", "./", ".//", "././"]);
    for (const [i, part] of full.entries()) {
      if (i < start) continue;
      // A relative name does not begin with a slash.
      name += name === "" ? random.pick(["", "./", ".//"]) : noise();
      if (i < full.length - 1 && random.chance(0.2)) name += `${part}/${noise()}../`;
      name += i < full.length - 1 ? `${part}/` : part;
    }
    return name;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** Policies that look at the script's name in each way. */
function policies(script: Script) {
  const named = (name: string, kind: "text" | "prefix" | "postfix", text: string, not = false) =>
    makePolicy(name, {
      call: "prctl",
      selectors: [{ conditions: [condition(binary, texts(kind, text), not)] }],
    });
  return [
    named("in", "text", script.path),
    named("prefix", "prefix", script.directories[1]),
    named("postfix", "postfix", "/b.c/km.sh"),
    named("not-in", "text", script.path, true),
    named("file", "text", program),
    named("other", "prefix", `${script.root}/x`),
  ];
}

kernelTest({
  name: "programs are known by the name they were given, however it is spelled",
  async run() {
    using script = new Script();
    const random = SeededRandom.fromEnvironment("policy_names_test");
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(...policies(script));
    for (let i = 0; i < SPELLINGS; i++) {
      const from = random.pick([undefined, ...script.directories]);
      if (from !== undefined) strictEqual(await caller.call("chdir", [from]), 0n);
      const name = script.spell(random, from);
      // The specification, of this spelling.
      const shortest = shortestName(encode(name), encode(from ?? "/"));
      strictEqual(new TextDecoder().decode(shortest), script.path, name);
      await caller.exec(name);
      const { hits } = await bench.during(caller, "prctl", [NO_OPTION]);
      const names = bench.actsOf(hits).map(({ policy }) => policy).sort().join();
      strictEqual(names, "file,in,not-in,postfix,prefix", `${name} in ${from}`);
    }
    strictEqual(bench.lost, 0);
  },
});

kernelTest({
  name: "programs that are executed by descriptor have the name of what was opened",
  async run() {
    using script = new Script();
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(...policies(script));
    const acts = async () => {
      const { hits } = await bench.during(caller, "prctl", [NO_OPTION]);
      return bench.actsOf(hits).map(({ policy }) => policy).sort().join();
    };
    const folder = await caller.call("openat", [AT_FDCWD, script.directories[1], O_PATH]);
    await caller.exec("b.c/./km.sh", { fd: folder });
    strictEqual(await acts(), "file,in,not-in,postfix,prefix", "below a directory");
    const file = await caller.call("openat", [AT_FDCWD, script.path, O_RDONLY]);
    await caller.exec("", { fd: file });
    strictEqual(await acts(), "file,in,not-in,postfix,prefix", "the file itself");
    await caller.exec(program);
    strictEqual(await acts(), "file,not-in", "another program");
  },
});

kernelTest({
  name: "rules on programs follow the exec, whatever the process says it is later",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    const directory = Deno.makeTempDirSync();
    const [own, other] = [`${directory}/own`, `${directory}/other`];
    for (const path of [own, other]) Deno.copyFileSync(program, path);
    await using caller = await bench.caller();
    const looks = (name: string, text: string, not = false) =>
      makePolicy(name, {
        call: "prctl",
        selectors: [{ conditions: [condition(binary, texts("text", text), not)] }],
      });
    await bench.add(looks("own", own), looks("not-own", own, true), looks("other", other));
    await caller.exec(own);
    const acts = async () => {
      const { hits } = await bench.during(caller, "prctl", [NO_OPTION]);
      return bench.actsOf(hits).map(({ policy }) => policy).sort().join();
    };
    strictEqual(await acts(), "own");
    const error = await caller.becomeOtherExe(other);
    if (error === EINVAL) {
      skipLine("PR_SET_MM_MAP", "the kernel has no CONFIG_CHECKPOINT_RESTORE");
      return;
    }
    strictEqual(error, 0);
    strictEqual(Deno.readLinkSync(`/proc/${caller.pid}/exe`), other, "what it says it is");
    bench.take();
    strictEqual(await acts(), "own", "what it is");
    await caller.fork();
    strictEqual(await acts(), "own", "its child");
    await caller.exec(other);
    strictEqual(await acts(), "not-own,other", "what it has executed");
    await caller.end();
    Deno.removeSync(directory, { recursive: true });
  },
});
