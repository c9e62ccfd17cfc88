/**
 * `deno task generate [--check]`: the files of all `generated/` folders, from the C headers, the
 * sensor folders and the metrics in the sources, and the table of metrics in the README.
 *
 * @module
 */
import { join } from "node:path";
import { type BuildStep, listFiles } from "./build_step.ts";
import { generateMetrics } from "./generate_metrics.ts";
import { generateRegistry } from "./generate_registry.ts";
import { generateTypes } from "./generate_types.ts";
import { ToolError, toolIdentity } from "./run_tool.ts";
import { openWorkspace, type Workspace, writeFileAtomically } from "./workspace.ts";

/** Folders whose whole content comes from here. */
const GENERATED_FOLDERS = [
  "src/wire/generated",
  "src/sensors/generated",
  "src/metrics/generated",
];

/** Generated files that are missing, different or left over. */
export class StaleError extends Error {
  readonly hint = "run `deno task generate` and commit what it wrote";

  constructor(readonly paths: readonly string[]) {
    super(`Cannot use generated files "${paths.join('", "')}": their sources say otherwise`);
    this.name = "StaleError";
  }
}

/** Every generated file: path below the root to text. */
export async function generateAll(workspace: Workspace): Promise<Map<string, string>> {
  await Deno.mkdir(workspace.out, { recursive: true });
  const work = await Deno.makeTempDir({ dir: workspace.out, prefix: "generate.work." });
  try {
    const files = new Map<string, string>();
    const types = await generateTypes(workspace.root, work);
    for (const [name, text] of types.files) files.set(`src/wire/generated/${name}`, text);
    files.set("src/sensors/generated/registry.ts", await generateRegistry(workspace.root));
    for (const [path, text] of await generateMetrics(workspace.root)) files.set(path, text);
    return files;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Paths below the root that differ from what would be generated, by name. */
export async function findStale(
  workspace: Workspace,
  files: ReadonlyMap<string, string>,
): Promise<string[]> {
  const stale: string[] = [];
  for (const [path, text] of files) {
    const now = await Deno.readTextFile(join(workspace.root, path)).catch(() => null);
    if (now !== text) stale.push(path);
  }
  for (const folder of GENERATED_FOLDERS) {
    for (const file of await listFiles(join(workspace.root, folder))) {
      const path = file.slice(workspace.root.length + 1);
      if (!files.has(path)) stale.push(path);
    }
  }
  return stale.sort();
}

/**
 * Fails when a generated file is not what its sources say.
 *
 * @throws {StaleError}
 */
export async function checkGenerated(workspace: Workspace): Promise<void> {
  const stale = await findStale(workspace, await generateAll(workspace));
  if (stale.length > 0) throw new StaleError(stale);
}

/** The step with which a build refuses stale generated files; it never writes into the sources. */
export async function checkGeneratedStep(workspace: Workspace): Promise<BuildStep> {
  return {
    name: "generated",
    inputs: ["bpf", "src/sensors", "src/wire/generated", "scripts/build"],
    key: await Promise.all(["clang", "bpftool"].map(toolIdentity)),
    outputs: [],
    run: () => checkGenerated(workspace),
  };
}

async function writeGenerated(workspace: Workspace): Promise<void> {
  const files = await generateAll(workspace);
  for (const path of await findStale(workspace, files)) {
    const text = files.get(path);
    if (text === undefined) await Deno.remove(join(workspace.root, path));
    else await writeFileAtomically(join(workspace.root, path), text);
    console.error(`generate: ${text === undefined ? "removed" : "wrote"} ${path}`);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const workspace = openWorkspace();
  if (args.length === 0) await writeGenerated(workspace);
  else if (args.length === 1 && args[0] === "--check") await checkGenerated(workspace);
  else {
    console.error("usage: deno task generate [--check]");
    return 2;
  }
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`generate: ${error.message}`);
    if (error instanceof ToolError) console.error(error.output.trimEnd());
    if ("hint" in error) console.error(`hint: ${error.hint}`);
    Deno.exit(1);
  }
}
