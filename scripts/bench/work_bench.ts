/**
 * What the main thread does in one go and must have an end: cgroups at the start, forks without
 * end, texts of policies that are hard to read.
 *
 * @module
 */
import { join } from "node:path";
import { runTool } from "../build/run_tool.ts";
import { pinnedDeno } from "../build/workspace.ts";
import type { Bench } from "./bench.ts";
import { measurementOf } from "./measurement.ts";

const ROUNDS = 5;
/** Goal for the start of the agent. */
const WALK_MS_MAX = 300;

/** As tests/bench/bounded_work.ts prints it. */
interface Work {
  readonly walkMs: number;
  readonly cgroups: number;
  readonly forkBombMs: number;
  readonly hostileTextMs: number;
}

/** CPU time of work that is bounded. */
export const workBench: Bench = {
  name: "work",
  summary: "CPU time of a walk of 10,000 cgroups, of 200,000 forks, of a hostile text of a policy",
  async run({ workspace, say }) {
    const script = join(workspace.root, "tests/bench/bounded_work.ts");
    const rounds: Work[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const output = await runTool(pinnedDeno(workspace), ["run", "-A", "--no-check", script]);
      const work = JSON.parse(output) as Work;
      rounds.push(work);
      say(`work ${i + 1}/${ROUNDS}: walk ${work.walkMs.toFixed()} ms of ${work.cgroups} cgroups`);
    }
    const shared = { bench: "work", unit: "ms" };
    return [
      measurementOf(rounds.map(({ walkMs }) => walkMs), {
        ...{ ...shared, what: "walk of 10,000 cgroups, CPU", target: { atMost: WALK_MS_MAX } },
      }),
      measurementOf(rounds.map(({ forkBombMs }) => forkBombMs), {
        ...{ ...shared, what: "200,000 forks that never exit, CPU" },
      }),
      measurementOf(rounds.map(({ hostileTextMs }) => hostileTextMs), {
        ...{ ...shared, what: "a policy's text of 1 MB that is hard to read, CPU" },
      }),
    ];
  },
};
