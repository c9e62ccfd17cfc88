/**
 * Benches (b) and (c): what 5,000 execs cost with and without the agent.
 *
 * @module
 */
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { countStorm } from "./event_lines.ts";
import { type Measurement, measurementOf } from "./measurement.ts";
import { readCpuUsage } from "./process_usage.ts";
import { RunningAgent, runStorm, type StormRun } from "./running_agent.ts";
import { median } from "./statistics.ts";

const EXECS = 5000;
const ROUNDS = 7;
const RATIO_MAX = 1.15;
const NS_PER_US = 1000;

/** What one round gave. */
interface Round {
  readonly bareNs: number;
  readonly bareCpuNs: number;
  readonly firstNs: number;
  readonly watchedNs: number;
  readonly watchedCpuNs: number;
  readonly drainMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  readonly missing: number;
}

/** Exec storm with and without the agent, its CPU time per exec, nothing lost. */
export const stormBench: Bench = {
  name: "storm",
  summary: "5,000 fork+exec+wait with and without the agent, and the agent's CPU per exec",
  async run(context) {
    // One run ahead, so that neither side pays for cold caches.
    await runStorm(context, context.programs.stormChild, EXECS);
    const rounds: Round[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      // Bare storms before and after: what drifts on the machine hits both sides alike.
      const before = await runStorm(context, context.programs.stormChild, EXECS);
      const watched = await runWatched(context);
      const after = await runStorm(context, context.programs.stormChild, EXECS);
      const round = {
        ...watched,
        bareNs: (before.wallNs + after.wallNs) / 2,
        bareCpuNs: (before.cpuNs + after.cpuNs) / 2,
      };
      rounds.push(round);
      context.say(describeRound(i, round));
    }
    return measurementsOf(rounds);
  },
};

async function runWatched(context: BenchContext): Promise<Omit<Round, "bareNs" | "bareCpuNs">> {
  const agent = await RunningAgent.start(context);
  try {
    await agent.waitUntilLive();
    const first = await stormSeen(context, agent);
    const cpuBefore = await readCpuUsage(agent.pid);
    const second = await stormSeen(context, agent);
    const cpu = await readCpuUsage(agent.pid);
    await agent.stop();
    return {
      firstNs: first.wallNs,
      watchedNs: second.wallNs,
      watchedCpuNs: second.cpuNs,
      drainMs: second.drainMs,
      userMs: cpu.userMs - cpuBefore.userMs,
      systemMs: cpu.systemMs - cpuBefore.systemMs,
      missing: first.missing + second.missing,
    };
  } catch (error) {
    await agent.kill();
    throw error;
  }
}

/** One storm and its events; throws when events came twice. */
async function stormSeen(
  context: BenchContext,
  agent: RunningAgent,
): Promise<StormRun & { readonly drainMs: number; readonly missing: number }> {
  const child = context.programs.stormChild;
  const storm = await runStorm(context, child, EXECS);
  const ended = performance.now();
  const lines = await agent.linesUntilFence();
  const drainMs = performance.now() - ended;
  const seen = countStorm(lines, storm.pid, child);
  if (seen.doubled > 0) {
    throw new BenchError(
      `Cannot measure a storm: "${seen.doubled}" events came more than once`,
      "find out with `deno task test:e2e`",
    );
  }
  const missing = EXECS - seen.execs + EXECS - seen.exits + seen.lost;
  return { ...storm, drainMs, missing };
}

function measurementsOf(rounds: readonly Round[]): Measurement[] {
  const perExec = (ns: number) => `${(ns / EXECS / NS_PER_US).toFixed(1)} us per exec`;
  const bare = median(rounds.map((round) => round.bareNs));
  const user = median(rounds.map((round) => round.userMs / (round.userMs + round.systemMs)));
  const cpuUs = rounds.map((round) => (round.userMs + round.systemMs) * NS_PER_US / EXECS);
  return [
    measurementOf(rounds.map((round) => round.watchedNs / round.bareNs), {
      bench: "storm",
      what: `time of ${EXECS} execs with the agent to that without`,
      unit: "",
      reference: `without ${perExec(bare)}`,
      target: { atMost: RATIO_MAX },
    }),
    measurementOf(rounds.map((round) => round.watchedCpuNs / round.bareCpuNs), {
      bench: "storm",
      what: "the same for the CPU time of the storm itself",
      unit: "",
      reference: "the part that the BPF programs have",
    }),
    measurementOf(rounds.map((round) => round.firstNs / round.bareNs), {
      bench: "storm",
      what: "its wall time in the first storm after start",
      unit: "",
    }),
    measurementOf([rounds.reduce((sum, round) => sum + round.missing, 0)], {
      bench: "storm",
      what: `events missing or lost of ${rounds.length * 4 * EXECS}`,
      unit: "",
      target: { atMost: 0 },
    }),
    measurementOf(cpuUs, {
      bench: "storm",
      what: "CPU time of the agent per exec",
      unit: "us",
      reference: `${Math.round(user * 100)} % of it user`,
    }),
    measurementOf(rounds.map((round) => round.drainMs), {
      bench: "storm",
      what: "from the end of a storm to its last line",
      unit: "ms",
    }),
  ];
}

function describeRound(index: number, round: Round): string {
  const ms = (ns: number) => `${(ns / 1e6).toFixed(0)} ms`;
  return `storm ${index + 1}/${ROUNDS}: without ${ms(round.bareNs)}, with ${ms(round.watchedNs)}` +
    ` (first ${ms(round.firstNs)}), agent CPU ${(round.userMs + round.systemMs).toFixed(0)} ms,` +
    ` missing ${round.missing}`;
}
