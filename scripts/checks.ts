/**
 * What `deno task ok` checks before it runs the unit tests.
 *
 * @module
 */
import { join, relative } from "node:path";
import { listFiles } from "./build/build_step.ts";
import { runTool } from "./build/run_tool.ts";
import { pinnedDeno, type Workspace } from "./build/workspace.ts";

/** One check. */
export interface Check {
  readonly name: string;
  /** What a developer types to repeat it, or to repair what it found. */
  readonly command: string;
  /** @throws {ToolError} with what is wrong as its output. */
  run(workspace: Workspace): Promise<unknown>;
}

const CODE = ["build.ts", "ffi", "src", "scripts", "tests"];

/** All checks, the quick ones first. */
export const CHECKS: readonly Check[] = [
  denoCheck("fmt", ["fmt", "--check", "--quiet"], "deno fmt"),
  { name: "clang-format", command: "clang-format -i FILE", run: checkCFormat },
  denoCheck("lint", ["lint", "--quiet"]),
  denoCheck("types", ["check", "--quiet", ...CODE]),
  denoCheck("generated", ["run", "-A", "scripts/build/generate.ts", "--check"]),
  denoCheck("imports", ["run", "-A", "scripts/check_imports.ts"]),
  denoCheck("tidy", ["run", "-A", "scripts/check_tidy.ts"]),
];

function denoCheck(name: string, args: readonly string[], command?: string): Check {
  return {
    name,
    command: command ?? `deno ${args.join(" ")}`,
    run: (workspace) => runTool(pinnedDeno(workspace), args, { cwd: workspace.root }),
  };
}

/** Every C file of ours, as .clang-format says. */
async function checkCFormat(workspace: Workspace): Promise<void> {
  const files: string[] = [];
  for (const place of ["bpf", "scripts", "tests"]) {
    for (const path of await listFiles(join(workspace.root, place))) {
      if (/\.[ch]$/.test(path)) files.push(relative(workspace.root, path));
    }
  }
  await runTool("clang-format", ["--dry-run", "-Werror", ...files], { cwd: workspace.root });
}
