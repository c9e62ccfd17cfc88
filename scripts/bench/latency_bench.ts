/**
 * Bench (e): time from an exec in the kernel to its line on stdout.
 *
 * @module
 */
import { join } from "node:path";
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { parseStamps, type TimedExec, timeExecs } from "./event_lines.ts";
import type { Measurement } from "./measurement.ts";
import { RunningAgent, runStorm } from "./running_agent.ts";
import { median, quantile, spread } from "./statistics.ts";

const ROUNDS = 4;
const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;

/** One load under which lines are timed. */
interface Load {
  readonly name: string;
  readonly perSecond: number;
  readonly execs: number;
  readonly p99MaxMs: number;
}

const LOADS: readonly Load[] = [
  { name: "10 execs/s", perSecond: 10, execs: 60, p99MaxMs: 5 },
  { name: "1,000 execs/s", perSecond: 1000, execs: 3000, p99MaxMs: 20 },
];

/** One run of a load: which process made it and when its children called execve(). */
interface PacedRun {
  readonly load: Load;
  readonly pid: number;
  readonly calledNs: ReadonlyMap<number, bigint>;
}

/** One timed line: ms from the kernel's time to the arrival, and what the clocks say besides. */
interface Sample {
  readonly latencyMs: number;
  /** From before execve() to the arrival: no clock of ours in it. */
  readonly fromCallMs: number;
  /** From before execve() to the time the event names. */
  readonly callToEventUs: number;
}

/** Time from exec to line, idle and busy. */
export const latencyBench: Bench = {
  name: "latency",
  summary: "time from an exec in the kernel to its line on stdout, idle and at 1,000 execs/s",
  async run(context) {
    const agent = await RunningAgent.start(context, { stamped: true });
    const runs: PacedRun[] = [];
    try {
      await agent.waitUntilLive();
      for (let round = 0; round < ROUNDS; round++) {
        for (const load of LOADS) {
          runs.push(await runLoad(context, load, join(context.scratch, `called_${runs.length}`)));
          await agent.linesUntilFence();
        }
        context.say(`latency ${round + 1}/${ROUNDS}`);
      }
      await agent.stop();
    } catch (error) {
      await agent.kill();
      throw error;
    }
    const stamps = parseStamps(await Deno.readTextFile(agent.stamps));
    const execs = timeExecs(await Deno.readFile(agent.output), stamps);
    const bySource = Map.groupBy(execs, (exec) => exec.parentPid);
    return LOADS.flatMap((load) =>
      measurementsOf(
        load,
        runs.filter((run) => run.load === load)
          .map((run) => samplesOf(context, run, bySource.get(run.pid) ?? [])),
      )
    );
  },
};

async function runLoad(context: BenchContext, load: Load, stamps: string): Promise<PacedRun> {
  const child = context.programs.stormChild;
  const { pid } = await runStorm(context, child, load.execs, String(load.perSecond), stamps);
  const calledNs = new Map<number, bigint>();
  for (const line of (await Deno.readTextFile(stamps)).split("\n")) {
    const [childPid, timeNs] = line.split(" ");
    if (timeNs !== undefined) calledNs.set(Number(childPid), BigInt(timeNs));
  }
  return { load, pid, calledNs };
}

function samplesOf(
  context: BenchContext,
  run: PacedRun,
  execs: readonly TimedExec[],
): readonly Sample[] {
  const samples: Sample[] = [];
  for (const exec of execs) {
    const calledNs = run.calledNs.get(exec.pid);
    if (exec.binary !== context.programs.stormChild || calledNs === undefined) continue;
    samples.push({
      latencyMs: Number(exec.arrivalNs - exec.eventNs) / NS_PER_MS,
      fromCallMs: Number(exec.arrivalNs - calledNs) / NS_PER_MS,
      callToEventUs: Number(exec.eventNs - calledNs) / NS_PER_US,
    });
  }
  if (samples.length !== run.load.execs) {
    throw new BenchError(
      `Cannot measure latency: "${samples.length}" of ${run.load.execs} execs have a line`,
      "run `deno task bench storm`, it counts losses",
    );
  }
  return samples;
}

function measurementsOf(load: Load, rounds: readonly (readonly Sample[])[]): Measurement[] {
  const bench = "latency";
  const unit = "ms";
  const all = rounds.flat();
  const pooled = (share: number, take: (sample: Sample) => number) => ({
    measured: quantile(all.map(take), share),
    spread: spread(rounds.map((round) => quantile(round.map(take), share))),
  });
  const early = all.map((sample) => sample.callToEventUs);
  const clocks = `event time is ${median(early).toFixed(0)} us (least ` +
    `${quantile(early, 0).toFixed(0)}) after execve() was called`;
  return [
    {
      bench,
      what: `exec to line, p50, ${load.name}`,
      unit,
      ...pooled(0.5, (sample) => sample.latencyMs),
      reference: clocks,
    },
    {
      bench,
      what: `exec to line, p99, ${load.name}`,
      unit,
      ...pooled(0.99, (sample) => sample.latencyMs),
      reference: `${all.length} execs, worst ${
        quantile(all.map((sample) => sample.latencyMs), 1).toFixed(2)
      } ms`,
      target: { atMost: load.p99MaxMs },
    },
    {
      bench,
      what: `execve() call to line, p99, ${load.name}`,
      unit,
      ...pooled(0.99, (sample) => sample.fromCallMs),
    },
  ];
}
