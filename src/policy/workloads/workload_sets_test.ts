import assert from "node:assert/strict";
import { SAMPLE_WORKLOAD } from "../../../tests/support/sample_events.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import type { Workload } from "../../events/mod.ts";
import { Counters } from "../../telemetry/mod.ts";
import { PolicyRefusal } from "../compile/policy_refusal.ts";
import { PolicyTables } from "../compile/policy_tables.ts";
import { MemoryTables } from "../evaluate/memory_tables.ts";
import type { Policy, PolicyBinding, WorkloadSelector } from "../model.ts";
import { decideBindings } from "./decide_bindings.ts";
import { WorkloadMatcher } from "./match_workload.ts";
import type { SetCgroup } from "./set_index.ts";
import { type PolicyStep, WorkloadSets } from "./workload_sets.ts";

const PLACE = { file: "p.yaml", line: 1, column: 1 };
const POINT = { kind: "syscall", name: "openat" } as const;

function workload(name: string): Workload {
  return { ...SAMPLE_WORKLOAD, kind: "service", name, id: name };
}

function cgroup(id: number, name: string, path = `/${name}`): SetCgroup {
  return { id: BigInt(id), createdNs: 1n, subject: { workload: workload(name), path } };
}

function names(...names: string[]): WorkloadSelector {
  return { place: PLACE, names };
}

/** `selectors`: one selector of the policy each, with the workloads that it names. */
function policy(
  name: string,
  workloads: readonly WorkloadSelector[] = [],
  { selectors = [[]], binding }: {
    selectors?: readonly (readonly WorkloadSelector[])[];
    binding?: Partial<PolicyBinding>;
  } = {},
): Policy {
  return {
    ...{ name, place: PLACE, mode: "enforce", workloads },
    hooks: [{
      ...{ point: POINT, place: PLACE, args: [], tags: [] },
      selectors: selectors.map((workloads) => ({
        ...{ place: PLACE, conditions: [], workloads },
        ...{ actions: [{ kind: "post" }], returnActions: [] },
      })),
    }],
    ...(binding !== undefined && {
      binding: { template: "t", name, overrideAllowed: true, overridePriority: 0, ...binding },
    }),
  };
}

/** Sets over tables in memory, and the kernel's idea of where each cgroup is. */
class Bench {
  readonly memory = new MemoryTables();
  readonly kernel = new Map<bigint, number>();
  readonly counters = new Counters();
  readonly inKernel = new Set<number>();
  readonly tables: PolicyTables;
  readonly sets: WorkloadSets;
  /** What was said of a set and a selector; it must not change while both are there. */
  readonly #said = new Map<Policy, Map<string, boolean>>();
  policies: Policy[] = [];

  constructor({ slotsMax = 256, setsMax = 256 } = {}) {
    this.tables = new PolicyTables({
      ...{ writer: this.memory, secret: [1, 2, 3, 4], rowsMax: 2049 + 64, slotsMax },
      concerns: (set, policy, hook, selector) => this.#concerns(set, policy, [hook, selector]),
      now: () => 0,
    });
    this.sets = new WorkloadSets({
      addSet: (set) => this.tables.addSet(set),
      removeSet: async (set) => {
        await this.tables.removeSet(set);
        for (const said of this.#said.values()) {
          for (const key of said.keys()) if (key.startsWith(`${set}.`)) said.delete(key);
        }
      },
      assign: ({ id }, set) => void this.kernel.set(id, set),
      setsInKernel: () => this.inKernel,
      modeOf: ({ mode }) => mode,
      counters: this.counters,
      setsMax,
    });
  }

  async step(step: Partial<PolicyStep>): Promise<void> {
    const { comes = [], goes = [] } = step;
    const staged = await this.sets.stage({ ...step, comes, goes });
    try {
      await this.tables.change(staged);
    } catch (error) {
      this.sets.discard(staged);
      throw error;
    }
    this.sets.conclude(staged, goes);
    this.policies = this.policies.filter((policy) => !goes.includes(policy))
      .map((policy) => staged.renewed.get(policy) ?? policy).concat(comes);
    this.tables.reclaim(() => true);
    await this.sets.settle();
  }

