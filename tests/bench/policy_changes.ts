/**
 * Measures how policies come, through what the agent does: a thousand from a directory, one more to
 * those, a thousand that enforce, and the kernel memory that they take; a program of `deno task
 * bench policy`. Prints one line of JSON.
 *
 *     deno run -A tests/bench/policy_changes.ts WORKLOAD DIRECTORY
 *
 * DIRECTORY is made, and removed. All policies select a workload of the bench's own.
 *
 * @module
 */
import { ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { cpuUsage } from "node:process";
import { PolicyFiles } from "../../src/agent_policy_files.ts";
import { POLICY_ROW_SIZE } from "../../src/wire/mod.ts";
import { LoggedLines } from "../support/logged_lines.ts";
import { PolicyAgent, WORKLOAD_NAME } from "./policy_agent.ts";

const COUNT = 1000;
const VALUES = 5;
const ADDITIONS = 15;
const SIGUSR1 = 10;
const US_PER_MS = 1000;
const NS_PER_MS = 1e6;

/** What a directory of policies costs. */
interface DirectoryCost {
  /** From the first look at the directory until all policies are seen. */
  readonly directoryMs: number;
  /** CPU time of this process in it, which other load on the machine disturbs less. */
  readonly directoryCpuMs: number;
  /** Rows and map elements of a policy of five paths. */
  readonly policyBytes: number;
  /** All maps of policies, with these thousand. */
  readonly mapBytes: number;
}

/** What policies cost that enforce. */
interface EnforcingCost {
  readonly enforcingMs: number;
  /** Of as many calls as there are policies. */
  readonly enforced: number;
  /** Of as many calls with paths that nobody lists. */
  readonly wronglyEnforced: number;
}

async function measureDirectory(agent: PolicyAgent, directory: string): Promise<DirectoryCost> {
  await Deno.mkdir(directory, { mode: 0o700 });
  for (let i = 0; i < COUNT; i++) {
    const text = textOf(nameOf(i), pathsOf("watched", i), "Post");
    await Deno.writeTextFile(join(directory, `${nameOf(i)}.yaml`), text);
  }
  const emptyBytes = agent.kernel.kernel.mapMemorySize();
  const log = new LoggedLines();
  using files = new PolicyFiles({
    ...{ policies: agent.policies, directory, needsDirectory: true, files: [], log },
    counters: agent.counters,
  });
  const startMs = performance.now();
  const before = cpuUsage();
  await files.look();
  const { user, system } = cpuUsage(before);
  const directoryMs = performance.now() - startMs;
  const directoryCpuMs = (user + system) / US_PER_MS;
  await Deno.remove(directory, { recursive: true });
  strictEqual(log.of("error").join("\n"), "");
  strictEqual(agent.policies.list().length, COUNT);
  for (const i of [0, COUNT - 1]) {
    agent.takeNames();
    await agent.workload.callNs(pathsOf("watched", i)[VALUES - 1]!, { calls: 1, batches: 1 });
    strictEqual(agent.takeNames().join(), nameOf(i));
  }
  const mapBytes = agent.kernel.kernel.mapMemorySize();
  ok(mapBytes > emptyBytes, "the kernel does not say what maps have grown by");
  // Rows are there from the start, and so not in what the maps grow by.
  const rowBytes = agent.counters.total("shrike_policy_rows") * POLICY_ROW_SIZE;
  const policyBytes = (rowBytes + mapBytes - emptyBytes) / COUNT;
  return { directoryMs, directoryCpuMs, policyBytes, mapBytes };
}

/**
 * One that enforces comes to those that are there, while calls are made that it is about: ms from
 * its text to the first signal.
 */
async function measureAddition(agent: PolicyAgent, index: number): Promise<number> {
  const paths = pathsOf("added", index);
  const source = { file: "one-more.yaml", text: textOf("one-more", paths, "Signal") };
  const { signalNs } = await agent.workload.untilSignal(paths[0]!);
  const startNs = agent.nowNs();
  await agent.add(source);
  const atNs = await signalNs;
  if (atNs === 0n) throw new Error("The policy had no effect");
  await agent.policies.removeFile(source.file);
  return Number(atNs - startNs) / NS_PER_MS;
}

async function measureEnforcing(agent: PolicyAgent): Promise<EnforcingCost> {
  const texts = Array.from(
    { length: COUNT },
    (_, i) => textOf(nameOf(i), [pathOf("enforced", i, 0)], "Signal"),
  );
  const startMs = performance.now();
  await agent.add({ file: "all.yaml", text: texts.join("---\n") });
  return {
    enforcingMs: performance.now() - startMs,
    enforced: await agent.workload.countSignals(COUNT, pathOf("enforced", "%", 0)),
    wronglyEnforced: await agent.workload.countSignals(COUNT, pathOf("enforced", "%", 1)),
  };
}

async function main([program, directory]: readonly string[]): Promise<void> {
  if (program === undefined || directory === undefined) {
    console.error("usage: policy_changes.ts WORKLOAD DIRECTORY");
    Deno.exit(2);
  }
  await using watching = new PolicyAgent(program);
  const fromDirectory = await measureDirectory(watching, directory);
  const additionsMs: number[] = [];
  for (let i = 0; i < ADDITIONS; i++) additionsMs.push(await measureAddition(watching, i));
  await using enforcing = new PolicyAgent(program);
  console.log(
    JSON.stringify({ ...fromDirectory, additionsMs, ...await measureEnforcing(enforcing) }),
  );
}

function textOf(name: string, paths: readonly string[], action: "Post" | "Signal"): string {
  return `apiVersion: shrike.io/v1alpha1
kind: TracingPolicy
metadata:
  name: ${name}
spec:
  workloadSelector:
    name: ${WORKLOAD_NAME}
  kprobes:
  - call: sys_prctl
    syscall: true
    args:
    - index: 1
      type: string
    selectors:
    - matchArgs:
      - index: 1
        operator: Equal
        values:
${paths.map((path) => `        - ${path}\n`).join("")}\
      matchActions:
      - action: ${action}
${action === "Signal" ? `        argSig: ${SIGUSR1}\n` : ""}`;
}

function nameOf(index: number): string {
  return `policy-${String(index).padStart(4, "0")}`;
}

function pathsOf(folder: string, index: number): string[] {
  return Array.from({ length: VALUES }, (_, i) => pathOf(folder, index, i));
}

function pathOf(folder: string, index: number | "%", value: number): string {
  return `/srv/${folder}/application-${index}/data/file-${value}`;
}

await main(Deno.args);
