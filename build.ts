/**
 * The only build entry: BPF objects, libbpf, bundle, and the executable `dist/shrike`.
 *
 * Steps live in `scripts/build/`; each is skipped when nothing it depends on has changed.
 *
 * @module
 */
import { join } from "node:path";
import { type BuildStep, runStep } from "./scripts/build/build_step.ts";
import { buildInfoStep } from "./scripts/build/build_info.ts";
import { libbpfStep } from "./scripts/build/build_libbpf.ts";
import { bpfStep } from "./scripts/build/compile_bpf.ts";
import { bundleStep } from "./scripts/build/bundle.ts";
import { compileStep, hasBaseRuntime } from "./scripts/build/compile_executable.ts";
import { checkGeneratedStep } from "./scripts/build/generate.ts";
import { lockFile } from "./scripts/build/lock_file.ts";
import { serviceFileStep } from "./scripts/build/service_file.ts";
import { packStep } from "./scripts/build/pack_executable.ts";
import { ToolError } from "./scripts/build/run_tool.ts";
import { openWorkspace, type Workspace } from "./scripts/build/workspace.ts";

const USAGE = `usage: deno task build [--only=STEP,...] [--way=compile|pack]

  --only=STEP,...  run only these steps: generated, bpf, libbpf, bundle, executable
  --way=compile    make the executable with \`deno compile\`, which may download its base runtime
  --way=pack       make it from a launcher and the pinned Deno
                   (default: compile when a base runtime is at hand, else pack)
`;

/** How `dist/shrike` is made; null lets the build find out. */
type Way = "compile" | "pack" | null;

const STEPS: Readonly<Record<string, (workspace: Workspace, way: Way) => Promise<BuildStep[]>>> = {
  generated: async (workspace) => [await checkGeneratedStep(workspace)],
  bpf: async (workspace) => [await bpfStep(workspace)],
  libbpf: async (workspace) => [await libbpfStep(workspace)],
  bundle: async (workspace) => [
    await bundleStep(workspace),
    await buildInfoStep(workspace),
    serviceFileStep(workspace),
  ],
  executable: async (workspace, way) => [await executableStep(workspace, way)],
};

async function executableStep(workspace: Workspace, way: Way): Promise<BuildStep> {
  if (way === "compile" || (way === null && await hasBaseRuntime(workspace))) {
    return await compileStep(workspace);
  }
  const step = await packStep(workspace);
  if (way === "pack") return step;
  return {
    ...step,
    run: () => {
      console.error(
        "build: no base runtime for `deno compile` (DENORT_BIN, Deno's cache), " +
          "packing a launcher with the pinned Deno",
      );
      return step.run();
    },
  };
}

async function build(args: readonly string[]): Promise<number> {
  let names = Object.keys(STEPS);
  let way: Way = null;
  for (const arg of args) {
    if (arg.startsWith("--only=")) names = arg.slice("--only=".length).split(",");
    else if (arg === "--way=compile" || arg === "--way=pack") way = arg.slice(6) as Way;
    else return usageError(`unknown argument "${arg}"`);
  }
  const unknown = names.find((name) => !(name in STEPS));
  if (unknown !== undefined) return usageError(`unknown step "${unknown}"`);
  const workspace = openWorkspace();
  // A second build waits for the first.
  using _lock = await lockFile(join(workspace.out, "build.lock"));
  // A step is made when its turn comes: what it reads may be what the one before wrote.
  for (const name of names) {
    for (const step of await STEPS[name]!(workspace, way)) await runStep(workspace, step);
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
    if (error instanceof ToolError) console.error(error.output.trimEnd());
    if ("hint" in error) console.error(`hint: ${error.hint}`);
    Deno.exit(1);
  }
}
