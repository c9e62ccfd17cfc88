/**
 * Measures what a call of a hook costs by the number of policies on it, and with as many separate
 * programs; a program of `deno task bench policy`. Prints the rounds as one line of JSON.
 *
 *     deno run -A tests/bench/policy_cost.ts WORKLOAD SEPARATE_OBJECT ROUNDS
 *
 * Nothing is ever done to a call here: the policies match and do not even post, but for `told`.
 *
 * @module
 */
import { type BpfObject, type Libbpf, openLibbpf } from "../../ffi/mod.ts";
import { openPayload } from "../../src/loader/mod.ts";
import type { Action } from "../../src/policy/mod.ts";
import { argumentIs, makePolicy, texts } from "../support/policy_factory.ts";
import { PolicyKernelBench, TEST_SET } from "../support/policy_kernel_bench.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import {
  checkFound,
  type Costs,
  LISTED,
  pathsOf,
  SITUATIONS,
  Workloads,
} from "./policy_situations.ts";
import type { CallCount } from "./policy_workload.ts";

const POLICY_COUNTS = [1, 10, 100, 1000];
const PROGRAM_COUNTS = [1, 10, 100];
/** Of this set only one policy is about the workload; of TEST_SET all are. */
const ONE_SET = 2;

const USUAL: CallCount = { calls: 2000, batches: 25 };
/** A call takes ten microseconds with so many programs. */
const LONG: CallCount = { calls: 500, batches: 10 };
const ONCE: CallCount = { calls: 1, batches: 1 };
/** What is told fits into a ring until it is emptied. */
const TOLD: CallCount = { calls: 500, batches: 8 };

const POST: Action = { kind: "post" };
const NO_POST: Action = { kind: "no_post" };

interface Round {
  /** Without any program. */
  readonly bare: number;
  readonly bareOther: number;
  readonly policies: Record<number, Costs>;
  readonly programs: Record<number, Costs>;
  /** A call without hook, while there is one. */
  readonly other: number;
  /** One policy that matches and posts. */
  readonly told: number;
}

/** Policies on one hook, whose program runs while `during()` does. Owns all of it. */
class Policies {
  readonly bench: PolicyKernelBench;
  readonly workloads: Workloads;

  private constructor(program: string) {
    this.bench = new PolicyKernelBench({
      concerns: (set, { name }) => set === TEST_SET || (set === ONE_SET && name === nameOf(0)),
    });
    const [all, one, idle] = ["all", "one", "idle"].map((name) => this.bench.cgroup.make(name));
    this.bench.enterSet(one!, ONE_SET);
    this.bench.enterSet(idle!, 0);
    this.workloads = new Workloads(program, { all: all!, one: one!, idle: idle! });
  }

  /** `isTold`: the first one posts, else no policy does. */
  static async open(program: string, count: number, isTold: boolean): Promise<Policies> {
    const policies = new Policies(program);
    const { tables } = policies.bench;
    await tables.addSet(TEST_SET);
    await tables.addSet(ONE_SET);
    const others = Array.from({ length: count - 1 }, (_, i) => policyOf(i + 1, NO_POST));
    await tables.change({ add: [policyOf(0, POST), ...others] });
    await policies.#checkMatches();
    if (!isTold) await tables.replace(nameOf(0), policyOf(0, NO_POST));
    return policies;
  }

