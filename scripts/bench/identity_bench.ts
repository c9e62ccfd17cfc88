/**
 * What it costs to know the cgroup and the workload of every process.
 *
 * @module
 */
import { join } from "node:path";
import { runTool } from "../build/run_tool.ts";
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { countStorm } from "./event_lines.ts";
import { type Measurement, measurementOf } from "./measurement.ts";
import { readCpuUsage, readMemoryUsage } from "./process_usage.ts";
import { RunningAgent, runStorm } from "./running_agent.ts";

const EXECS = 5000;
const ROUNDS = 7;
const RATIO_MAX = 1.05;
const CGROUPS = 4000;
const NS_PER_MS = 1e6;
const US_PER_MS = 1000;
const KIB = 1024;

/** CPU time of one storm and of the agent that watched it. */
interface Cost {
  readonly stormMs: number;
  readonly agentMs: number;
}

/** Storms with and without cgroups; memory of many cgroups. */
export const identityBench: Bench = {
  name: "identity",
  summary: "an exec's cost with and without its cgroup and workload; memory per 1,000 cgroups",
  async run(context) {
    await runStorm(context, context.programs.stormChild, EXECS);
    const rounds: { readonly without: Cost; readonly with: Cost }[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      // In turns, so that what drifts on the machine hits both alike.
      const first = await costOf(context, i % 2 === 1);
      const second = await costOf(context, i % 2 === 0);
      const [without, whole] = i % 2 === 1 ? [second, first] : [first, second];
      rounds.push({ without, with: whole });
      context.say(`identity ${i + 1}/${ROUNDS}: without ${text(without)}, with ${text(whole)}`);
    }
    return [...measurementsOf(rounds), await memoryOf(context)];
  },
};

async function costOf(context: BenchContext, isFollowing: boolean): Promise<Cost> {
  const agent = await RunningAgent.start(context, { args: [`--cgroups=${isFollowing}`] });
  try {
    await agent.waitUntilLive();
    // One storm ahead: the engine compiles what is hot.
    await stormSeen(context, agent);
    const before = await readCpuUsage(agent.pid);
    const stormMs = await stormSeen(context, agent);
    const after = await readCpuUsage(agent.pid);
    await agent.stop();
    return { stormMs, agentMs: after.userMs + after.systemMs - before.userMs - before.systemMs };
  } catch (error) {
    await agent.kill();
    throw error;
  }
}

/** CPU time of a storm of which every event has come, ms. */
async function stormSeen(context: BenchContext, agent: RunningAgent): Promise<number> {
  const child = context.programs.stormChild;
  const storm = await runStorm(context, child, EXECS);
  const seen = countStorm(await agent.linesUntilFence(), storm.pid, child);
  if (seen.execs !== EXECS || seen.exits !== EXECS) {
    throw new BenchError(
      `Cannot compare storms: "${EXECS - seen.execs}" execs and "${
        EXECS - seen.exits
      }" exits are ` +
        "missing",
      "stop other work on this machine and try again",
    );
  }
  return storm.cpuNs / NS_PER_MS;
}

function measurementsOf(
  rounds: readonly { readonly without: Cost; readonly with: Cost }[],
): Measurement[] {
  const perExec = (ms: number) => `${(ms * US_PER_MS / EXECS).toFixed(1)} us per exec without`;
  const middle = rounds[rounds.length >> 1]!.without;
  const ratios = (costOf: (cost: Cost) => number) =>
    rounds.map((round) => costOf(round.with) / costOf(round.without));
  return [
    measurementOf(ratios(({ stormMs, agentMs }) => stormMs + agentMs), {
      bench: "identity",
      what: "CPU time per exec, process and agent together, with cgroups to that without",
      unit: "",
      reference: perExec(middle.stormMs + middle.agentMs),
      target: { atMost: RATIO_MAX },
    }),
    measurementOf(ratios(({ stormMs }) => stormMs), {
      bench: "identity",
      what: "the same for the process alone: the part of the BPF programs",
      unit: "",
      reference: perExec(middle.stormMs),
    }),
    measurementOf(ratios(({ agentMs }) => agentMs), {
      bench: "identity",
      what: "the same for the agent alone",
      unit: "",
      reference: perExec(middle.agentMs),
    }),
  ];
}

/** What the agent's memory grows by with many containers of which each has run a program. */
async function memoryOf(context: BenchContext): Promise<Measurement> {
  const folder = await Deno.makeTempDir({ dir: await findMount(), prefix: "shrike-bench-" });
  const agent = await RunningAgent.start(context);
  const made: string[] = [];
  try {
    await agent.waitUntilLive();
    const makeSome = async (count: number) => {
      for (let i = 0; i < count; i++) made.push(await makeContainer(folder, made.length));
      await agent.linesUntilFence();
      return (await readMemoryUsage(agent.pid)).resident;
    };
    // What a first thousand grows is not what a thousand more costs.
    const before = await makeSome(1000);
    const after = await makeSome(CGROUPS);
    await agent.stop();
    return measurementOf([(after - before) / KIB / (CGROUPS / 1000)], {
      bench: "identity",
      what: "resident memory of the agent per 1,000 cgroups",
      unit: "KiB",
      reference: `${CGROUPS} containers more, each with one exec`,
    });
  } catch (error) {
    await agent.kill();
    throw error;
  } finally {
    for (const path of made) await Deno.remove(path);
    await Deno.remove(folder);
  }
}

/** A cgroup with the name of a container, in which a program was executed. */
async function makeContainer(folder: string, number: number): Promise<string> {
  const path = join(folder, `docker-${number.toString(16).padStart(64, "0")}.scope`);
  await Deno.mkdir(path);
  await runTool("/bin/sh", ["-c", 'echo 0 > "$0/cgroup.procs"; exec /bin/true', path]);
  return path;
}

/**
 * The hierarchy that an agent follows: v1 memory where there is one, else v2.
 *
 * @throws {BenchError} neither is mounted.
 */
async function findMount(): Promise<string> {
  const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n")
    .map((line) => line.split(" "));
  const mount =
    mounts.find(([, , type, options = ""]) =>
      type === "cgroup" && options.split(",").includes("memory")
    ) ?? mounts.find(([, , type]) => type === "cgroup2");
  if (mount?.[1] === undefined) {
    throw new BenchError('Cannot make cgroups: "/sys/fs/cgroup" is not mounted', "mount cgroup2");
  }
  return mount[1];
}

function text({ stormMs, agentMs }: Cost): string {
  return `${stormMs.toFixed(0)} + ${agentMs.toFixed(0)} ms`;
}
