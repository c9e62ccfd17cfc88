/**
 * What policies cost: a call of a hook, kernel memory, and the time until they are there.
 *
 * @module
 */
import { join } from "node:path";
import { runTool } from "../build/run_tool.ts";
import { pinnedDeno } from "../build/workspace.ts";
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { type Measurement, measurementOf } from "./measurement.ts";
import { median } from "./statistics.ts";

const COST_ROUNDS = 7;
const CHANGE_ROUNDS = 5;
const MANY = 1000;
const COST_RATIO_MAX = 1.3;
const POLICY_KIB_MAX = 4;
const ADDITION_MS_MAX = 5;
const DIRECTORY_S_MAX = 3;
const KIB = 1024;

/** As tests/bench/policy_cost.ts prints them, ns per call. */
interface Costs {
  readonly idle: number;
  readonly oneUnmatched: number;
  readonly oneMatched: number;
  readonly allUnmatched: number;
  readonly allMatched: number;
}

interface CostRound {
  readonly bare: number;
  readonly bareOther: number;
  readonly policies: Readonly<Record<string, Costs>>;
  readonly programs: Readonly<Record<string, Costs>>;
  readonly other: number;
  readonly told: number;
}

/** As tests/bench/policy_changes.ts prints them. */
interface Changes {
  readonly directoryMs: number;
  readonly directoryCpuMs: number;
  readonly policyBytes: number;
  readonly mapBytes: number;
  readonly additionsMs: readonly number[];
  readonly enforcingMs: number;
  readonly enforced: number;
  readonly wronglyEnforced: number;
}

const SITUATIONS: Readonly<Record<keyof Costs, string>> = {
  idle: "none is about the workload",
  oneUnmatched: "one is about the workload, no match",
  oneMatched: "one is about the workload, match",
  allUnmatched: "all are about the workload, no match",
  allMatched: "all are about the workload, match",
};

/** Policies on one hook: cost per call, memory, time until they are there. */
export const policyBench: Bench = {
  name: "policy",
  summary: "policies on one hook: cost per call against separate programs, memory, time to load",
  async run(context) {
    if (navigator.hardwareConcurrency < 2) {
      throw new BenchError(
        'Cannot measure "policy": this machine has one CPU',
        "the workload and the one who adds policies need one each",
      );
    }
    const rounds = await runProgram<CostRound[]>(context, "policy_cost.ts", [
      context.programs.separatePolicy,
      String(COST_ROUNDS),
    ]);
    rounds.forEach((round, i) => context.say(describeCost(i, round)));
    const changes: Changes[] = [];
    for (let i = 0; i < CHANGE_ROUNDS; i++) {
      const directory = join(context.scratch, "policies");
      const round = await runProgram<Changes>(context, "policy_changes.ts", [directory]);
      changes.push(round);
      context.say(describeChanges(i, round));
    }
    return [...costsOf(rounds), ...againstPrograms(rounds), ...changesOf(changes)];
  },
};

async function runProgram<Result>(
  context: BenchContext,
  name: string,
  args: readonly string[],
): Promise<Result> {
  const script = join(context.workspace.root, "tests/bench", name);
  const deno = pinnedDeno(context.workspace);
  const { policyCalls } = context.programs;
  const output = await runTool(deno, ["run", "-A", "--no-check", script, policyCalls, ...args]);
  return JSON.parse(output) as Result;
}

/** What a call costs more than without any program, ns. */
function added(
  round: CostRound,
  side: "policies" | "programs",
  count: number | string,
  situation: keyof Costs,
): number {
  return round[side][count]![situation] - round.bare;
}

function medians(
  rounds: readonly CostRound[],
  side: "policies" | "programs",
  situation: keyof Costs,
): string {
  const counts = Object.keys(rounds[0]![side]);
  return counts.map((count) =>
    median(rounds.map((round) => added(round, side, count, situation))).toFixed(0)
  ).join(", ");
}

