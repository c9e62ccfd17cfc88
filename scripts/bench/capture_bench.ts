/**
 * Bench (a): a capture worker against a C reader of the same perf ring.
 *
 * Both load the same generator, which writes records on each system call of one process on CPU 0;
 * the reader sits on CPU 1 with nothing but its own main thread.
 *
 * @module
 */
import { join } from "node:path";
import { runTool } from "../build/run_tool.ts";
import { pinnedDeno } from "../build/workspace.ts";
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { type Measurement, measurementOf } from "./measurement.ts";
import { median } from "./statistics.ts";

const ROUNDS = 5;
const GENERATOR_CPU = 0;
const READER_CPU = 1;
/** What the agent asks for. */
const RING_PAGES = 256;
const WARM_UP_MS = 300;
const MEASURE_MS = 1000;
const RATIO_MIN = 0.8;
/** The ratio of CPU per record that says the same: 1 / 0.8. */
const CPU_RATIO_MAX = 1.25;

/**
 * Records per system call: one is what the agent sees, eight asks as much of the reader as fits.
 */
const BURSTS = [1, 8];

/** What both readers print. */
interface ReaderRun {
  readonly records: number;
  readonly lost: number;
  readonly wallNs: number;
  /** CPU of the thread that empties the perf ring. */
  readonly readerCpuNs: number;
}

/** One round: the readers one after the other. */
interface Round {
  readonly worker: ReaderRun;
  readonly tuned: ReaderRun;
  readonly untuned: ReaderRun;
}

/** Capture worker against C, records per second and CPU per record. */
export const captureBench: Bench = {
  name: "capture",
  summary: "records per second and CPU per record of a capture worker against a C libbpf reader",
  async run(context) {
    if (navigator.hardwareConcurrency < 2) {
      throw new BenchError(
        'Cannot measure "capture": this machine has one CPU',
        "reader and generator need one each",
      );
    }
    const results: Measurement[] = [];
    for (const burst of BURSTS) {
      const rounds: Round[] = [];
      for (let i = 0; i < ROUNDS; i++) {
        const round = {
          worker: await runReader(context, burst, workerCommand(context)),
          tuned: await runReader(context, burst, consumerCommand(context, "tuned")),
          untuned: await runReader(context, burst, consumerCommand(context, "default")),
        };
        rounds.push(round);
        context.say(describeRound(burst, i, round));
      }
      results.push(...measurementsOf(burst, rounds));
    }
    return results;
  },
};

/** Command and the arguments after OBJECT PID RECORDS_PER_CALL RING_PAGES CPU WARM_UP MEASURE. */
interface ReaderCommand {
  readonly program: readonly string[];
  readonly last: readonly string[];
}

function workerCommand(context: BenchContext): ReaderCommand {
  const root = context.workspace.root;
  const script = join(root, "tests/bench/capture_reader.ts");
  return {
    program: [pinnedDeno(context.workspace), "run", "-A", "--no-check", script],
    last: [],
  };
}

function consumerCommand(context: BenchContext, variant: "tuned" | "default"): ReaderCommand {
  return { program: [context.programs.consumer], last: [variant] };
}

async function runReader(
  context: BenchContext,
  burst: number,
  command: ReaderCommand,
): Promise<ReaderRun> {
  const generator = new Deno.Command("taskset", {
    args: ["-c", String(GENERATOR_CPU), context.programs.systemCalls],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const output = await runTool("taskset", [
      "-c",
      String(READER_CPU),
      ...command.program,
      context.programs.generator,
      String(generator.pid),
      String(burst),
      String(RING_PAGES),
      String(GENERATOR_CPU),
      String(WARM_UP_MS),
      String(MEASURE_MS),
      ...command.last,
    ]);
    const run = JSON.parse(output) as ReaderRun;
    if (run.records === 0) {
      throw new BenchError(
        `Cannot measure "${command.program.at(-1)}": it read no records`,
        "see whether BPF programs run on raw_tp/sys_enter here",
      );
    }
    return run;
  } finally {
    generator.kill("SIGKILL");
    await generator.status;
  }
}

function measurementsOf(burst: number, rounds: readonly Round[]): Measurement[] {
  const bench = "capture";
  const load = burst === 1 ? "" : `, ${burst} records per call`;
  const both = (value: (run: ReaderRun) => number, digits: number, unit: string) =>
    `worker ${median(rounds.map((round) => value(round.worker))).toFixed(digits)}, ` +
    `C ${median(rounds.map((round) => value(round.tuned))).toFixed(digits)}, libbpf's default ` +
    `${median(rounds.map((round) => value(round.untuned))).toFixed(digits)} ${unit}`;
  return [
    measurementOf(rounds.map((round) => rate(round.worker) / rate(round.tuned)), {
      bench,
      what: `records/s to those of C${load}`,
      unit: "",
      reference: both(rate, 2, "M/s"),
      target: { atLeast: RATIO_MIN },
    }),
    measurementOf(rounds.map((round) => cpuPerRecord(round.worker) / cpuPerRecord(round.tuned)), {
      bench,
      what: `CPU per record to that of C${load}`,
      unit: "",
      reference: both(cpuPerRecord, 1, "ns"),
      target: { atMost: CPU_RATIO_MAX },
    }),
    measurementOf(rounds.map((round) => lostPercent(round.worker)), {
      bench,
      what: `records lost in the ring${load}`,
      unit: "%",
      reference: both(lostPercent, 1, "%"),
    }),
  ];
}

/** Millions of records per second. */
function rate(run: ReaderRun): number {
  return run.records * 1e3 / run.wallNs;
}

function cpuPerRecord(run: ReaderRun): number {
  return run.readerCpuNs / run.records;
}

function lostPercent(run: ReaderRun): number {
  return 100 * run.lost / (run.lost + run.records);
}

function describeRound(burst: number, index: number, round: Round): string {
  const one = (run: ReaderRun) =>
    `${rate(run).toFixed(2)} M/s at ${cpuPerRecord(run).toFixed(1)} ns`;
  return `capture, ${burst} per call, ${index + 1}/${ROUNDS}: worker ${one(round.worker)}, ` +
    `C ${one(round.tuned)}, libbpf's default ${one(round.untuned)}`;
}
