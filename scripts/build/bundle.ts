/**
 * Bundles the agent and its capture worker into one module each, with their npm packages inside.
 *
 * @module
 */
import { join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { runTool } from "./run_tool.ts";
import { hostPlatform, type Workspace } from "./workspace.ts";

/** Modules that are bundled; each output has the entry's file name. */
const ENTRIES = ["src/main.ts", "src/capture/capture_worker.ts"];

/** esbuild's flags but entries and places. */
const FLAGS = [
  "--bundle",
  "--format=esm",
  "--platform=node",
  "--target=esnext",
  // Identifiers stay: a stack trace in a bug report must name our functions.
  "--minify-whitespace",
  "--minify-syntax",
  "--legal-comments=none",
  "--charset=utf8",
  // In the executable there is no other main module, whatever way it was made.
  "--define:import.meta.main=true",
  // commander is CommonJS inside. The worker's blob: URL is no base for createRequire(), but only
  // modules of the runtime are still required at run time, so any absolute path will do.
  "--banner:js=import{createRequire as shrikeRequire}from'node:module';" +
  "const require=shrikeRequire('/');",
  "--log-level=warning",
];

/** The step that makes `.out/bundle/*.js`. */
export function bundleStep(workspace: Workspace): Promise<BuildStep> {
  return Promise.resolve({
    name: "bundle",
    inputs: ["src", "ffi", "package-lock.json", "scripts/build/bundle.ts"],
    key: FLAGS,
    outputs: [".out/bundle/main.js", ".out/bundle/capture_worker.js"],
    run: async () => {
      const esbuild = `node_modules/@esbuild/linux-${hostPlatform().npm}/bin/esbuild`;
      const places = ["--outdir=.out/bundle", "--entry-names=[name]"];
      await runTool(join(workspace.root, esbuild), [...ENTRIES, ...FLAGS, ...places], {
        cwd: workspace.root,
      });
    },
  });
}
