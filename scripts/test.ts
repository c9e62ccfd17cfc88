/**
 * Runs checks, build and tests, or the stages that are named, and counts.
 *
 *     deno run -A scripts/test.ts [STAGE... [-- ARGUMENTS OF deno test]]
 *
 * Stages: ok, build, unit, kernel, matrix, guests, e2e, runtimes. The last line is
 * "N passed, N failed, N skipped".
 *
 * @module
 */
import { ToolError } from "./build/run_tool.ts";
import { openWorkspace, pinnedDeno, type Workspace } from "./build/workspace.ts";
import { CHECKS } from "./checks.ts";
import { runStage, type StageResult } from "./run_stage.ts";
import { type Stage, STAGES } from "./stages.ts";

/** Something that counts tests: checks, the build, a stage with tests. */
interface Part {
  readonly name: string;
  /** What repeats it alone. */
  readonly command: string;
  run(workspace: Workspace, args: readonly string[]): Promise<StageResult>;
}

const PARTS: readonly Part[] = [
  { name: "ok", command: "deno task ok", run: runChecks },
  { name: "build", command: "deno task build", run: runBuild },
  ...STAGES.map((stage): Part => ({
    name: stage.name,
    command: stage.command,
    run: (workspace, args) => runWhenAllowed(workspace, stage, args),
  })),
];

function counted(passed: number, failed: number, skipped = 0): StageResult {
  return { passed, failed, skipped, skipLines: [], unexplained: [] };
}

async function runChecks(workspace: Workspace): Promise<StageResult> {
  let passed = 0;
  for (const check of CHECKS) {
    try {
      await check.run(workspace);
      passed++;
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      console.error(`${error.output.trimEnd()}\ncheck ${check.name} failed: ${check.command}`);
    }
  }
  return counted(passed, CHECKS.length - passed);
}

async function runBuild(workspace: Workspace): Promise<StageResult> {
  const { success } = await new Deno.Command(pinnedDeno(workspace), {
    args: ["run", "-A", "build.ts"],
    cwd: workspace.root,
  }).spawn().status;
  return success ? counted(1, 0) : counted(0, 1);
}

function runWhenAllowed(
  workspace: Workspace,
  stage: Stage,
  args: readonly string[],
): Promise<StageResult> {
  if (!stage.needsRoot || Deno.uid() === 0) return runStage(workspace, stage, args);
  const skipLines = [`skip: ${stage.name}: not root`];
  console.error(skipLines[0]);
  return Promise.resolve({ ...counted(0, 0, 1), skipLines });
}

/** Runs the parts one after the other; without a build those behind it would test an old one. */
async function runParts(parts: readonly Part[], args: readonly string[]): Promise<number> {
  const workspace = openWorkspace();
  const total = { passed: 0, failed: 0, skipped: 0 };
  const skips: string[] = [];
  const repeats: string[] = [];
  for (const part of parts) {
    const started = performance.now();
    console.error(`== ${part.name}`);
    const result = await part.run(workspace, args);
    for (const key of ["passed", "failed", "skipped"] as const) total[key] += result[key];
    const minutes = ((performance.now() - started) / 60_000).toFixed(1);
    const { passed, failed, skipped } = result;
    console.error(
      `== ${part.name}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${minutes} min`,
    );
    skips.push(
      ...result.skipLines,
      ...result.unexplained.map((name) => `skip: ${name}: no reason given`),
    );
    if (failed > 0) repeats.push(`${part.name} failed, again with: ${part.command}`);
    if (failed > 0 && part.name === "build") break;
  }
  for (const line of [...skips, ...repeats]) console.log(line);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

function main(args: readonly string[]): Promise<number> | number {
  const end = args.indexOf("--");
  const names = end < 0 ? args : args.slice(0, end);
  const unknown = names.find((name) => !PARTS.some((part) => part.name === name));
  if (unknown !== undefined) {
    console.error(`test: no stage "${unknown}"; ${PARTS.map((part) => part.name).join(", ")}`);
    return 2;
  }
  const parts = PARTS.filter((part) => names.length === 0 || names.includes(part.name));
  return runParts(parts, end < 0 ? [] : args.slice(end + 1));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
