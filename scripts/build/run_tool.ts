/**
 * Runs the programs a build needs, and knows which Debian package has one that is missing.
 *
 * @module
 */

/** A program that is missing or ended with an error; `output` is what it said. */
export class ToolError extends Error {
  constructor(
    readonly tool: string,
    readonly output: string,
    state: string,
    readonly hint: string,
  ) {
    super(`Cannot run "${tool}": ${state}`);
    this.name = "ToolError";
  }
}

/** Where a tool is run and what it sees. */
export interface ToolOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program to its end and returns what it wrote to stdout.
 *
 * @throws {ToolError} it is not installed, or its exit code is not 0.
 */
export async function runTool(
  tool: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const command = new Deno.Command(tool, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  });
  let result: Deno.CommandOutput;
  try {
    result = await command.output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ToolError(tool, "", "it is not installed", "run `sh scripts/setup` as root");
  }
  const decoder = new TextDecoder();
  if (!result.success) {
    const output = decoder.decode(result.stdout) + decoder.decode(result.stderr);
    throw new ToolError(tool, output, `exit code ${result.code}`, "read what it printed");
  }
  const warnings = decoder.decode(result.stderr);
  if (warnings.trim() !== "") console.error(warnings.trimEnd());
  return decoder.decode(result.stdout);
}

/**
 * A text that changes when the program on PATH does: path, size and time of the file behind it.
 * Cheaper than asking each tool for its version on every build.
 */
export async function toolIdentity(tool: string): Promise<string> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      const path = await Deno.realPath(tool.includes("/") ? tool : `${folder}/${tool}`);
      const { size, mtime } = await Deno.stat(path);
      return `${path} ${size} ${mtime?.getTime()}`;
    } catch {
      // Not in this folder of PATH.
    }
  }
  return `${tool} is missing`;
}
