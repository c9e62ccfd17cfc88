import assert from "node:assert/strict";
import { PolicyBench } from "../../../tests/support/policy_bench.ts";
import { RandomPolicies } from "../../../tests/support/random_policies.ts";
import {
  argument,
  condition,
  hook,
  onArgument,
  pathPolicy,
  policy,
  selector,
  texts,
} from "../../../tests/support/sample_policies.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { estimateMemory } from "./memory_estimate.ts";
import { PolicyRefusal } from "./policy_refusal.ts";

Deno.test("estimateMemory() counts rows and map elements of the values", () => {
  const five = pathPolicy("five", "/a", "/b", "/c", "/d", "/e");
  assert.deepEqual(estimateMemory(five), { rows: 5 * 128, keys: 5 * 96, total: 5 * 224 });
  const prefix = selector([onArgument(0, texts("prefix", "/etc/"))]);
  const prefixes = policy("two", [hook([argument(1, "string")], [prefix, prefix])]);
  assert.deepEqual(estimateMemory(prefixes), { rows: 128, keys: 1024, total: 1152 });
  const tree = condition({ of: "binary", followChildren: true }, texts("text", "/bin/sh"));
  // The bit of the tree, and the program that begins it.
  assert.equal(estimateMemory(policy("tree", [hook([], [selector([tree])])])).rows, 2 * 128);
  assert.equal(estimateMemory(policy("none", [hook([], [selector([])])])).total, 0);
});

Deno.test("estimateMemory() never says less than a policy alone takes in rows", async () => {
  const random = SeededRandom.fromEnvironment("estimateMemory");
  const make = new RandomPolicies(random);
  let compared = 0;
  for (let i = 0; i < 300; i++) {
    const bench = new PolicyBench();
    const one = make.policy();
    try {
      await bench.tables.add(one);
    } catch (error) {
      if (error instanceof PolicyRefusal) continue;
      throw error;
    }
    compared++;
    assert.ok(estimateMemory(one).rows >= bench.tables.usage().rows * 128, Deno.inspect(one));
  }
  assert.ok(compared > 200);
});
