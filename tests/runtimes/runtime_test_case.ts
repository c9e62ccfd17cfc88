/**
 * Tests that need root and the programs of a container runtime.
 *
 * @module
 */

/** A test. */
export interface RuntimeTest {
  readonly name: string;
  /** Absolute paths of programs it runs. */
  readonly programs: readonly string[];
  run(): Promise<void>;
}

/** Registers it; without root or a program it is left out with a line on stderr. */
export function runtimeTest({ name, programs, run }: RuntimeTest): void {
  const missing = programs.find((path) => !isFile(path));
  const reason = Deno.uid() !== 0
    ? "not root"
    : missing !== undefined
    ? `"${missing}" is not installed`
    : undefined;
  if (reason !== undefined) console.error(`skip: ${name}: ${reason}`);
  Deno.test({ name, ignore: reason !== undefined, fn: run });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
