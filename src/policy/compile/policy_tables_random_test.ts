import assert from "node:assert/strict";
import { PolicyBench } from "../../../tests/support/policy_bench.ts";
import { RandomPolicies, WORKLOAD_SETS } from "../../../tests/support/random_policies.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import type { PolicyMode } from "../model.ts";
import { PolicyRefusal } from "./policy_refusal.ts";

const ROUNDS = 10;
const STEPS = 126;
const CALLS = 160;
const POLICIES_MAX = 24;

/** Changes the policies in one random way. */
async function step(bench: PolicyBench, make: RandomPolicies, random: SeededRandom) {
  const names = [...bench.policies.keys()];
  const name = random.pick(names as [string, ...string[]]);
  const comes = make.policy();
  const isFull = names.length >= POLICIES_MAX;
  const kind = names.length < 4 ? 0 : random.below(10);
  if (kind < 4 && !isFull) {
    await bench.tables.add(comes);
    bench.policies.set(comes.name, comes);
  } else if (kind < 6 || isFull) {
    await bench.tables.remove(name);
    bench.policies.delete(name);
  } else if (kind < 8) {
    await bench.tables.replace(name, comes);
    bench.policies.delete(name);
    bench.policies.set(comes.name, comes);
  } else {
    const mode = random.pick<PolicyMode>(["enforce", "monitor"]);
    await bench.tables.setMode(name, mode);
    bench.policies.set(name, { ...bench.policies.get(name)!, mode });
  }
}

Deno.test("PolicyTables say of random calls what the policies say, whatever came and went", async () => {
  const random = SeededRandom.fromEnvironment("policy tables");
  const count = { calls: 0, hits: 0, atEnd: 0, effects: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const bench = new PolicyBench();
    const make = new RandomPolicies(random);
    for (let set = 1; set < WORKLOAD_SETS; set++) assert.ok(await bench.tables.addSet(set));
    for (let i = 0; i < STEPS; i++) {
      try {
        await step(bench, make, random);
      } catch (error) {
        if (!(error instanceof PolicyRefusal)) throw error;
        count.refused++;
      }
      if (random.chance(0.3)) bench.tables.reclaim(() => random.chance(0.7));
      for (let j = 0; j < CALLS; j++) {
        const call = make.call();
        const set = random.below(WORKLOAD_SETS);
        const expected = bench.expected(call, set);
        const found = bench.found(call, set);
        count.calls++;
        if (expected.atCall.length > 0) count.hits++;
        if (expected.atEnd.length > 0) count.atEnd++;
        if (expected.atCall.some((act) => act.includes("enforce override"))) count.effects++;
        if (isSame(expected, found)) continue;
        assert.deepEqual(found, expected, Deno.inspect({ round, i, call, set }, { depth: 9 }));
      }
    }
    await bench.tables.change({ remove: [...bench.policies.keys()] });
    bench.tables.reclaim(() => true);
    assert.ok(bench.memory.isEmpty, Deno.inspect(bench.memory, { depth: 4 }));
    assert.deepEqual(bench.tables.usage(), { rows: 0, slots: 0, restingBits: 0 });
    assert.deepEqual(bench.tables.hooks(), []);
  }
  console.log(Deno.inspect(count));
  assert.ok(count.calls >= 200_000);
  assert.ok(count.hits > count.calls * 0.3 && count.hits < count.calls * 0.98);
  assert.ok(count.atEnd > count.calls * 0.1);
  assert.ok(count.effects > count.calls * 0.02);
  assert.ok(count.refused < ROUNDS * STEPS * 0.4);
});

function isSame(a: ReturnType<PolicyBench["found"]>, b: ReturnType<PolicyBench["found"]>): boolean {
  return a.atCall.join("\n") === b.atCall.join("\n") && a.atEnd.join("\n") === b.atEnd.join("\n");
}