  async tell(...cgroups: readonly SetCgroup[]): Promise<void> {
    for (const cgroup of cgroups) this.sets.update(cgroup);
    await this.sets.settle();
  }

  /** Selectors that a process of the cgroup meets, "policy/selector", by the masks alone. */
  seen(id: number | bigint): string[] {
    const hook = this.tables.hookOf(POINT);
    if (hook === undefined) return [];
    const slot = this.memory.slotOf(this.kernel.get(BigInt(id)) ?? 0, hook);
    if (slot === undefined) return [];
    return slot.index.slice(0, slot.count).flatMap((word, i) =>
      this.tables.owners(hook, word, slot.mask[i]!)
    ).map(({ policy, selectorIndex }) => `${policy.name}/${selectorIndex}`).sort();
  }

  find(name: string): Policy {
    return this.policies.find((policy) => policy.name === name)!;
  }

  #concerns(set: number, policy: Policy, at: [number, number]): boolean {
    const answer = this.sets.concerns(set, policy, ...at);
    let said = this.#said.get(policy);
    if (said === undefined) this.#said.set(policy, said = new Map());
    const key = `${set}.${at.join(".")}`;
    const before = said.get(key) ?? answer;
    assert.equal(answer, before, `what concerns set ${set} has changed for "${policy.name}"`);
    said.set(key, answer);
    return answer;
  }
}

/** What policies say of a cgroup, as they are written. */
function expected(policies: readonly Policy[], { subject }: SetCgroup): string[] {
  const matches = (selectors: readonly WorkloadSelector[]) =>
    new WorkloadMatcher(selectors).match(subject) === "matched";
  const selecting = policies.filter(({ workloads }) => matches(workloads));
  const { losers } = decideBindings(selecting);
  return selecting.filter((policy) => !losers.has(policy)).flatMap(({ name, hooks }) =>
    hooks[0]!.selectors.flatMap(({ workloads }, i) => matches(workloads) ? [`${name}/${i}`] : [])
  ).sort();
}

Deno.test("WorkloadSets gives cgroups the policies that select them, and one set to those alike", async () => {
  const bench = new Bench();
  for (let id = 0; id < 100; id++) bench.sets.enter(cgroup(id, id % 2 === 0 ? "web" : "db"));
  assert.equal(bench.sets.isAsking, false);
  await bench.step({ comes: [policy("host"), policy("p", [names("web")])] });
  assert.equal(bench.sets.isAsking, true);
  assert.deepEqual(bench.seen(0), ["host/0", "p/0"]);
  assert.deepEqual(bench.seen(1), ["host/0"]);
  assert.equal(bench.counters.total("shrike_policy_sets"), 2);
  assert.deepEqual(bench.sets.workloadsOf(bench.find("p")), new Set(["web"]));
  assert.equal(bench.sets.workloadsOf(bench.find("host")), undefined);
  await bench.step({ goes: [bench.find("p")] });
  assert.deepEqual([bench.seen(0), bench.kernel.get(0n)], [["host/0"], 0]);
  assert.equal(bench.sets.isAsking, false);
  assert.equal(bench.counters.total("shrike_policy_set_cgroups"), 0);
});

Deno.test("WorkloadSets takes selectors of policies and of their selectors together", async () => {
  const bench = new Bench();
  const selectors = [[names("web-1")], [names("web-*")]];
  await bench.step({ comes: [policy("p", [names("web*")], { selectors })] });
  await bench.tell(cgroup(1, "web-1"), cgroup(2, "web-2"), cgroup(3, "web"), cgroup(4, "db"));
  assert.deepEqual([1, 2, 3, 4].map((id) => bench.seen(id)), [
    ["p/0", "p/1"],
    ["p/1"],
    ...[[], []],
  ]);
});