  /** The first one matches where it should, while that can still be seen. */
  async #checkMatches(): Promise<void> {
    const found: number[] = [];
    await this.during(async (workloads) => {
      for (const ask of SITUATIONS) {
        await ask(workloads, ONCE);
        found.push(this.bench.take().length);
      }
    });
    checkFound(found);
  }

  async during<Result>(run: (workloads: Workloads) => Promise<Result>): Promise<Result> {
    const { kernel, tables } = this.bench;
    kernel.attach(tables.hooks());
    try {
      return await run(this.workloads);
    } finally {
      kernel.detachUnused([]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workloads[Symbol.asyncDispose]();
    this.bench.close();
  }
}

/** A program per policy. Owns them. */
class Programs {
  readonly #objects: BpfObject[] = [];
  readonly #libbpf: Libbpf;

  constructor(object: Uint8Array<ArrayBuffer>, { one, all }: { one: bigint; all: bigint }) {
    this.#libbpf = openLibbpf(openPayload().libbpfPath());
    const value = new Uint8Array(4);
    for (let i = 0; i < Math.max(...PROGRAM_COUNTS); i++) {
      const opened = this.#libbpf.openObject(object, `separate_policy_${i}`);
      this.#objects.push(opened);
      opened.load();
      for (const cgroup of i === 0 ? [one, all] : [all]) {
        opened.map("workloads").update(new Uint8Array(new BigUint64Array([cgroup]).buffer), value);
      }
      for (const path of pathsOf(i)) {
        const key = new Uint8Array(opened.map("paths").keySize);
        key.set(new TextEncoder().encode(path));
        opened.map("paths").update(key, value);
      }
    }
  }

  async during<Result>(count: number, run: () => Promise<Result>): Promise<Result> {
    const links = this.#objects.slice(0, count)
      .map((object) => object.program("on_separate_policy").attach());
    try {
      return await run();
    } finally {
      for (const link of links) link[Symbol.dispose]();
    }
  }

  /** The first one matches where it should. */
  async checkMatches(workloads: Workloads): Promise<void> {
    const matches = this.#objects[0]!.map("matches");
    const count = () => {
      const counts = new BigUint64Array(matches.lookup(new Uint8Array(4))!.buffer);
      return Number(counts.reduce((sum, value) => sum + value, 0n));
    };
    const found: number[] = [];
    await this.during(1, async () => {
      for (const ask of SITUATIONS) {
        const before = count();
        await ask(workloads, ONCE);
        found.push(count() - before);
      }
    });
    checkFound(found);
  }

  [Symbol.dispose](): void {
    for (const object of this.#objects) object[Symbol.dispose]();
    this.#libbpf[Symbol.dispose]();
  }
}

async function main([program, objectPath, roundCount]: readonly string[]): Promise<void> {
  if (program === undefined || objectPath === undefined || !(Number(roundCount) > 0)) {
    console.error("usage: policy_cost.ts WORKLOAD SEPARATE_OBJECT ROUNDS");
    Deno.exit(2);
  }
  await using stack = new AsyncDisposableStack();
  const sizes = new Map<number, Policies>();
  for (const count of POLICY_COUNTS) {
    sizes.set(count, stack.use(await Policies.open(program, count, false)));
  }
  const told = stack.use(await Policies.open(program, 1, true));
  const cgroup = stack.use(new TestCgroup(v2Hierarchy(), `/shrike-programs-${Deno.pid}`));
  const [all, one, idle] = ["all", "one", "idle"].map((name) => cgroup.make(name));
  const workloads = stack.use(new Workloads(program, { all: all!, one: one!, idle: idle! }));
  const object = await Deno.readFile(objectPath);
  const programs = stack.use(new Programs(object, { one: one!.id, all: all!.id }));
  await programs.checkMatches(workloads);
  const rounds: Round[] = [];
  for (let i = 0; i < Number(roundCount); i++) {
    rounds.push(await measureRound({ sizes, told, programs, workloads }));
  }
  console.log(JSON.stringify(rounds));
}

async function measureRound({ sizes, told, programs, workloads }: {
  readonly sizes: ReadonlyMap<number, Policies>;
  readonly told: Policies;
  readonly programs: Programs;
  readonly workloads: Workloads;
}): Promise<Round> {
  const bare = await workloads.all.callNs(LISTED, USUAL);
  const bareOther = await workloads.all.otherCallNs(USUAL);
  const byPolicies: Record<number, Costs> = {};
  for (const [count, policies] of sizes) {
    byPolicies[count] = await policies.during((own) => own.measure(USUAL));
  }
  const byPrograms: Record<number, Costs> = {};
  for (const count of PROGRAM_COUNTS) {
    const calls = count < 100 ? USUAL : LONG;
    byPrograms[count] = await programs.during(count, () => workloads.measure(calls));
  }
  const other = await sizes.get(1)!.during((own) => own.all.otherCallNs(USUAL));
  const toldNs = await told.during((own) => own.all.callNs(LISTED, TOLD));
  const hits = told.bench.take().length;
  const expected = TOLD.calls * TOLD.batches;
  if (hits !== expected) throw new Error(`${hits} of ${expected} calls were told`);
  return {
    ...{ bare, bareOther, other, told: toldNs },
    ...{ policies: byPolicies, programs: byPrograms },
  };
}

function nameOf(index: number): string {
  return `policy-${index}`;
}

function policyOf(index: number, action: Action) {
  return makePolicy(nameOf(index), {
    ...{ call: "prctl", types: ["nop", "string"] },
    selectors: [{
      conditions: [argumentIs(1, texts("text", ...pathsOf(index)))],
      actions: [action],
    }],
  });
}

await main(Deno.args);