function costsOf(rounds: readonly CostRound[]): Measurement[] {
  const situations = Object.keys(SITUATIONS) as (keyof Costs)[];
  return [
    ...situations.map((situation) =>
      measurementOf(
        rounds.map((round) =>
          added(round, "policies", MANY, situation) / added(round, "policies", 1, situation)
        ),
        {
          bench: "policy",
          what: `call with ${MANY} policies on its hook to one: ${SITUATIONS[situation]}`,
          unit: "",
          reference: `1, 10, 100, 1000: ${medians(rounds, "policies", situation)} ns`,
          target: { atMost: COST_RATIO_MAX },
        },
      )
    ),
    measurementOf(rounds.map((round) => round.other - round.bareOther), {
      bench: "policy",
      what: "any other system call, while there is a hook",
      unit: "ns",
      reference: `a call has ${median(rounds.map(({ bareOther }) => bareOther)).toFixed(0)} ns`,
    }),
    measurementOf(rounds.map((round) => round.told - round.bare), {
      bench: "policy",
      what: "call that matches and is told, one policy",
      unit: "ns",
      reference: "the record with it, the reader woken for each",
    }),
  ];
}

/** Above 1 the programs cost more. */
function againstPrograms(rounds: readonly CostRound[]): Measurement[] {
  const situations = Object.keys(SITUATIONS) as (keyof Costs)[];
  const counts = Object.keys(rounds[0]!.programs);
  return situations.map((situation) => {
    const ratio = (round: CostRound, count: string) =>
      added(round, "programs", count, situation) / added(round, "policies", count, situation);
    const most = counts.at(-1)!;
    const fewer = counts.slice(0, -1).map((count) =>
      `${median(rounds.map((round) => ratio(round, count))).toFixed(2)} with ${count}`
    );
    return measurementOf(rounds.map((round) => ratio(round, most)), {
      bench: "policy",
      what: `${most} separate programs to as many policies: ${SITUATIONS[situation]}`,
      unit: "",
      reference: `${fewer.join(", ")}; programs ${medians(rounds, "programs", situation)} ns`,
    });
  });
}

function changesOf(changes: readonly Changes[]): Measurement[] {
  const bench = "policy";
  const last = changes.at(-1)!;
  const additionsMs = changes.flatMap(({ additionsMs }) => additionsMs);
  const acted = Math.min(...changes.map(({ enforced }) => enforced));
  const wrongly = Math.max(...changes.map(({ wronglyEnforced }) => wronglyEnforced));
  const directoryCpuMs = median(changes.map(({ directoryCpuMs }) => directoryCpuMs));
  return [
    measurementOf(changes.map(({ policyBytes }) => policyBytes / KIB), {
      bench,
      what: "kernel memory of a policy of five paths",
      unit: "KiB",
      reference: `all maps with ${MANY}: ${(last.mapBytes / KIB).toFixed(0)} KiB`,
      target: { atMost: POLICY_KIB_MAX },
    }),
    measurementOf(additionsMs, {
      bench,
      what: `one policy to ${MANY}: from its text to the first call it acts upon`,
      unit: "ms",
      target: { atMost: ADDITION_MS_MAX },
    }),
    measurementOf(changes.map(({ directoryMs }) => directoryMs / 1000), {
      bench,
      what: `${MANY} policies from a directory, first ones of a process`,
      unit: "s",
      reference: `CPU time ${(directoryCpuMs / 1000).toFixed(2)} s`,
      target: { atMost: DIRECTORY_S_MAX },
    }),
    measurementOf([acted], {
      bench,
      what: `of ${MANY} enforcing policies on one call act`,
      unit: "",
      reference: `${wrongly} where none should; there in ${
        median(changes.map(({ enforcingMs }) => enforcingMs)).toFixed(0)
      } ms`,
      target: { atLeast: MANY },
    }),
  ];
}

function describeCost(index: number, round: CostRound): string {
  const of = (side: "policies" | "programs") =>
    Object.keys(round[side]).map((count) =>
      (["idle", "allUnmatched", "allMatched"] as const)
        .map((situation) => added(round, side, count, situation).toFixed(0)).join("/")
    ).join(", ");
  return `policy ${index + 1}/${COST_ROUNDS}: a call has ${round.bare.toFixed(0)} ns, ` +
    `policies add ${of("policies")}, programs ${of("programs")}`;
}

function describeChanges(index: number, round: Changes): string {
  const addition = median(round.additionsMs);
  return `policy changes ${index + 1}/${CHANGE_ROUNDS}: directory ${
    round.directoryMs.toFixed(0)
  } ms, one more ${addition.toFixed(2)} ms, enforcing ${round.enforcingMs.toFixed(0)} ms`;
}
