/**
 * The simulation in its full length, a host for each CPU, with seeds one after the other:
 *
 *     deno task simulate [RECORDS]
 *
 * @module
 */
import { SeededRandom } from "../support/seeded_random.ts";
import type { SimulationOrder } from "./simulate_worker.ts";
import type { SimulationResult } from "./simulation.ts";

const RECORDS = 5_000_000;

/** What a worker answers. */
type Answer = { readonly result: SimulationResult } | { readonly error: string };

function simulate(order: SimulationOrder): Promise<Answer> {
  const worker = new Worker(new URL("./simulate_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve } = Promise.withResolvers<Answer>();
  worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    resolve({ error: event.message });
  };
  worker.postMessage(order);
  return promise.finally(() => worker.terminate());
}

async function main(): Promise<number> {
  const { seed } = SeededRandom.fromEnvironment("simulate");
  const records = Number(Deno.args[0] ?? RECORDS);
  if (!(records > 0)) {
    console.error(`simulate: "${Deno.args[0]}" is not a number of records`);
    return 2;
  }
  const hosts = navigator.hardwareConcurrency;
  const started = performance.now();
  const share = Math.ceil(records / hosts);
  const answers = await Promise.all(
    Array.from({ length: hosts }, (_, at) => simulate({ seed: seed + at, records: share })),
  );
  for (const answer of answers) {
    console.log("error" in answer ? answer.error : JSON.stringify(answer.result));
  }
  console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
  return answers.some((answer) => "error" in answer) ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