Deno.test("WorkloadSets.update() follows what is learned of a cgroup, and its end", async () => {
  const bench = new Bench();
  await bench.step({ comes: [policy("p", [names("web")])] });
  assert.equal(bench.sets.update(cgroup(1, "0123456789ab")), "assigned");
  assert.equal(bench.sets.update(cgroup(1, "web")), "waiting");
  await bench.sets.settle();
  assert.deepEqual(bench.seen(1), ["p/0"]);
  assert.equal(bench.sets.update(cgroup(1, "web")), "unchanged");
  assert.equal(bench.sets.update({ ...cgroup(1, "web"), createdNs: 9n }), "assigned", "reused id");
  bench.sets.forget(1n);
  assert.deepEqual(bench.sets.workloadsOf(bench.find("p")), new Set());
});

Deno.test("WorkloadSets lets the binding with the highest priority win, and others when it goes", async () => {
  const bench = new Bench();
  await bench.tell(cgroup(1, "web"));
  await bench.step({ comes: [policy("low", [], { binding: {} })] });
  await bench.step({
    comes: [policy("high", [names("web")], { binding: { overridePriority: 5 } })],
  });
  await bench.tell(cgroup(1, "web"), cgroup(2, "db"));
  assert.deepEqual([bench.seen(1), bench.seen(2)], [["high/0"], ["low/0"]]);
  await bench.tell(cgroup(3, "web"));
  assert.deepEqual(bench.seen(3), ["high/0"]);
  await bench.step({ goes: [bench.find("high")] });
  assert.deepEqual([bench.seen(1), bench.seen(2)], [["low/0"], ["low/0"]]);
});

Deno.test("WorkloadSets refuses a binding that conflicts on a workload that is there", async () => {
  const bench = new Bench();
  await bench.step({ comes: [policy("a", [names("web*")], { binding: {} })] });
  await bench.tell(cgroup(1, "web-1"), cgroup(2, "db"));
  const rival = policy("b", [names("*-1")], { binding: { overrideAllowed: false } });
  await assert.rejects(bench.step({ comes: [rival] }), (error) => {
    assert.ok(error instanceof PolicyRefusal);
    assert.match(error.reason, /^bindings "a" and "b" of template "t" select service web-1/);
    return true;
  });
  assert.deepEqual(bench.seen(1), ["a/0"]);
});

Deno.test("WorkloadSets lets neither of two bindings hold on a workload that comes later", async () => {
  const bench = new Bench();
  await bench.step({
    comes: [
      policy("a", [names("web*")], { binding: { overrideAllowed: false } }),
      policy("b", [names("*-1")], { binding: {} }),
    ],
  });
  await bench.tell(cgroup(1, "web-1"), cgroup(2, "web-2"), cgroup(3, "db-1"));
  assert.deepEqual([1, 2, 3].map((id) => bench.seen(id)), [[], ["a/0"], ["b/0"]]);
  const [conflict, ...more] = bench.sets.conflicts();
  assert.match(conflict!, /^bindings "a" and "b".*select service web-1, and not all/);
  assert.equal(more.length, 0);
});

Deno.test("WorkloadSets keeps a policy that is not enabled from every workload", async () => {
  const bench = new Bench();
  const quiet = policy("p", [names("web")]);
  await bench.step({ comes: [quiet], disabled: new Set([quiet]) });
  await bench.tell(cgroup(1, "web"));
  assert.deepEqual(bench.seen(1), []);
  await bench.step({ goes: [quiet], comes: [policy("p", [names("web")])] });
  assert.deepEqual(bench.seen(1), ["p/0"]);
});

Deno.test("WorkloadSets.stage() changes nothing when there is no room for a set", async () => {
  const bench = new Bench({ setsMax: 2 });
  await bench.step({ comes: [policy("p", [names("a")])] });
  await bench.tell(cgroup(1, "a"), cgroup(2, "b"), cgroup(3, "c"));
  const more = policy("q", [names("b")]);
  await assert.rejects(bench.step({ comes: [more] }), PolicyRefusal);
  assert.deepEqual([1, 2, 3].map((id) => bench.seen(id)), [["p/0"], [], []]);
  await bench.step({ goes: [bench.find("p")] });
  assert.equal(bench.sets.isAsking, false, "nothing is left of what was refused");
});

