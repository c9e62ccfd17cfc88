/**
 * The workload program of `tests/support/workload/`: built once per content, found again in guests,
 * which have no compiler.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";

const SOURCES = new URL("./workload/", import.meta.url).pathname;
const OUT = new URL("../../.out/tests/", import.meta.url).pathname;

/** Static: guests have no libraries of ours. */
const FLAGS = "-static -Os -s -Wall -Wextra -Werror -pthread".split(" ");

/**
 * Path of the workload program, built now unless one of the same sources is there.
 *
 * @throws {Error} it is not there and cannot be built.
 */
export async function buildWorkload(): Promise<string> {
  const names = Array.from(Deno.readDirSync(SOURCES), (entry) => entry.name).sort();
  const hash = createHash("sha256").update(FLAGS.join(" "));
  for (const name of names) hash.update(name).update(Deno.readFileSync(join(SOURCES, name)));
  const path = join(OUT, `workload-${hash.digest("hex").slice(0, 12)}`);
  if (isThere(path)) return path;
  await Deno.mkdir(OUT, { recursive: true });
  const made = `${path}.${Deno.pid}`;
  const sources = names.filter((name) => name.endsWith(".c")).map((name) => join(SOURCES, name));
  const args = [...FLAGS, "-o", made, ...sources];
  const run = await new Deno.Command("gcc", { args, stderr: "piped" }).output();
  if (!run.success) {
    throw new Error(`Cannot build "${path}": ${new TextDecoder().decode(run.stderr)}`);
  }
  await Deno.rename(made, path);
  for (const entry of Deno.readDirSync(OUT)) {
    const old = join(OUT, entry.name);
    if (/^workload-[0-9a-f]{12}$/.test(entry.name) && old !== path) await Deno.remove(old);
  }
  return path;
}

/** What a workload did, apart from what the kernel said about it. */
export interface WorkloadResult {
  readonly pid: number;
  readonly code: number;
  readonly signal: Deno.Signal | null;
  /** Standard output, trimmed. */
  readonly output: string;
}

/** How to start a workload. */
export interface WorkloadOptions {
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly environment?: Record<string, string>;
}

/** Runs `program ARGS`, with no other environment than given, to its end. */
export async function runWorkload(
  program: string,
  args: readonly string[],
  { environment, ...options }: WorkloadOptions = {},
): Promise<WorkloadResult> {
  const child = new Deno.Command(program, {
    args: [...args],
    clearEnv: true,
    env: environment ?? {},
    stdin: "null",
    stdout: "piped",
    ...options,
  }).spawn();
  const { code, signal, stdout } = await child.output();
  return { pid: child.pid, code, signal, output: new TextDecoder().decode(stdout).trim() };
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
