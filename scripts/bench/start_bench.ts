/**
 * Bench (f): time from the start of the executable to the first live event on stdout.
 *
 * @module
 */
import { runTool } from "../build/run_tool.ts";
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { parseStamps, timeExecs } from "./event_lines.ts";
import { measurementOf } from "./measurement.ts";
import { RunningAgent } from "./running_agent.ts";

const WARM_ROUNDS = 7;
const COLD_ROUNDS = 3;
const START_MAX_S = 1;
const NS_PER_S = 1e9;
/** How often something is there to see; adds at most 5 ms to the result. */
const EXECS_PER_SECOND = 200;
const EXECS_MAX = 100_000;

/** Start to first event, with the executable in the page cache and not. */
export const startBench: Bench = {
  name: "start",
  summary: "time from the start of the executable to the first live event on stdout",
  async run(context) {
    const load = new Deno.Command(context.programs.storm, {
      args: [context.programs.stormChild, String(EXECS_MAX), String(EXECS_PER_SECOND)],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      // The first start may fill caches of the agent's own.
      await startOnce(context);
      const warm: number[] = [];
      for (let i = 0; i < WARM_ROUNDS; i++) warm.push(await startOnce(context));
      const cold: number[] = [];
      for (let i = 0; i < COLD_ROUNDS; i++) {
        await dropFromPageCache(context.agent);
        cold.push(await startOnce(context));
      }
      const bench = "start";
      const unit = "s";
      return [
        measurementOf(warm, {
          bench,
          what: "start to first live event",
          unit,
          target: { atMost: START_MAX_S },
        }),
        measurementOf(cold, { bench, what: "the same, executable not in the page cache", unit }),
      ];
    } finally {
      load.kill("SIGKILL");
      await load.status;
    }
  },
};

async function startOnce(context: BenchContext): Promise<number> {
  const agent = await RunningAgent.start(context, { stamped: true });
  try {
    await agent.waitUntilLive();
    await agent.stop();
  } catch (error) {
    await agent.kill();
    throw error;
  }
  const stamps = parseStamps(await Deno.readTextFile(agent.stamps));
  const started = stamps[0];
  const first = timeExecs(await Deno.readFile(agent.output), stamps).find((exec) => exec.live);
  if (started === undefined || first === undefined) {
    throw new BenchError(
      "Cannot measure the start: no live event",
      "run `dist/shrike run` by hand",
    );
  }
  const seconds = Number(first.arrivalNs - started.timeNs) / NS_PER_S;
  context.say(`start: ${seconds.toFixed(3)} s`);
  return seconds;
}

/** dd tells the kernel to forget what it just opened; works on clean pages nobody has mapped. */
async function dropFromPageCache(path: string): Promise<void> {
  await runTool("sync", [path]);
  await runTool("dd", [`of=${path}`, "oflag=nocache", "conv=notrunc", "count=0", "status=none"]);
}