Deno.test("WorkloadSets counts cgroups whose set finds no room", async () => {
  const bench = new Bench({ slotsMax: 1 });
  await bench.step({ comes: [policy("p"), policy("q", [names("a")])] });
  await bench.tell(cgroup(1, "a"));
  assert.equal(bench.counters.total("shrike_policy_sets_refused_total"), 1);
  assert.deepEqual(bench.seen(1), ["p/0"], "it has what its parent has");
});

Deno.test("WorkloadSets.tick() removes sets that have been empty for long, if the kernel has none", async () => {
  const bench = new Bench();
  await bench.step({ comes: [policy("p", [names("a")])] });
  await bench.tell(cgroup(1, "a"));
  const set = bench.kernel.get(1n)!;
  await bench.sets.tick(100_000);
  bench.sets.forget(1n);
  await bench.sets.tick(109_000);
  await bench.tell(cgroup(2, "a"));
  assert.equal(bench.kernel.get(2n), set, "it is used again");
  bench.sets.forget(2n);
  bench.inKernel.add(set);
  await bench.sets.tick(200_000);
  await bench.sets.tick(300_000);
  assert.equal(bench.counters.total("shrike_policy_sets"), 2, "the kernel has it");
  bench.inKernel.clear();
  await bench.sets.tick(400_000);
  assert.equal(bench.counters.total("shrike_policy_sets"), 1);
  await bench.tell(cgroup(3, "a"));
  assert.deepEqual(bench.seen(3), ["p/0"]);
});

Deno.test("WorkloadSets agrees with policies as they are written, whatever comes and goes", async () => {
  const random = SeededRandom.fromEnvironment("WorkloadSets");
  const bench = new Bench();
  const words = ["a", "b", "c", "d", "e*", "?", "*"] as [string, ...string[]];
  const pick = () => Array.from({ length: random.below(3) }, () => names(random.pick(words)));
  const cgroups = new Map<number, SetCgroup>();
  let [count, nowMs] = [0, 0];
  for (let round = 0; round < 400; round++) {
    const kind = random.below(6);
    const name = random.pick(["a", "b", "c", "d", "e1", "e2"]);
    if (kind < 2) {
      const id = random.below(30);
      const made = cgroup(id, name);
      cgroups.set(id, made);
      if (bench.sets.isAsking) await bench.tell(made);
    } else if (kind === 2) {
      const id = random.below(30);
      cgroups.delete(id);
      bench.kernel.delete(BigInt(id));
      bench.sets.forget(BigInt(id));
    } else if (kind === 3 && bench.policies.length < 20) {
      const binding = random.chance(0.6)
        ? { overridePriority: random.below(3), template: random.pick(["t", "u"]) }
        : undefined;
      const selectors = Array.from({ length: 1 + random.below(2) }, pick);
      const comes = [
        policy(`p${count++}`, pick(), { selectors, ...(binding && { binding }) }),
      ];
      const goes = bench.policies.filter(() => random.chance(0.1));
      if (!bench.sets.isAsking) { for (const known of cgroups.values()) bench.sets.enter(known); }
      try {
        await bench.step({ comes, goes });
      } catch (error) {
        assert.ok(error instanceof PolicyRefusal, `${error}`);
      }
    } else if (kind === 4) {
      await bench.step({ goes: bench.policies.filter(() => random.chance(0.2)) });
    } else await bench.sets.tick(nowMs += random.below(40_000));
    for (const [id, known] of cgroups) {
      assert.deepEqual(bench.seen(id), expected(bench.policies, known), `round ${round}, ${id}`);
    }
  }
  assert.ok(count > 20);
});
