import assert from "node:assert/strict";
import { SeededRandom } from "../support/seeded_random.ts";
import { Simulation } from "./simulation.ts";

/** The length is a matter of the stage: `deno task simulate` makes five million. */
const RECORDS = Number(Deno.env.get("SHRIKE_SIMULATE") ?? 40_000);

Deno.test("the agent tells what was so, whatever is lost, late, named late or restarted", async () => {
  const { seed } = SeededRandom.fromEnvironment("simulate");
  const result = await new Simulation(seed, RECORDS).run();
  assert(result.made >= RECORDS);
  assert(result.events > result.made / 2, JSON.stringify(result));
});
