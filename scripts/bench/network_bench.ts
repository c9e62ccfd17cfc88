/**
 * What accounting costs on the network path, and what flows cost in memory.
 *
 * @module
 */
import { runTool } from "../build/run_tool.ts";
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { type FlowTotals, NO_FLOWS, sumFlows } from "./flow_lines.ts";
import { type Measurement, measurementOf } from "./measurement.ts";
import { readMemoryUsage } from "./process_usage.ts";
import { RunningAgent } from "./running_agent.ts";
import { median } from "./statistics.ts";

/** Pairs of agents, with accounting and without. */
const ROUNDS = 15;
/** Loads on each agent, of which the best counts: others on this machine only make it worse. */
const LOADS = 3;
const LOAD_MS = 150;
/** Of what goes without accounting; the issue allows 3 % less. */
const SHARE_MIN = 0.97;
const FLOWS = 100_000;
const MEMORY_ENTRIES = [32_768, 262_144] as const;
/** One end sends 100 bytes, the end of the stream and two acknowledgements, 52 bytes each. */
const FLOW_SIZE_MIN = 100 + 3 * 52;
const MINUTE_S = 60;
const OUTPUT_PIECE_SIZE = 64 * 1024 * 1024;
/** Flows of a whole interval are written when the agent stops. */
const FLOWS_STOP_MS = 120_000;
const NS_PER_S = 1e9;
const KIB = 1024;
/** Room for both ends of all connections of one interval. */
const FLOW_ARGS = [
  ...["--enable-flow-events", "--flow-entries=262144", "--flows-per-workload=262144"],
  // All flows of an interval are written at once: some 80 MB of two seconds.
  ...["--filter=event=flow,exit", "--queue-size=512MiB"],
];

/** One round on one agent. */
interface Load {
  readonly bytesPerS: number;
  readonly requestsPerS: number;
  readonly packetNs: number;
}

/** Programs that do nothing: for packets alone, or for sends and receives, too. */
type EmptyPrograms = "packets" | "all";

/** The same load in all ways, one after the other. */
interface Round extends Readonly<Record<EmptyPrograms, Load>> {
  readonly without: Load;
  readonly with: Load;
}

/** Loopback with and without accounting; flows. */
export const networkBench: Bench = {
  name: "network",
  summary: "throughput and requests over loopback with accounting to those without; 100,000 flows",
  async run(context) {
    const rounds: Round[] = [];
    // Two agents at a time would count twice, so each round starts both, one after the other.
    for (let i = 0; i < ROUNDS; i++) {
      const isFirst = i % 2 === 0;
      const first = await loadOf(context, isFirst);
      const second = await loadOf(context, !isFirst);
      const loads = isFirst ? { with: first, without: second } : { with: second, without: first };
      const packets = await loadOnEmpty(context, "packets");
      rounds.push({ ...loads, packets, all: await loadOnEmpty(context, "all") });
      context.say(`network ${i + 1}/${ROUNDS}: ${describe(rounds[i]!)}`);
    }
    return [...costsOf(rounds), ...await flowsOf(context)];
  },
};

async function loadOf(context: BenchContext, isCounting: boolean): Promise<Load> {
  const agent = await RunningAgent.start(context, { args: [`--network=${isCounting}`] });
  try {
    await agent.waitUntilLive();
    const load = await bestLoad(context);
    await agent.stop();
    return load;
  } catch (error) {
    await agent.kill();
    throw error;
  }
}

