/**
 * Makes `dist/shrike` with `deno compile`.
 *
 * @module
 */
import { join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { PAYLOAD_FILES } from "./payload_files.ts";
import { runTool, ToolError, toolIdentity } from "./run_tool.ts";
import { hostPlatform, pinnedDeno, type Workspace } from "./workspace.ts";

/** Permissions and sources as in pack_executable.ts; the compiled program reads no command line. */
const COMPILE_FLAGS = [
  "compile",
  "--allow-all",
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--no-check",
  "--no-code-cache",
];

/**
 * Whether `deno compile` has a base runtime without asking the network: named by DENORT_BIN, or in
 * Deno's cache from an earlier download.
 */
export async function hasBaseRuntime(workspace: Workspace): Promise<boolean> {
  if (Deno.env.get("DENORT_BIN")) return true;
  const info = await runTool(pinnedDeno(workspace), ["info", "--json"]);
  const { denoDir } = JSON.parse(info) as { denoDir: string };
  const target = `${hostPlatform().rust}-unknown-linux-gnu`;
  const archive = join(denoDir, "dl/release", `v${Deno.version.deno}`, `denort-${target}.zip`);
  return await Deno.stat(archive).then(() => true, () => false);
}

/** The step that compiles the bundle into an executable. */
export async function compileStep(workspace: Workspace): Promise<BuildStep> {
  const deno = pinnedDeno(workspace);
  return {
    name: "dist-shrike",
    inputs: [
      ...PAYLOAD_FILES.map((file) => `.out/${file}`),
      ".out/bpf",
      "scripts/build/compile_executable.ts",
    ],
    key: ["compile", Deno.env.get("DENORT_BIN") ?? "", await toolIdentity(deno)],
    outputs: ["dist/shrike"],
    run: () => compile(workspace, deno),
  };
}

async function compile(workspace: Workspace, deno: string): Promise<void> {
  const work = await Deno.makeTempDir({ dir: workspace.out, prefix: "compile.work." });
  try {
    const path = join(work, "shrike");
    const included = [...PAYLOAD_FILES.map((file) => `.out/${file}`), ".out/bpf"];
    await runTool(deno, [
      ...COMPILE_FLAGS,
      ...included.map((file) => `--include=${file}`),
      `--output=${path}`,
      ".out/bundle/boot.js",
    ], { cwd: workspace.root });
    await refuseBareRuntime(path);
    await Deno.mkdir(workspace.dist, { recursive: true });
    await Deno.rename(path, join(workspace.dist, "shrike"));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/**
 * `deno compile` takes any file as DENORT_BIN; given a whole Deno instead of its base runtime it
 * makes a program that ignores what was put into it.
 */
async function refuseBareRuntime(path: string): Promise<void> {
  const help = await runTool(path, ["--help"]);
  if (help.includes("shrike")) return;
  throw new ToolError(
    "deno compile",
    "",
    "what it made is not shrike",
    "let DENORT_BIN name a denort of this version, or build with --way=pack",
  );
}
