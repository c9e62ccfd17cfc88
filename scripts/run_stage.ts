/**
 * Runs one stage's tests and reads what came of each.
 *
 * @module
 */
import { join } from "node:path";
import { pinnedDeno, type Workspace } from "./build/workspace.ts";
import { readJunit } from "./read_junit.ts";
import type { Stage } from "./stages.ts";

/** Numbers of tests, and what people must know about those that were left out. */
export interface StageResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Lines `skip: <test>: <reason>` that tests printed. */
  readonly skipLines: readonly string[];
  /** Names of tests that were left out and printed no such line. */
  readonly unexplained: readonly string[];
}

/** Guests have two CPUs each, and a machine of ours has no more. */
const PARALLEL_FILES = 2;

/** Exit code of timeout(1) when it had to end the command. */
const TIMED_OUT = 124;
const SKIP_LINE = /^skip: (.+?): .+$/;

/** Runs `deno test` on the stage's files, showing its output as it comes. */
export async function runStage(
  workspace: Workspace,
  stage: Stage,
  args: readonly string[] = [],
): Promise<StageResult> {
  const report = join(workspace.out, "test", `${stage.name}.xml`);
  await Deno.mkdir(join(workspace.out, "test"), { recursive: true });
  await Deno.remove(report).catch(() => {});
  // Types are checked once, by the check of that name. timeout(1) leads a process group of its own
  // and ends all of it: guests that a test has booted, too.
  const child = new Deno.Command("timeout", {
    args: [
      "--kill-after=10",
      String(stage.limitMs / 1000),
      pinnedDeno(workspace),
      "test",
      "--allow-all",
      "--no-check",
      `--junit-path=${report}`,
      ...stage.isParallel ? ["--parallel"] : [],
      ...stage.tests,
      ...args,
    ],
    cwd: workspace.root,
    env: {
      DENO_NO_UPDATE_CHECK: "1",
      DENO_JOBS: String(PARALLEL_FILES),
      ...(Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" }),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const skipLines: string[] = [];
  const [, , status] = await Promise.all([
    showLines(child.stdout, skipLines),
    showLines(child.stderr, skipLines),
    child.status,
  ]);
  if (status.code === TIMED_OUT) {
    console.error(`${stage.name}: ended after ${stage.limitMs / 60_000} minutes`);
  }
  const xml = await Deno.readTextFile(report).catch(() => "");
  return summarize(xml, status.code, skipLines);
}

/**
 * Counts the tests of a JUnit report. A run that ended badly without a failed test in it (a file
 * that cannot be imported, a crash, the time limit) counts as one failure.
 */
export function summarize(
  xml: string,
  exitCode: number,
  skipLines: readonly string[],
): StageResult {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const explained = new Set(skipLines.map((line) => SKIP_LINE.exec(line)?.[1]));
  const unexplained: string[] = [];
  for (const { name, outcome } of readJunit(xml)) {
    counts[outcome]++;
    if (outcome === "skipped" && !explained.has(name)) unexplained.push(name);
  }
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return { ...counts, skipLines, unexplained };
}

async function showLines(stream: ReadableStream<Uint8Array>, skipLines: string[]): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    await writeAll(bytes);
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (SKIP_LINE.test(line)) skipLines.push(line);
  }
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}
