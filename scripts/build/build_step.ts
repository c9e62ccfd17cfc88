/**
 * A build step that is skipped when nothing it depends on has changed.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { type Workspace, writeFileAtomically } from "./workspace.ts";

/** One step of the build. Paths are relative to the root of the checkout. */
export interface BuildStep {
  /** Short name, also of the stamp below `.out/stamps/`. */
  readonly name: string;
  /** Files and folders (whole trees) whose content the outputs depend on. */
  readonly inputs: readonly string[];
  /** What else the outputs depend on: flags, versions, identities of tools. */
  readonly key: readonly string[];
  /** Files the step writes. */
  readonly outputs: readonly string[];
  run(): Promise<void>;
}

/** What a finished step leaves in `.out/stamps/`. */
interface Stamp {
  readonly inputs: string;
  /** Size and time of each output: somebody may have replaced or removed one. */
  readonly outputs: readonly string[];
}

/**
 * Runs a step unless its stamp says that inputs and outputs are as they were.
 *
 * @returns whether it ran.
 */
export async function runStep(workspace: Workspace, step: BuildStep): Promise<boolean> {
  const stampPath = join(workspace.out, "stamps", `${step.name}.json`);
  const inputs = await hashInputs(workspace, step);
  const stamp = await readStamp(stampPath);
  if (stamp?.inputs === inputs) {
    const outputs = await describeOutputs(workspace, step);
    if (outputs !== null && outputs.join() === stamp.outputs.join()) return false;
  }
  const started = performance.now();
  console.error(`build: ${step.name}`);
  await step.run();
  const outputs = await describeOutputs(workspace, step);
  if (outputs === null) throw new Error(`Cannot finish step "${step.name}": an output is missing`);
  await writeFileAtomically(stampPath, JSON.stringify({ inputs, outputs } satisfies Stamp));
  const ms = performance.now() - started;
  if (ms > 1000) console.error(`build: ${step.name} took ${(ms / 1000).toFixed(1)} s`);
  return true;
}

async function hashInputs(workspace: Workspace, step: BuildStep): Promise<string> {
  const hash = createHash("sha256");
  const add = (part: string | Uint8Array) => {
    // The length in front keeps ("ab", "c") and ("a", "bc") apart.
    hash.update(`${part.length}:`);
    hash.update(part);
  };
  for (const text of step.key) add(text);
  for (const output of step.outputs) add(output);
  for (const input of step.inputs) {
    for (const path of await listFiles(join(workspace.root, input))) {
      add(relative(workspace.root, path));
      add(await Deno.readFile(path));
    }
  }
  return hash.digest("hex");
}

/** The files of a tree in a fixed order, the file itself for a file, none when it is missing. */
export async function listFiles(path: string): Promise<string[]> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  if (!info.isDirectory) return [path];
  const files: string[] = [];
  for await (const entry of Deno.readDir(path)) {
    const child = join(path, entry.name);
    if (entry.isDirectory) files.push(...await listFiles(child));
    else files.push(child);
  }
  return files.sort();
}

async function describeOutputs(workspace: Workspace, step: BuildStep): Promise<string[] | null> {
  const lines: string[] = [];
  for (const output of step.outputs) {
    try {
      const { size, mtime } = await Deno.stat(join(workspace.root, output));
      lines.push(`${size} ${mtime?.getTime()}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }
  return lines;
}

async function readStamp(path: string): Promise<Stamp | null> {
  try {
    return JSON.parse(await Deno.readTextFile(path)) as Stamp;
  } catch {
    // Missing, or cut short by a build that was killed: the step runs again.
    return null;
  }
}
