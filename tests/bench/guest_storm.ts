/**
 * Runs exec storms with and without the agent in a QEMU guest and prints what they cost as JSON.
 * A program of `deno task bench guest`, in this folder because it needs the guests of the matrix.
 *
 *     deno run -A tests/bench/guest_storm.ts KERNEL AGENT STORM CHILD
 *
 * @module
 */
import { parseCpuUsage } from "../../scripts/bench/process_usage.ts";
import { runTool } from "../../scripts/build/run_tool.ts";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { addBusybox, GuestTree } from "../matrix/guest_tree.ts";

const EXECS = 2500;
const STORMS = 3;
const TIMEOUT_MS = 300_000;
const MEMORY_MB = 3072;

/** What the guest bench prints. */
export interface GuestStorm {
  readonly kernel: string;
  readonly accelerator: string;
  readonly execsPerStorm: number;
  /** Wall time of storms without the agent. */
  readonly bareNs: readonly number[];
  /** The same with the agent. */
  readonly watchedNs: readonly number[];
  /** CPU time of the agent over each of those, until it had written everything. */
  readonly agentCpuMs: readonly number[];
  readonly execs: number;
  readonly exits: number;
  readonly gaps: number;
  /** Resident memory of the agent at the end, KiB. */
  readonly residentKb: number;
}

/**
 * Output that our own helpers cause in one turn of `quiet`: two execs. More means that events of
 * the storm are still being written.
 */
const OWN_OUTPUT_SIZE = 20_000;

/**
 * Every helper process in the guest is an exec the agent pays for, hence `read` instead of cat and
 * a look at the output's size only once a second.
 */
const COMMAND = `
storm() { /bench/storm /bench/child ${EXECS}; }
quiet() {
  last=0; size=${OWN_OUTPUT_SIZE}
  while [ $((size - last)) -ge ${OWN_OUTPUT_SIZE} ]; do
    last=$size; sleep 1; size=$(stat -c %s /dev/shm/events)
  done
}
usage() { read -r line </proc/$agent/stat; echo "stat $line"; }
for round in 1; do echo "bare $(storm)"; done
/bench/shrike run -o json >/dev/shm/events 2>/dev/shm/errors &
agent=$!
tries=0
until grep -q '"/bench/fence"' /dev/shm/events; do
  tries=$((tries + 1))
  if [ $tries -gt 120 ]; then cat /dev/shm/errors; exit 1; fi
  /bench/storm /bench/fence 1 >/dev/null
  sleep 0.5
done
quiet
for round in ${Array.from({ length: STORMS }, (_, i) => i).join(" ")}; do
  usage
  echo "watched $(storm)"
  quiet
  usage
done
grep VmRSS /proc/$agent/status
kill -INT $agent
wait $agent || { cat /dev/shm/errors; exit 1; }
for round in 1; do echo "bare $(storm)"; done
grep -F '"binary":"/bench/child"' /dev/shm/events >/dev/shm/children
echo "execs $(grep -cF '"process_exec"' /dev/shm/children)"
echo "exits $(grep -cF '"process_exit"' /dev/shm/children)"
echo "gaps $(grep -cF '"gap"' /dev/shm/events)"
`;

async function main(args: readonly string[]): Promise<void> {
  const [kernelName, agent, storm, child] = args;
  if (!kernelName || !agent || !storm || !child) {
    console.error("usage: guest_storm.ts KERNEL AGENT STORM CHILD");
    Deno.exit(2);
  }
  const tree = new GuestTree();
  await addBusybox(tree);
  await tree.addProgram("/bench/shrike", agent);
  await addRuntimeLibraries(tree);
  tree.addFile("/bench/storm", storm, 0o755);
  tree.addFile("/bench/child", child, 0o755);
  tree.addFile("/bench/fence", child, 0o755);
  const kernel = await fetchKernel(kernelName);
  const result = await bootGuest({
    kernel,
    tree,
    command: COMMAND,
    timeoutMs: TIMEOUT_MS,
    memoryMb: MEMORY_MB,
  });
  if (result.exitCode !== 0) {
    console.error(`Cannot run the storms in the guest: exit code ${result.exitCode}`);
    console.error(result.output);
    Deno.exit(1);
  }
  console.log(JSON.stringify(readOutput(result.output, kernel.release, result.accelerator)));
}

/** The launcher may be static; what it starts is Deno, which needs glibc. */
async function addRuntimeLibraries(tree: GuestTree): Promise<void> {
  const output = await runTool("ldd", [Deno.execPath()]);
  for (const [path] of output.matchAll(/\/\S+(?= \(0x)/g)) tree.addFile(path, path, 0o755);
}

function readOutput(output: string, kernel: string, accelerator: string): GuestStorm {
  const lines = output.split("\n");
  const after = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const walls = (word: string) =>
    after(word).map((text) => (JSON.parse(text) as { wallNs: number }).wallNs);
  const count = (word: string) => Number(after(word)[0] ?? Number.NaN);
  const cpuMs = after("stat").map(parseCpuUsage).map((cpu) => cpu.userMs + cpu.systemMs);
  const agentCpuMs: number[] = [];
  for (let i = 0; i + 1 < cpuMs.length; i += 2) {
    agentCpuMs.push((cpuMs[i + 1] ?? 0) - (cpuMs[i] ?? 0));
  }
  const resident = /^VmRSS:\s*(\d+)/m.exec(output)?.[1];
  return {
    kernel,
    accelerator,
    execsPerStorm: EXECS,
    bareNs: walls("bare"),
    watchedNs: walls("watched"),
    agentCpuMs,
    execs: count("execs"),
    exits: count("exits"),
    gaps: count("gaps"),
    residentKb: Number(resident ?? Number.NaN),
  };
}

await main(Deno.args);
