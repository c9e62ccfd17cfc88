/**
 * The only build entry: BPF objects, libbpf, bundle, and the executable `dist/shrike`.
 *
 * Steps live in `scripts/build/`; each is skipped when nothing it depends on has changed.
 *
 * @module
 */
import { join } from "node:path";
import { type BuildStep, runStep } from "./scripts/build/build_step.ts";
import { libbpfStep } from "./scripts/build/build_libbpf.ts";
import { bpfStep } from "./scripts/build/compile_bpf.ts";
import { ToolError } from "./scripts/build/run_tool.ts";
import { openWorkspace, type Workspace } from "./scripts/build/workspace.ts";

const USAGE = `usage: deno task build [--only=STEP,...]

  --only=STEP,...  run only these steps: bpf, libbpf
`;

const STEPS: Readonly<Record<string, (workspace: Workspace) => Promise<BuildStep>>> = {
  bpf: bpfStep,
  libbpf: libbpfStep,
};

/** One build at a time in a checkout: a second one waits for the first. */
async function lockBuild(workspace: Workspace): Promise<Disposable> {
  await Deno.mkdir(workspace.out, { recursive: true });
  const file = await Deno.open(join(workspace.out, "build.lock"), { create: true, write: true });
  await file.lock(true);
  return { [Symbol.dispose]: () => file.close() };
}

async function build(args: readonly string[]): Promise<number> {
  let names = Object.keys(STEPS);
  for (const arg of args) {
    if (arg.startsWith("--only=")) names = arg.slice("--only=".length).split(",");
    else return usageError(`unknown argument "${arg}"`);
  }
  const workspace = openWorkspace();
  using _lock = await lockBuild(workspace);
  for (const name of names) {
    const step = STEPS[name];
    if (step === undefined) return usageError(`unknown step "${name}"`);
    await runStep(workspace, await step(workspace));
  }
  return 0;
}

function usageError(text: string): number {
  console.error(`build: ${text}\n${USAGE}`);
  return 2;
}

if (import.meta.main) {
  try {
    Deno.exit(await build(Deno.args));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`build: ${error.message}`);
    if (error instanceof ToolError) console.error(`${error.output}\nhint: ${error.hint}`);
    Deno.exit(1);
  }
}
