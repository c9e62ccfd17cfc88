import assert from "node:assert/strict";
import { type CallActs, PolicyBench } from "../../../tests/support/policy_bench.ts";
import { RandomPolicies, WORKLOAD_SETS } from "../../../tests/support/random_policies.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { MemoryTables } from "../evaluate/memory_tables.ts";
import type { PolicyCall } from "../evaluate/policy_call.ts";
import {
  finish,
  type Program,
  runCall,
  runEnd,
  type SavedWords,
} from "../evaluate/simulate_call.ts";
import type { Policy } from "../model.ts";
import { PolicyRefusal } from "./policy_refusal.ts";

/** Tables where a grace period lasts until the programs that run have ended. */
class BusyTables extends MemoryTables {
  onSettle: () => void = () => {};

  override settle(): Promise<void> {
    this.onSettle();
    return super.settle();
  }
}

/** One change, and what the policies are after it. */
interface Change {
  readonly run: () => Promise<void>;
  readonly after: ReadonlyMap<string, Policy>;
}

function randomChange(bench: PolicyBench, make: RandomPolicies, random: SeededRandom): Change {
  const after = new Map(bench.policies);
  const names = [...bench.policies.keys()];
  const name = random.pick(names as [string, ...string[]]);
  const comes = make.policy();
  const kind = names.length < 3 ? 0 : names.length > 12 ? 1 : random.below(3);
  if (kind !== 0) after.delete(name);
  if (kind !== 1) after.set(comes.name, comes);
  const change = { add: kind === 1 ? [] : [comes], remove: kind === 0 ? [] : [name] };
  return { after, run: () => bench.tables.change(change) };
}

async function isRefused(run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    return false;
  } catch (error) {
    if (error instanceof PolicyRefusal) return true;
    throw error;
  }
}

const PLACE = { file: "filler.yaml", line: 1, column: 1 };

/** Selectors that nothing meets: they leave little room in a word, so that policies need many. */
function filler(make: RandomPolicies, index: number): Policy {
  const selector = {
    ...{ place: PLACE, conditions: [], workloads: [{ place: PLACE, names: ["nobody"] }] },
    ...{ actions: [{ kind: "post" as const }], returnActions: [] },
  };
  const hook = { place: PLACE, args: [], tags: [], selectors: Array(50).fill(selector) };
  const hooks = make.points.map((point) => ({ point, ...hook }));
  return { name: `filler-${index}`, place: PLACE, mode: "monitor", workloads: [], hooks };
}

async function makeBench(make: RandomPolicies, memory: MemoryTables): Promise<PolicyBench> {
  const bench = new PolicyBench({}, memory);
  for (let set = 1; set < WORKLOAD_SETS; set++) assert.ok(await bench.tables.addSet(set));
  for (let i = 0; i < 14; i++) await bench.tables.add(filler(make, i));
  return bench;
}

Deno.test("PolicyTables show a call the old policies or the new ones, after every single store", async () => {
  const random = SeededRandom.fromEnvironment("policy stores");
  const make = new RandomPolicies(random);
  const memory = new MemoryTables();
  const bench = await makeBench(make, memory);
  const count = { stores: 0, compared: 0, differ: 0 };
  for (let i = 0; i < 70; i++) {
    const { run, after } = randomChange(bench, make, random);
    const probes = Array.from({ length: 3 }, () => {
      const [call, set] = [wholeCall(make), random.below(WORKLOAD_SETS)];
      const old = bench.expected(call, set);
      const isNew = { seen: false };
      return { call, set, old, isNew, new: bench.expected(call, set, after.values()) };
    });
    memory.onStore = () => {
      count.stores++;
      for (const { call, set, old, isNew, new: expected } of probes) {
        const found = bench.found(call, set);
        const differs = !isSame(old, expected);
        count.compared++;
        if (differs) count.differ++;
        // What was seen once is not unseen.
        if (differs && isSame(found, expected)) isNew.seen = true;
        assert.deepEqual(found, isNew.seen ? expected : old);
      }
    };
    const wasRefused = await isRefused(run);
    memory.onStore = () => {};
    if (wasRefused) continue;
    for (const { call, set, new: expected } of probes) {
      assert.deepEqual(bench.found(call, set), expected);
    }
    bench.policies.clear();
    for (const [name, policy] of after) bench.policies.set(name, policy);
    if (random.chance(0.3)) bench.tables.reclaim(() => true);
  }
  console.log(Deno.inspect(count));
  assert.ok(count.stores > 5_000 && count.differ > 1_000);
});

/** A program that has begun and goes on now and then while tables change. */
interface Running {
  readonly program: Program<CallActs["atCall"]>;
  readonly allowed: readonly CallActs["atCall"][];
  readonly call: PolicyCall;
}

