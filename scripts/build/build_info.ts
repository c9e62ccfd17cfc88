/**
 * Writes `.out/build.json`: which source this build is made of.
 *
 * @module
 */
import { join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { runTool, ToolError } from "./run_tool.ts";
import { type Workspace, writeFileAtomically } from "./workspace.ts";

/** The step that makes `.out/build.json`. */
export async function buildInfoStep(workspace: Workspace): Promise<BuildStep> {
  const manifest = await Deno.readTextFile(join(workspace.root, "package.json"));
  const { version } = JSON.parse(manifest) as { version: string };
  const commit = await readCommit(workspace);
  const text = JSON.stringify({ version, commit, deno: Deno.version.deno }) + "\n";
  return {
    name: "build.json",
    inputs: [],
    key: [text],
    outputs: [".out/build.json"],
    run: () => writeFileAtomically(join(workspace.out, "build.json"), text),
  };
}

async function readCommit(workspace: Workspace): Promise<string> {
  // A checkout of another user (a mounted tree, a container) is still this project's.
  const git = (...args: string[]) =>
    runTool("git", ["-c", "safe.directory=*", ...args], { cwd: workspace.root });
  try {
    const commit = (await git("rev-parse", "--short=12", "HEAD")).trim();
    const changes = await git("status", "--porcelain", "--untracked-files=no");
    return changes === "" ? commit : `${commit}-dirty`;
  } catch (error) {
    // A source archive, or no git: the version must do.
    if (error instanceof ToolError) return "unknown";
    throw error;
  }
}