/** With programs that do nothing where the agent's are, and an agent that does not account. */
async function loadOnEmpty(context: BenchContext, which: EmptyPrograms): Promise<Load> {
  const { emptyNetwork } = context.programs;
  const child = new Deno.Command(emptyNetwork, {
    args: [`${emptyNetwork}.bpf.o`, v2Root(), which],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  const load = done ? undefined : await loadOf(context, false);
  await child.stdin.close();
  await reader.cancel();
  const { code } = await child.status;
  if (load !== undefined && code === 0) return load;
  const hint = "look at what it printed; it needs root and cgroup v2";
  throw new BenchError(`Cannot attach empty programs: they ended with ${code}`, hint);
}

function v2Root(): string {
  const mountinfo = Deno.readTextFileSync("/proc/self/mountinfo");
  const path = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(mountinfo)?.[1];
  if (path !== undefined) return path;
  throw new BenchError("Cannot attach empty programs: cgroup v2 is not mounted", "mount it");
}

async function bestLoad(context: BenchContext): Promise<Load> {
  const loads: Load[] = [];
  for (let i = 0; i < LOADS; i++) loads.push(await loadOnce(context));
  return {
    bytesPerS: Math.max(...loads.map(({ bytesPerS }) => bytesPerS)),
    requestsPerS: Math.max(...loads.map(({ requestsPerS }) => requestsPerS)),
    packetNs: Math.min(...loads.map(({ packetNs }) => packetNs)),
  };
}

async function loadOnce(context: BenchContext): Promise<Load> {
  const stream = await runLoad(context, "stream", LOAD_MS);
  const requests = await runLoad(context, "requests", LOAD_MS);
  const packets = await runLoad(context, "packets", LOAD_MS);
  return {
    bytesPerS: stream["bytes"]! / stream["ns"]! * NS_PER_S,
    requestsPerS: requests["requests"]! / requests["ns"]! * NS_PER_S,
    packetNs: packets["ns"]! / packets["packets"]!,
  };
}

async function runLoad(
  context: BenchContext,
  mode: "stream" | "requests" | "packets" | "flows",
  amount: number,
): Promise<Readonly<Record<string, number>>> {
  return JSON.parse(await runTool(context.programs.netLoad, [mode, String(amount)]));
}

function costsOf(rounds: readonly Round[]) {
  const bench = "network";
  const middle = (read: (load: Load) => number) =>
    median(rounds.map((round) => read(round.without)));
  const gigabytes = middle(({ bytesPerS }) => bytesPerS) / 1e9;
  const thousands = middle(({ requestsPerS }) => requestsPerS) / 1000;
  return [
    measurementOf(rounds.map((round) => round.with.bytesPerS / round.without.bytesPerS), {
      bench,
      what: "TCP throughput over loopback with accounting to that without",
      unit: "",
      reference: `${gigabytes.toFixed(2)} GB/s without`,
      target: { atLeast: SHARE_MIN },
    }),
    measurementOf(rounds.map((round) => round.with.requestsPerS / round.without.requestsPerS), {
      bench,
      what: "TCP requests a second over loopback with accounting to those without",
      unit: "",
      reference: `${thousands.toFixed(1)} thousand a second without`,
      target: { atLeast: SHARE_MIN },
    }),
    measurementOf(rounds.map((round) => round.with.packetNs - round.without.packetNs), {
      bench,
      what: "a datagram over loopback, counted when it is sent and when it is received: more",
      unit: "ns",
      reference: `${middle(({ packetNs }) => packetNs).toFixed(0)} ns without`,
    }),
    ...undisturbedCostsOf(rounds),
    ...emptyCostsOf(rounds, "packets", "for packets alone"),
    ...emptyCostsOf(rounds, "all", "for packets, sends and receives"),
  ];
}

/**
 * The best of all rounds with accounting to the best without: what is left when every round is
 * disturbed by others on this machine, who only make it worse.
 */
function undisturbedCostsOf(rounds: readonly Round[]) {
  const best = (kind: "with" | "without", read: (load: Load) => number) =>
    Math.max(...rounds.map((round) => read(round[kind])));
  const row = (what: string, read: (load: Load) => number) =>
    measurementOf([best("with", read) / best("without", read)], {
      ...{ bench: "network", what: `${what}: the best round with accounting to that without` },
      ...{ unit: "", target: { atLeast: SHARE_MIN } },
    });
  return [
    row("TCP throughput", ({ bytesPerS }) => bytesPerS),
    row("TCP requests", ({ requestsPerS }) => requestsPerS),
  ];
}

/** What the kernel takes for running any programs there. */
function emptyCostsOf(rounds: readonly Round[], which: EmptyPrograms, where: string) {
  const row = (what: string, unit: string, read: (round: Round) => number) =>
    measurementOf(rounds.map(read), {
      ...{ bench: "network", unit },
      what: `${what} with programs that do nothing, ${where}`,
    });
  return [
    row("throughput", "", (round) => round[which].bytesPerS / round.without.bytesPerS),
    row("requests", "", (round) => round[which].requestsPerS / round.without.requestsPerS),
    row("a datagram", "ns", (round) => round[which].packetNs - round.without.packetNs),
  ];
}

/** 100,000 connections in a minute, each told in a flow; what 1,000 of them take. */
async function flowsOf(context: BenchContext): Promise<Measurement[]> {
  const agent = await RunningAgent.start(context, { args: [...FLOW_ARGS, "--flow-interval=2s"] });
  try {
    await agent.waitUntilLive();
    const load = await runLoad(context, "flows", FLOWS);
    const ends = new Set([load["pid"]!, load["server"]!]);
    // The last interval is told before the agent ends.
    await agent.stop(FLOWS_STOP_MS);
    const total = await readFlows(agent, ends);
    checkFlows(total);
    const seconds = load["ns"]! / NS_PER_S;
    context.say(
      `network flows: ${total.connections} ends in ${seconds.toFixed(1)} s, ${total.rows} rows`,
    );
    return [
      measurementOf([FLOWS / seconds * MINUTE_S], {
        bench: "network",
        what: `connections a minute of which no byte is missing (${FLOWS} made)`,
        unit: "",
        reference: `${total.rows} rows of flows`,
        target: { atLeast: FLOWS },
      }),
      await memoryOf(context),
    ];
  } catch (error) {
    await agent.kill();
    throw error;
  }
}

/** A piece at a time: 200,000 flows with their processes are some 500 MB of text. */
async function readFlows(agent: RunningAgent, ends: ReadonlySet<number>): Promise<FlowTotals> {
  let total = NO_FLOWS;
  for (;;) {
    const lines = await agent.takeLines(OUTPUT_PIECE_SIZE);
    if (lines.length === 0) return total;
    total = sumFlows(lines, ends, total);
  }
}

/**
 * What was sent must be what was received, and no less than the payload and the headers of
 * the seven segments that each side sends or receives at least.
 */
function checkFlows({ connections, sent, received, others }: FlowTotals): void {
  const isWhole = connections >= 2 * FLOWS && sent === received &&
    sent >= 2 * FLOWS * FLOW_SIZE_MIN;
  if (isWhole && others === 0) return;
  throw new BenchError(
    `Cannot tell what flows cost: "${connections}" ends of ${2 * FLOWS}, ${sent} bytes sent and ` +
      `${received} received, ${others} rows for what had no room`,
    "this is a defect: totals must not be lost",
  );
}

/**
 * Kernel memory of agents that keep more and fewer flows: rows are made at the start, all of them,
 * in two tables; the agent itself keeps none until an interval ends.
 */
async function memoryOf(context: BenchContext): Promise<Measurement> {
  const sizes: number[] = [];
  for (const entries of MEMORY_ENTRIES) {
    const args = ["--enable-flow-events", `--flow-entries=${entries}`];
    const agent = await RunningAgent.start(context, { args });
    try {
      await agent.waitUntilLive();
      sizes.push((await readMemoryUsage(agent.pid)).bpfMaps);
      await agent.stop(FLOWS_STOP_MS);
    } catch (error) {
      await agent.kill();
      throw error;
    }
  }
  const [fewer, more] = MEMORY_ENTRIES;
  const [small, large] = sizes;
  return measurementOf([(large! - small!) / KIB / ((more - fewer) / 1000)], {
    bench: "network",
    what: "memory per 1,000 flows that may be kept, in the kernel",
    unit: "KiB",
    reference: `all BPF maps with ${more} flows: ${(large! / KIB).toFixed(0)} KiB`,
  });
}

function describe({ without, with: counted }: { readonly without: Load; readonly with: Load }) {
  const percent = (read: (load: Load) => number) =>
    `${(read(counted) / read(without) * 100).toFixed(1)} %`;
  return `throughput ${percent(({ bytesPerS }) => bytesPerS)}, requests ${
    percent(({ requestsPerS }) => requestsPerS)
  }, datagram ${without.packetNs.toFixed(0)} -> ${counted.packetNs.toFixed(0)} ns`;
}
