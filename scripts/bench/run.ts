/**
 * `deno task bench`: measures the built executable against its targets.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ToolError } from "../build/run_tool.ts";
import { openWorkspace } from "../build/workspace.ts";
import { type Bench, type BenchContext, BenchError } from "./bench.ts";
import { captureBench } from "./capture_bench.ts";
import { guestBench } from "./guest_bench.ts";
import { identityBench } from "./identity_bench.ts";
import { latencyBench } from "./latency_bench.ts";
import { readMachine } from "./machine.ts";
import type { Measurement, Skipped } from "./measurement.ts";
import { memoryBench } from "./memory_bench.ts";
import { networkBench } from "./network_bench.ts";
import { policyBench } from "./policy_bench.ts";
import { buildPrograms } from "./programs.ts";
import { formatJson, formatMachine, formatTable } from "./report.ts";
import { startBench } from "./start_bench.ts";
import { stormBench } from "./storm_bench.ts";
import { workBench } from "./work_bench.ts";

const BENCHES: readonly Bench[] = [
  captureBench,
  stormBench,
  identityBench,
  guestBench,
  memoryBench,
  latencyBench,
  startBench,
  policyBench,
  networkBench,
  workBench,
];

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const HELP = `Usage: deno task bench [-o table|json] [BENCH...]

Measures dist/shrike (or the executable SHRIKE_BENCH_AGENT names) as root on this machine.
Without names all benches run one after the other.

${BENCHES.map((bench) => `  ${bench.name.padEnd(8)} ${bench.summary}`).join("\n")}`;

/** What the command line asks for. */
interface Wishes {
  readonly benches: readonly Bench[];
  readonly json: boolean;
}

async function main(args: readonly string[]): Promise<number> {
  const wishes = parse(args);
  if (typeof wishes === "string") {
    const asked = wishes === HELP;
    (asked ? console.log : console.error)(wishes);
    return asked ? 0 : EXIT_USAGE;
  }
  if (Deno.uid() !== 0) {
    console.error('Cannot run "bench": BPF programs can only be loaded by root');
    return EXIT_FAILED;
  }
  const workspace = openWorkspace();
  const agent = Deno.env.get("SHRIKE_BENCH_AGENT") ?? join(workspace.dist, "shrike");
  const say = (line: string) => console.error(line);
  const scratch = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "shrike-bench-" });
  try {
    const machine = await readMachine(workspace);
    say(formatMachine(machine));
    const programs = await buildPrograms(workspace);
    const context: BenchContext = { workspace, programs, agent, scratch, say };
    const measurements: Measurement[] = [];
    const skipped: Skipped[] = [];
    for (const bench of wishes.benches) {
      try {
        measurements.push(...await bench.run(context));
      } catch (error) {
        if (!(error instanceof BenchError || error instanceof ToolError)) throw error;
        skipped.push({ bench: bench.name, reason: reasonOf(error) });
      }
    }
    const report = { machine, measurements, skipped };
    console.log(wishes.json ? formatJson(report) : `\n${formatTable(report)}`);
    // A target that is missed is a result; a bench that could not be run is not.
    return skipped.length > 0 ? EXIT_FAILED : 0;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** The wishes, or what to print instead. */
function parse(args: readonly string[]): Wishes | string {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        output: { type: "string", short: "o", default: "table" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    return `${error instanceof Error ? error.message : error}\n\n${HELP}`;
  }
  if (parsed.values.help) return HELP;
  const { output } = parsed.values;
  if (output !== "table" && output !== "json") {
    return `Cannot print "${output}": only table and json are known`;
  }
  const unknown = parsed.positionals.find((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown !== undefined) {
    return `Cannot run "${unknown}": there are ${BENCHES.map((bench) => bench.name).join(", ")}`;
  }
  const wanted = new Set(parsed.positionals);
  const benches = BENCHES.filter((bench) => wanted.size === 0 || wanted.has(bench.name));
  return { benches, json: output === "json" };
}

function reasonOf(error: BenchError | ToolError): string {
  const said = error instanceof ToolError ? error.output.trim() : "";
  return `${error.message} (${said === "" ? error.hint : said})`;
}

Deno.exit(await main(Deno.args));