Deno.test("PolicyTables show a program the old policies or the new ones, wherever stores meet it", async () => {
  const random = SeededRandom.fromEnvironment("policy programs");
  const make = new RandomPolicies(random);
  const memory = new BusyTables();
  const bench = await makeBench(make, memory);
  const count = { ended: 0, met: 0, hits: 0 };
  let running: Running[] = [];
  const goOn = ({ program, allowed, call }: Running, isLast: boolean): boolean => {
    let result = program.next();
    while (isLast && result.done !== true) result = program.next();
    if (result.done !== true) return true;
    count.ended++;
    if (result.value.length > 0) count.hits++;
    if (allowed[0]!.join() !== allowed[1]!.join()) count.met++;
    const isRight = allowed.some((acts) => acts.join() === (result.value as string[]).join());
    assert.ok(isRight, Deno.inspect({ call, allowed, found: result.value }, { depth: 9 }));
    return false;
  };
  for (let i = 0; i < 110; i++) {
    const { run, after } = randomChange(bench, make, random);
    const begin = (): Running | undefined => {
      const [call, set] = [wholeCall(make), random.below(WORKLOAD_SETS)];
      const context = bench.context(call, set);
      if (context === undefined) return undefined;
      const allowed = [
        bench.expected(call, set).atCall,
        bench.expected(call, set, after.values()).atCall,
      ];
      // The trees of a process are what they were when it was made: all that are or come.
      const program = function* () {
        const { hits } = yield* runCall(context, call);
        return bench.actsOfHits(context.hook, hits);
      };
      return { program: program(), allowed, call };
    };
    memory.onStore = () => {
      if (running.length < 12) {
        const begun = begin();
        if (begun !== undefined) running.push(begun);
      }
      running = running.filter((one) => !random.chance(0.5) || goOn(one, false));
    };
    memory.onSettle = () => {
      running = running.filter((one) => goOn(one, true));
    };
    const wasRefused = await isRefused(run);
    memory.onSettle();
    memory.onStore = () => {};
    if (wasRefused) continue;
    bench.policies.clear();
    for (const [name, policy] of after) bench.policies.set(name, policy);
    if (random.chance(0.3)) bench.tables.reclaim(() => true);
  }
  console.log(Deno.inspect(count));
  assert.ok(count.ended > 3_000 && count.met > 200 && count.hits > 500);
});

/** Memory that is missing is decided upon later: policy_tables_random_test.ts. */
function wholeCall(make: RandomPolicies): PolicyCall {
  return { ...make.call(), missing: [] };
}

/** A call that has not ended. */
interface Blocked {
  readonly call: PolicyCall;
  readonly set: number;
  readonly saved: SavedWords;
  readonly policies: readonly Policy[];
}

/** Begins a call; undefined when it has nothing to do at its end. */
function block(bench: PolicyBench, call: PolicyCall, set: number): Blocked | undefined {
  const context = bench.context(call, set);
  if (context === undefined) return undefined;
  const { saved } = finish(runCall(context, call));
  if (saved.bits.every((bits) => bits === 0n)) return undefined;
  return { call, set, saved, policies: [...bench.policies.values()] };
}

function* endOf(bench: PolicyBench, { call, set, saved }: Blocked): Program<readonly string[]> {
  const context = bench.context(call, set);
  if (context === undefined) return [];
  return bench.actsOfHits(context.hook, yield* runEnd(context, call, saved));
}

/** What a call does at its end: that of the policies it began with that are still there. */
function leftAtEnd(bench: PolicyBench, blocked: Blocked, now: ReadonlyMap<string, Policy>) {
  const left = blocked.policies.filter((policy) => now.get(policy.name) === policy);
  return bench.expected(blocked.call, blocked.set, left.values()).atEnd;
}

Deno.test("PolicyTables leave the end of a call to the policies that saw its begin", async () => {
  const random = SeededRandom.fromEnvironment("policy calls");
  const make = new RandomPolicies(random);
  const memory = new BusyTables();
  const bench = await makeBench(make, memory);
  const count = { ended: 0, met: 0, hits: 0, removed: 0 };
  let blocked: Blocked[] = [];
  let running: { program: Program<readonly string[]>; most: Set<string>; least: string[] }[] = [];
  const goOn = ({ program, most, least }: typeof running[number], isLast: boolean): boolean => {
    let result = program.next();
    while (isLast && result.done !== true) result = program.next();
    if (result.done !== true) return true;
    const found = result.value as readonly string[];
    assert.ok(found.every((act) => most.has(act)), Deno.inspect({ found, most, least }));
    assert.ok(least.every((act) => found.includes(act)), Deno.inspect({ found, most, least }));
    count.ended++;
    if (found.length > 0) count.hits++;
    if (least.length < most.size) count.met++;
    return false;
  };
  for (let i = 0; i < 400; i++) {
    const { run, after } = randomChange(bench, make, random);
    memory.onStore = () => {
      if (blocked.length > 0 && running.length < 12 && random.chance(0.1)) {
        const one = blocked.splice(random.below(blocked.length), 1)[0]!;
        const most = new Set(leftAtEnd(bench, one, bench.policies));
        const least = [...leftAtEnd(bench, one, after)];
        running.push({ program: endOf(bench, one), most, least });
      }
      running = running.filter((one) => !random.chance(0.5) || goOn(one, false));
    };
    memory.onSettle = () => {
      running = running.filter((one) => goOn(one, true));
    };
    const wasRefused = await isRefused(run);
    memory.onSettle();
    memory.onStore = () => {};
    if (wasRefused) continue;
    if (after.size <= bench.policies.size) count.removed++;
    bench.policies.clear();
    for (const [name, policy] of after) bench.policies.set(name, policy);
    for (let j = 0; j < 40; j++) {
      const begun = block(bench, wholeCall(make), random.below(WORKLOAD_SETS));
      if (begun !== undefined) blocked.push(begun);
    }
    blocked = blocked.slice(-200);
    bench.tables.reclaim(({ hook, word, bits }) =>
      !blocked.some(({ call, saved }) =>
        bench.tables.hookOf(call.point) === hook &&
        saved.index.some((index, at) => index === word && (saved.bits[at]! & bits) !== 0n)
      )
    );
  }
  console.log(Deno.inspect(count));
  assert.ok(count.ended > 500 && count.met > 50 && count.hits > 200);
});

function isSame(a: CallActs, b: CallActs): boolean {
  return a.atCall.join("\n") === b.atCall.join("\n") && a.atEnd.join("\n") === b.atEnd.join("\n");
}
