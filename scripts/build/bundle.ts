/**
 * Bundles the agent and its capture worker into one file each, with their npm packages inside.
 *
 * @module
 */
import { join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { runTool } from "./run_tool.ts";
import { hostPlatform, type Workspace } from "./workspace.ts";

/** How esbuild makes one output. */
interface Bundle {
  readonly entry: string;
  readonly output: string;
  readonly flags: readonly string[];
}

const FLAGS = [
  "--bundle",
  "--platform=node",
  "--target=esnext",
  // Identifiers stay: a stack trace in a bug report must name our functions.
  "--minify-whitespace",
  "--minify-syntax",
  "--legal-comments=none",
  "--charset=utf8",
  "--log-level=warning",
];

const BUNDLES: readonly Bundle[] = [
  {
    entry: "src/main.ts",
    output: ".out/bundle/main.js",
    // The body of a function that boot.ts calls; `bundleUrl` is one of its parameters.
    flags: ["--format=cjs", "--define:import.meta.main=true", "--define:import.meta.url=bundleUrl"],
  },
  { entry: "scripts/build/boot.ts", output: ".out/bundle/boot.js", flags: ["--format=esm"] },
  {
    entry: "src/capture/capture_worker.ts",
    output: ".out/bundle/capture_worker.js",
    flags: ["--format=esm"],
  },
];

/** The step that makes `.out/bundle/*.js`. */
export function bundleStep(workspace: Workspace): Promise<BuildStep> {
  return Promise.resolve({
    name: "bundle",
    inputs: ["src", "ffi", "package-lock.json", "scripts/build/boot.ts", "scripts/build/bundle.ts"],
    key: [],
    outputs: BUNDLES.map(({ output }) => output),
    run: async () => {
      const esbuild = `node_modules/@esbuild/linux-${hostPlatform().npm}/bin/esbuild`;
      for (const { entry, output, flags } of BUNDLES) {
        const args = [entry, ...FLAGS, ...flags, `--outfile=${output}`];
        await runTool(join(workspace.root, esbuild), args, { cwd: workspace.root });
      }
    },
  });
}
