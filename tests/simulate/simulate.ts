/**
 * The simulation in its full length:
 *
 *     deno task simulate [RECORDS]
 *
 * @module
 */
import { SeededRandom } from "../support/seeded_random.ts";
import { Simulation } from "./simulation.ts";

const RECORDS = 5_000_000;

if (import.meta.main) {
  const { seed } = SeededRandom.fromEnvironment("simulate");
  const started = performance.now();
  const result = await new Simulation(seed, Number(Deno.args[0] ?? RECORDS)).run();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${JSON.stringify(result)} in ${seconds} s`);
}
